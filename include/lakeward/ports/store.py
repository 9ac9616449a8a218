"""The object store: landing, evidence and pointers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lakeward.domain.file_facts import StorageAccess


@dataclass(frozen=True, slots=True)
class Entry:
    """An object of a store, as a listing shows it; ``modified`` is told by the store's own clock."""

    key: str
    bytes: int
    modified: datetime
    etag: str = ""


class ObjectStore(Protocol):
    """Landing, evidence and pointers: keys below one root. Conditional writes are atomic."""

    root: str
    access: StorageAccess

    def url(self, key: str) -> str:
        """The full URL (s3://... or an absolute path) of a key, as DuckDB and pyarrow read it."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and etag, or None when there is no such object."""

    def etag(self, key: str) -> str | None:
        """The etag alone, without the content; None when there is no such object."""

    def put(self, key: str, data: bytes) -> str:
        """Write, whatever was there; the etag."""

    def put_new(self, key: str, data: bytes) -> bool:
        """Write only if absent; False when something is there already."""

    def put_if(self, key: str, data: bytes, etag: str) -> bool:
        """Write only if the object still has that etag; False when it has not."""

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        """Keys and sizes below a prefix."""

    def entries(self, prefix: str) -> Sequence[Entry]:
        """As ``list``, with the instant at which each was written."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete; absent ones are no error."""
