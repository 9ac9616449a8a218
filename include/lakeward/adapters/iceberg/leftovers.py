"""Files below a table that nothing names: found by listing, removed behind a fence that no commit under way gets past."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from urllib.parse import unquote

from pyarrow.fs import FileSelector, FileType
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.condemned import CONDEMNED, condemned, stem
from lakeward.adapters.iceberg.once import REFUSED, UNKNOWN, WAITS
from lakeward.adapters.iceberg.read import ORIGIN, origin
from lakeward.domain.maintenance import LakeFile
from lakeward.errors import ConflictError

_FOLDERS = ("data", "metadata")
_SUFFIXES = (".parquet", ".orc", ".avro", ".puffin", ".stats", ".metadata.json")
"""What Iceberg writes; nothing else is looked at."""
_READERS = 8
_MARKED = 500
"""Stems in one mark: it is a table property, which everybody who opens the table loads."""


def find_leftovers(table: Table, before: datetime, spared: Collection[str]) -> tuple[LakeFile, ...]:
    """Files in the table's own folders that nothing in its metadata names, older than an instant, sorted by URL."""
    old = {file.url: file for file in _listed(table) if file.modified < before}
    kept = {path for url in spared for path in _paths(table, url)}
    return tuple(old[url] for url in sorted(unnamed(table, old)) if not kept.intersection(_paths(table, url)))


def unnamed(table: Table, urls: Iterable[str]) -> list[str]:
    """Those of the URLs that nothing in the table's metadata names."""
    named = _named(table)
    return [url for url in urls if not named.intersection(_paths(table, url))]


def delete_file(table: Table, url: str) -> None:
    """Delete; an absent one is no error."""
    with suppress(FileNotFoundError):
        table.io.delete(url)


def remove_leftovers(catalog: Catalog, load: Callable[[], Table], files: Sequence[LakeFile]) -> tuple[LakeFile, ...]:
    """Delete leftovers; those that are gone now. What became named since it was found stays.

    First the files are marked in the table, in a commit that moves main: whoever built a commit before that is refused,
    and whoever builds one later reads the mark and lets go of the files. Then what is named is read once more. Only files
    that existed before the mark, and that nothing names after it, are deleted.
    """
    if not files:
        return ()
    there = {stem(file.url) for file in _listed(load())}
    stems = sorted({stem(file.url) for file in files if file.kind == "data"})
    removed: list[LakeFile] = []
    for first in range(0, max(len(stems), 1), _MARKED):
        marked = frozenset(stems[first : first + _MARKED])
        table = _mark(catalog, load, marked, there)
        due = {f.url: f for f in files if stem(f.url) in marked or (f.kind != "data" and not first)}
        gone = unnamed(table, due)
        with ThreadPoolExecutor(_READERS) as pool:
            list(pool.map(partial(delete_file, table), gone))
        removed += [due[url] for url in gone]
    return tuple(removed)


def _named(table: Table) -> set[str]:
    """The path of every file that the table's metadata name: of any snapshot, whoever refers to it, and of the past log."""
    metadata = table.metadata
    urls = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    urls |= {file.statistics_path for file in (*metadata.statistics, *metadata.partition_statistics)}
    with ThreadPoolExecutor(_READERS) as pool:
        lists = pool.map(lambda snapshot: _manifests(table, snapshot), metadata.snapshots)
        manifests = {manifest.manifest_path: manifest for found in lists for manifest in found}
        for found in pool.map(lambda manifest: _data_files(table, manifest), manifests.values()):
            urls |= found
    urls |= manifests.keys() | {snapshot.manifest_list for snapshot in metadata.snapshots}
    return {path for url in urls for path in _paths(table, url)}


def _manifests(table: Table, snapshot: Snapshot) -> list[ManifestFile]:
    return snapshot.manifests(table.io)


def _data_files(table: Table, manifest: ManifestFile) -> set[str]:
    entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    return {entry.data_file.file_path for entry in entries}


def _paths(table: Table, url: str) -> set[str]:
    """A URL without its scheme, as it is written and as it may be meant: whoever wrote it may have quoted it."""
    path = PyArrowFileIO.parse_location(url, table.io.properties)[2]
    return {path, unquote(path)}


def _listed(table: Table) -> Iterator[LakeFile]:
    """What lies in the table's own folders."""
    location = table.metadata.location.rstrip("/")
    io = PyArrowFileIO(table.io.properties)
    scheme, host, root = io.parse_location(location, io.properties)
    for folder in _FOLDERS:
        selector = FileSelector(f"{root}/{folder}", allow_not_found=True, recursive=True)
        for info in io.fs_by_scheme(scheme, host).get_file_info(selector):
            if info.type == FileType.File and info.path.endswith(_SUFFIXES):
                yield LakeFile(f"{location}{info.path.removeprefix(root)}", folder, info.size, info.mtime)


def _mark(catalog: Catalog, load: Callable[[], Table], stems: frozenset[str], there: Collection[str]) -> Table:
    """Mark files and move main; the table as it is then. What is marked already and not gone yet stays marked."""
    last: Exception | None = None
    made: set[int] = set()
    for wait in (*WAITS, None):
        table = load()
        if made & {snapshot.snapshot_id for snapshot in table.metadata.snapshots}:  # an answer was lost, not the commit
            return table
        marks = " ".join(sorted(stems | condemned(table).intersection(there)))
        start = origin(table, table.current_snapshot())
        change = asking.same_files(table, {ORIGIN: str(start.snapshot_id)} if start else {})
        change = asking.with_properties(change, {CONDEMNED: marks} if marks else {}, () if marks else (CONDEMNED,))
        made.add(change.snapshot_id)
        try:
            asking.commit_one(catalog, change)
        except REFUSED as error:
            last = error
            change.discard()
            if wait:
                time.sleep(wait)
        except UNKNOWN as error:
            last = error
            if wait:
                time.sleep(wait)
        else:
            return load()
    raise ConflictError(
        f"Nothing was removed from {'.'.join(load().name())}: others kept moving it ({type(last).__name__}).",
        todo="Run the clean-up again.",
    ) from last
