"""A folder as an object store: an object is there whole or not at all, also after kill -9."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lakeward.adapters.objects.keys import checked
from lakeward.domain.file_facts import StorageAccess
from lakeward.errors import LakeError
from lakeward.ports import Entry

PRIVATE = ".store"
"""Folder in the root for the lock and for files that are still being written; its content is never listed."""


class LocalStore:
    """Objects as files below one folder, which is created. The etag is the content's sha256.

    Writers of one machine exclude each other by a lock file; a new object appears by link(2), which fails when there is one.
    """

    def __init__(self, root: str | Path) -> None:
        self._folder = Path(root).absolute()
        self.root = str(self._folder)
        self.access = StorageAccess()
        with self._told("create"):
            (self._folder / PRIVATE).mkdir(parents=True, exist_ok=True)

    def url(self, key: str) -> str:
        """The absolute path of a key."""
        return str(self._path(key))

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and etag, or None when there is no such object."""
        with self._told(f"read {key}"):
            try:
                data = self._path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        return data, hashlib.sha256(data).hexdigest()

    def etag(self, key: str) -> str | None:
        """The sha256 of the content, or None when there is no such object."""
        with self._told(f"read {key}"):
            try:
                with self._path(key).open("rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def put(self, key: str, data: bytes) -> str:
        """Write, whatever was there; the etag."""
        path = self._path(key)
        with self._told(f"write {key}"), self._written(data) as whole, self._locked():
            self._replace(whole, path)
        return hashlib.sha256(data).hexdigest()

    def put_new(self, key: str, data: bytes) -> bool:
        """Write only if absent."""
        path = self._path(key)
        if path.exists():
            return False
        with self._told(f"write {key}"), self._written(data) as whole:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(whole, path)
            except FileExistsError:
                return False
            _sync(path.parent)
            return True

    def put_if(self, key: str, data: bytes, etag: str) -> bool:
        """Write only if the object still has that etag."""
        path = self._path(key)
        with self._told(f"write {key}"), self._written(data) as whole, self._locked():
            there = self.get(key)
            if there is None or there[1] != etag:
                return False
            self._replace(whole, path)
            return True

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        """Keys that begin with ``prefix`` and their sizes, sorted."""
        return [(entry.key, entry.bytes) for entry in self.entries(prefix)]

    def entries(self, prefix: str) -> tuple[Entry, ...]:
        """As ``list``, with the instant at which each was written."""
        if prefix.strip("/"):
            checked(prefix.rstrip("/"))
        start = self._folder / prefix.rpartition("/")[0]
        with self._told(f"list {prefix}"):
            found = [entry for entry in self._walk(start) if entry.key.startswith(prefix)]
        return tuple(sorted(found, key=lambda entry: entry.key))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete; absent ones are no error."""
        with self._told("delete"), self._locked():
            for key in keys:
                with suppress(FileNotFoundError, NotADirectoryError):
                    self._path(key).unlink()

    def check(self) -> None:
        """LakeError when the folder can't be written."""
        with self._told("write to it"), self._written(b""):
            pass

    def close(self) -> None:
        """Nothing to close."""

    def _path(self, key: str) -> Path:
        if key == PRIVATE or key.startswith(f"{PRIVATE}/"):
            raise LakeError(f"{key!r} is the store's own.", todo="Choose another key.")
        return self._folder / checked(key)

    def _walk(self, start: Path) -> Iterator[Entry]:
        for folder, names, files in os.walk(start):
            if Path(folder) == self._folder:
                names.remove(PRIVATE)
            for name in files:
                path = Path(folder, name)
                with suppress(FileNotFoundError):  # deleted while we look
                    told = path.stat()
                    modified = datetime.fromtimestamp(told.st_mtime, UTC)
                    yield Entry(path.relative_to(self._folder).as_posix(), told.st_size, modified)

    @contextmanager
    def _written(self, data: bytes) -> Iterator[Path]:
        """The data in a file of its own, on disk; a leftover of a killed writer is in nobody's way."""
        handle, name = tempfile.mkstemp(dir=self._folder / PRIVATE, suffix=".part")
        whole = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield whole
        finally:
            whole.unlink(missing_ok=True)

    @staticmethod
    def _replace(whole: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole.replace(path)
        _sync(path.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # flock belongs to the open file: it excludes threads as well as processes, and ends with the process.
        with (self._folder / PRIVATE / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LakeError(
                f"The folder {self.root} did not let us {doing}: {error.strerror or error}.",
                todo="Check that the folder of `landing.path` exists, can be written, and has room.",
            ) from error


def _sync(folder: Path) -> None:
    """Make a folder's entries outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
