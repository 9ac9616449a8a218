"""Live entries of manifests: read several at a time, and small ones once in a process, for a manifest never changes.

A table to which a thousand windows were appended has a thousand small manifests, and each step looks at all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestEntry, ManifestFile

_READERS = 8
_FEW, _MOST = 8, 4096
"""Entries of a small manifest; small manifests that are remembered, some 10 kB each."""
_known: OrderedDict[str, list[ManifestEntry]] = OrderedDict()
_lock = Lock()


def entries_of(io: FileIO, manifests: Sequence[ManifestFile]) -> list[list[ManifestEntry]]:
    """The live entries of each manifest, in order; they are shared and must not be changed."""
    with _lock:
        found = {m.manifest_path: _known[m.manifest_path] for m in manifests if m.manifest_path in _known}
    wanting = [m for m in manifests if m.manifest_path not in found]
    if len(wanting) > 1:
        with ThreadPoolExecutor(min(_READERS, len(wanting))) as pool:
            read = list(pool.map(lambda m: m.fetch_manifest_entry(io, discard_deleted=True), wanting))
    else:
        read = [m.fetch_manifest_entry(io, discard_deleted=True) for m in wanting]
    for manifest, entries in zip(wanting, read, strict=True):
        found[manifest.manifest_path] = entries
        if len(entries) <= _FEW:
            _remember(manifest.manifest_path, entries)
    return [found[m.manifest_path] for m in manifests]


def _remember(path: str, entries: list[ManifestEntry]) -> None:
    with _lock:
        _known[path] = entries
        while len(_known) > _MOST:
            _known.popitem(last=False)
