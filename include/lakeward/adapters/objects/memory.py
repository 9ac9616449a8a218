"""The in-memory twin: one process, many threads, the same promises."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from lakeward.adapters.objects.keys import checked
from lakeward.domain.file_facts import StorageAccess
from lakeward.domain.identity import digest
from lakeward.ports import Entry


class MemoryStore:
    """Objects in a dict; gone with the process. Its URLs can be read by nobody else."""

    def __init__(self, root: str = "memory://store") -> None:
        self.root = root
        self.access = StorageAccess()
        self._objects: dict[str, bytes] = {}
        self._modified: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def url(self, key: str) -> str:
        """The URL of a key, for messages."""
        return f"{self.root}/{checked(key)}"

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and etag, or None when there is no such object."""
        with self._lock:
            data = self._objects.get(checked(key))
        return None if data is None else (data, digest(data))

    def etag(self, key: str) -> str | None:
        """The sha256 of the content, or None when there is no such object."""
        found = self.get(key)
        return found[1] if found else None

    def put(self, key: str, data: bytes) -> str:
        """Write, whatever was there; the etag."""
        with self._lock:
            self._keep(checked(key), data)
        return digest(data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write only if absent."""
        with self._lock:
            if checked(key) in self._objects:
                return False
            self._keep(key, data)
            return True

    def put_if(self, key: str, data: bytes, etag: str) -> bool:
        """Write only if the object still has that etag."""
        with self._lock:
            there = self._objects.get(checked(key))
            if there is None or digest(there) != etag:
                return False
            self._keep(key, data)
            return True

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        """Keys that begin with ``prefix`` and their sizes, sorted."""
        return [(entry.key, entry.bytes) for entry in self.entries(prefix)]

    def entries(self, prefix: str) -> tuple[Entry, ...]:
        """As ``list``, with the instant at which each was written."""
        with self._lock:
            found = sorted((key, data) for key, data in self._objects.items() if key.startswith(prefix))
            return tuple(Entry(key, len(data), self._modified[key]) for key, data in found)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete; absent ones are no error."""
        with self._lock:
            for key in keys:
                self._objects.pop(checked(key), None)

    def _keep(self, key: str, data: bytes) -> None:
        self._objects[key] = data
        self._modified[key] = datetime.now(UTC)  # as a server's own clock would

    def check(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing to close."""
