"""The files of a lake: which there are, whether each is as it was, what is in it to the last byte."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, Protocol

from lakeward.adapters.objects import S3Store
from lakeward.domain.file_facts import StorageAccess
from lakeward.errors import SourceError

_CHUNK = 1 << 20
_FEW = 20
_CODECS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file as it was listed. ``state`` changes whenever its content does: the store's etag, or what the file system tells."""

    key: str  # below the root
    url: str
    bytes: int
    state: str

    @property
    def codec(self) -> str:
        """By what it is compressed as a whole; empty when it is not."""
        return next((codec for ending, codec in _CODECS.items() if self.key.endswith(ending)), "")


class Listing(Protocol):
    """Where a lake's files lie."""

    root: str

    def files(self) -> tuple[LakeFile, ...]:
        """Every file, sorted; what begins with a dot or an underscore, or is in such a folder, is none."""

    def keys(self, folder: str) -> tuple[str, ...]:
        """What is in folders of that name, hidden or not."""

    def states(self, files: Sequence[LakeFile]) -> Mapping[str, str]:
        """The states of files now, by their keys; those that are gone have none."""

    def open(self, file: LakeFile) -> BinaryIO:
        """The file's bytes."""


class LocalListing:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self._root = root

    def files(self) -> tuple[LakeFile, ...]:
        """Every file below the folder; SourceError when it is not there."""
        if not self._root.is_dir():
            raise SourceError(
                f"There is no folder {self._root}.", todo="Check `source.path` and the connection's path."
            )
        paths = (p for p in self._root.rglob("*") if p.is_file())
        keys = ((p.relative_to(self._root).as_posix(), p) for p in paths)
        states = ((key, p, _state(p)) for key, p in keys if _is_shown(key))  # none: it is gone since it was found
        found = (LakeFile(key, str(p), int(state.split(":")[2]), state) for key, p, state in states if state)
        return tuple(sorted(found, key=lambda f: f.key))

    def keys(self, folder: str) -> tuple[str, ...]:
        """What is in folders of that name, hidden or not."""
        return tuple(sorted(p.relative_to(self._root).as_posix() for p in self._root.glob(f"*/{folder}/*")))

    def states(self, files: Sequence[LakeFile]) -> Mapping[str, str]:
        """Device, inode, size and times of each."""
        return {file.key: state for file in files if (state := _state(Path(file.url)))}

    def open(self, file: LakeFile) -> BinaryIO:
        """The file's bytes."""
        return Path(file.url).open("rb")


def _state(path: Path) -> str:
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


class S3Listing:
    """A prefix of a bucket."""

    def __init__(self, store: S3Store) -> None:
        self.root = store.root
        self.access: StorageAccess = store.access
        self._store = store

    def files(self) -> tuple[LakeFile, ...]:
        """Every object below the prefix."""
        found = self._store.entries("")
        return tuple(
            LakeFile(e.key, self._store.url(e.key), e.bytes, e.etag) for e in found if e.bytes and _is_shown(e.key)
        )

    def keys(self, folder: str) -> tuple[str, ...]:
        """What is in folders of that name, hidden or not."""
        return tuple(entry.key for entry in self._store.entries("") if f"/{folder}/" in entry.key)

    def states(self, files: Sequence[LakeFile]) -> Mapping[str, str]:
        """The etags: of a few objects one by one, of many from a listing."""
        if len(files) > _FEW:
            return {file.key: file.state for file in self.files()}
        return {file.key: etag for file in files if (etag := self._store.etag(file.key))}

    def open(self, file: LakeFile) -> BinaryIO:
        """The object's bytes, as they come."""
        return self._store.open(file.key)


def _is_shown(key: str) -> bool:
    return not any(part.startswith((".", "_")) for part in key.split("/"))


class _Hashed(RawIOBase):
    """Bytes that are added up while they are read."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self.sum = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        found = self._inner.read(_CHUNK if size is None or size < 0 else size)
        self.sum.update(found)
        return found


def checksum(listing: Listing, file: LakeFile) -> str:
    """The sha256 of a file, which is read whole; what is compressed is made sure to be whole.

    DuckDB takes a compressed file that ends too early for a short one, without a word.

    :raises SourceError: the file is gone, or cut off.
    """
    import pyarrow as pa

    try:
        with closing(listing.open(file)) as raw:
            hashed = _Hashed(raw)
            if file.codec:
                with pa.CompressedInputStream(pa.PythonFile(hashed, mode="r"), file.codec) as whole:
                    while whole.read(_CHUNK):
                        pass
            while hashed.read(_CHUNK):
                pass
    except FileNotFoundError:
        raise vanished(file) from None
    except OSError as error:
        raise SourceError(
            f"{file.url}: {error}. A {file.codec or 'plain'} file that is cut off would lose rows.",
            todo="Put the whole file there, or take it away; then run the step again.",
        ) from None
    return hashed.sum.hexdigest()


def begin(listing: Listing, file: LakeFile) -> bytes:
    """The first megabyte of a file, unpacked."""
    import pyarrow as pa

    try:
        with closing(listing.open(file)) as raw:
            if not file.codec:
                return raw.read(_CHUNK)
            with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), file.codec) as whole:
                return bytes(whole.read(_CHUNK))
    except FileNotFoundError:
        raise vanished(file) from None


def vanished(file: LakeFile) -> SourceError:
    """A file that was listed is no longer there."""
    return SourceError(
        f"{file.url} was there when the cut began and is gone now. Nothing of this step counts.",
        todo="Let nobody delete files while they are read; then run the step again, which takes what is there.",
    )


def changed(file: LakeFile) -> SourceError:
    """A file is another than was listed."""
    return SourceError(
        f"{file.url} was changed while it was read. Nothing of this step counts.",
        todo="Let nobody write to files that are there already; then run the step again.",
    )


def check_same(listing: Listing, files: Sequence[LakeFile]) -> None:
    """SourceError when one of the files is gone or another by now."""
    now = listing.states(files)
    for file in files:
        if file.key not in now:
            raise vanished(file)
        if now[file.key] != file.state:
            raise changed(file)
