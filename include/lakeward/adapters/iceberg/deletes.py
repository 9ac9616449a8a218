"""Position deletes: what hides rows of a snapshot, and snapshots that hide more, or fold them in. Over PyIceberg's internals, as change.py.

PyIceberg reads delete files and writes none. A delete file of ours is of one partition; a position is named once and never again,
so that rows that live are records less positions.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update.snapshot import _FastAppendFiles, _SnapshotProducer
from pyiceberg.typedef import EMPTY_DICT, Record

from lakeward.adapters.iceberg.change import Change, ReplaceFiles, Unstaged, made
from lakeward.adapters.iceberg.manifests import entries_of
from lakeward.errors import LakeError

PATH, POS = 2147483546, 2147483545
"""Field ids that the format reserves."""
_SCHEMA = pa.schema(
    [
        pa.field("file_path", pa.string(), nullable=False, metadata={b"PARQUET:field_id": b"%d" % PATH}),
        pa.field("pos", pa.int64(), nullable=False, metadata={b"PARQUET:field_id": b"%d" % POS}),
    ]
)
Place = tuple[int, Record]
"""A partition: its spec, and its values."""


@dataclass(frozen=True, slots=True)
class Content:
    """The live data files of a snapshot, and the delete files that hide some of their rows."""

    data: list[ManifestEntry] = field(default_factory=list)
    deletes: list[ManifestEntry] = field(default_factory=list)


def content_of(table: Table, snapshot: Snapshot | None) -> Content:
    """What a snapshot holds; LakeError when it has equality deletes, which lakeward neither writes nor reads."""
    found = Content()
    manifests = snapshot.manifests(table.io) if snapshot else []
    for manifest, entries in zip(manifests, entries_of(table.io, manifests), strict=True):
        if manifest.content != ManifestContent.DELETES:
            found.data.extend(entries)
            continue
        if strange := [e for e in entries if e.data_file.content != DataFileContent.POSITION_DELETES]:
            raise LakeError(
                f"Table {'.'.join(table.name())}: {strange[0].data_file.file_path} deletes rows by equality.",
                todo="Somebody else deleted rows. Rewrite the table's data files, or run a new cut into an empty table.",
            )
        found.deletes.extend(entries)
    return found


def dead_positions(table: Table, deletes: Iterable[ManifestEntry]) -> pa.Table:
    """The positions in delete files: ``file_path``, ``pos``, and ``by``, the delete file's number."""
    parts = []
    for number, entry in enumerate(deletes):
        with table.io.new_input(entry.data_file.file_path).open() as stream:
            read = pq.read_table(stream, columns=["file_path", "pos"]).cast(_SCHEMA)
        parts.append(read.append_column("by", pa.array([number] * read.num_rows, pa.int64())))
    return pa.concat_tables(parts) if parts else _SCHEMA.append(pa.field("by", pa.int64())).empty_table()


class _DeletesWriter(ManifestWriterV2):
    """Writes a manifest of delete files."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class _Deleting(_SnapshotProducer[Any]):
    """A snapshot with more delete files, or fewer."""

    _more: Sequence[DataFile] = ()
    _fewer: Sequence[ManifestEntry] = ()

    def deleting(self, more: Sequence[DataFile], fewer: Sequence[ManifestEntry] = ()) -> None:
        """Name them."""
        self._more, self._fewer = more, fewer

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        gone = {entry.data_file.file_path for entry in self._fewer}
        kept: list[ManifestFile] = []
        for manifest in manifests:
            if manifest.content != ManifestContent.DELETES or not gone:
                kept.append(manifest)
                continue
            (entries,) = entries_of(self._io, [manifest])
            left = [entry for entry in entries if entry.data_file.file_path not in gone]
            if len(left) == len(entries):
                kept.append(manifest)
            elif left:
                existing = [self._entry(e, ManifestEntryStatus.EXISTING, e.snapshot_id) for e in left]
                kept.append(self._manifest(manifest.partition_spec_id, existing))
        by_spec: dict[int, list[ManifestEntry]] = defaultdict(list)
        for entry in self._fewer:
            by_spec[entry.data_file.spec_id].append(self._entry(entry, ManifestEntryStatus.DELETED, self._snapshot_id))
        for file in self._more:
            by_spec[file.spec_id].append(
                ManifestEntry.from_args(
                    status=ManifestEntryStatus.ADDED,
                    snapshot_id=self._snapshot_id,
                    sequence_number=None,
                    file_sequence_number=None,
                    data_file=file,
                )
            )
        return kept + [self._manifest(spec, entries) for spec, entries in by_spec.items()]

    def _entry(self, entry: ManifestEntry, status: ManifestEntryStatus, snapshot_id: int | None) -> ManifestEntry:
        return ManifestEntry.from_args(
            status=status,
            snapshot_id=snapshot_id,
            sequence_number=entry.sequence_number,
            file_sequence_number=entry.file_sequence_number,
            data_file=entry.data_file,
        )

    def _manifest(self, spec_id: int, entries: Iterable[ManifestEntry]) -> ManifestFile:
        with _DeletesWriter(
            self.spec(spec_id), self.schema(), self.new_manifest_output(), self._snapshot_id, self._compression
        ) as writer:
            for entry in entries:
                writer.add_entry(entry)
        return writer.to_manifest_file()

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        data, gone = self._added_data_files, self._deleted_data_files
        self._added_data_files = [*data, *self._more]
        self._deleted_data_files = gone | {entry.data_file for entry in self._fewer}
        try:
            return super()._summary(snapshot_properties)
        finally:
            self._added_data_files, self._deleted_data_files = data, gone

    def _clean_all_uncommitted(self) -> None:
        super()._clean_all_uncommitted()
        for file in self._more:
            self._io.delete(file.file_path)


class _Apply(_Deleting, _FastAppendFiles):
    """Rows hidden and rows added; every file stays."""


class _Fold(_Deleting, ReplaceFiles):
    """Some files exchanged for others with the rows that live, delete files for fewer."""


def hide_and_add(table: Table, more: Sequence[DataFile], new: Iterable[DataFile], summary: Mapping[str, str]) -> Change:
    """A snapshot that hides rows by these delete files, and has these data files beside all others."""
    producer = _Apply(Operation.OVERWRITE, Unstaged(table), table.io, uuid.uuid4(), dict(summary))
    producer.deleting(more)
    return made(table, producer, new)


def fold_files(
    table: Table,
    old: Iterable[ManifestEntry],
    new: Iterable[DataFile],
    more: Sequence[DataFile],
    fewer: Sequence[ManifestEntry],
    summary: Mapping[str, str],
) -> Change:
    """A ``replace`` snapshot with new data files in the place of old ones, and delete files in the place of others."""
    producer = _Fold(Operation.OVERWRITE, Unstaged(table), table.io, uuid.uuid4(), dict(summary))
    producer.deleting(more, fewer)
    for entry in old:
        producer.delete_data_file(entry.data_file)
    return made(table, producer, new)


def write_deletes(table: Table, positions: Mapping[Place, pa.Table], attempt: str) -> list[DataFile]:
    """Delete files, one for each partition; nothing is left behind when it fails.

    :param positions: by partition, ``file_path`` and ``pos``.
    """
    written: list[DataFile] = []
    try:
        for (spec_id, partition), found in positions.items():
            written.append(_write(table, spec_id, partition, found, f"{attempt}-{uuid.uuid4().hex[:12]}"))
    except BaseException:
        for file in written:
            table.io.delete(file.file_path)
        raise
    return written


def _write(table: Table, spec_id: int, partition: Record, positions: pa.Table, stem: str) -> DataFile:
    rows = (
        positions.select(["file_path", "pos"]).cast(_SCHEMA).sort_by([("file_path", "ascending"), ("pos", "ascending")])
    )
    url = table.location_provider().new_data_location(f"{stem}-deletes.parquet")
    with table.io.new_output(url).create() as stream:
        pq.write_table(rows, stream, compression="zstd", compression_level=1)
        size = int(stream.tell())
    paths, places = pc.min_max(rows["file_path"]).as_py(), pc.min_max(rows["pos"]).as_py()
    bounds = [{PATH: paths[end].encode(), POS: places[end].to_bytes(8, "little")} for end in ("min", "max")]
    file = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=url,
        file_format=FileFormat.PARQUET,
        partition=partition,
        record_count=rows.num_rows,
        file_size_in_bytes=size,
        column_sizes=None,
        value_counts={PATH: rows.num_rows, POS: rows.num_rows},
        null_value_counts={PATH: 0, POS: 0},
        nan_value_counts=None,
        lower_bounds=bounds[0],
        upper_bounds=bounds[1],
        split_offsets=None,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
    )
    file.spec_id = spec_id
    return file


class Hiding:
    """The positions that a snapshot's delete files hide, and what is left of them when some data files go.

    :param going: the data files that go.
    """

    def __init__(self, table: Table, found: Content, going: frozenset[str]) -> None:
        self._table, self._found = table, found
        self._all = dead_positions(table, found.deletes)
        counted = self._all.group_by("file_path").aggregate([("pos", "count")]).to_pylist()
        self._counts = {row["file_path"]: int(row["pos_count"]) for row in counted}
        staying = {entry.data_file.file_path for entry in found.data} - going
        self._left = self._all.filter(pc.is_in(self._all["file_path"], pa.array(sorted(staying), pa.string())))

    def dead(self, url: str) -> int:
        """How many rows of a file are hidden."""
        return self._counts.get(url, 0)

    def rewritten(self, attempt: str) -> tuple[list[DataFile], list[ManifestEntry]]:
        """Delete files to come and to go, so that there is one a partition, with the positions that are left, or none."""
        homes: dict[Place, list[int]] = defaultdict(list)
        for number, entry in enumerate(self._found.deletes):
            homes[entry.data_file.spec_id, entry.data_file.partition].append(number)
        more: dict[Place, pa.Table] = {}
        fewer: list[ManifestEntry] = []
        for place, numbers in homes.items():
            mine = self._left.filter(pc.is_in(self._left["by"], pa.array(numbers, pa.int64())))
            held = sum(self._found.deletes[n].data_file.record_count for n in numbers)
            if len(numbers) == 1 and mine.num_rows == held:
                continue
            fewer += [self._found.deletes[n] for n in numbers]
            if mine.num_rows:
                more[place] = mine
        return write_deletes(self._table, more, attempt), fewer


def by_partition(entries: Sequence[ManifestEntry], found: pa.Table) -> Iterator[tuple[Place, pa.Table]]:
    """Positions (``file``, the entry's number, and ``pos``) parted by the partitions of their files."""
    homes: dict[Place, list[int]] = defaultdict(list)
    for number in pc.unique(found["file"]).to_pylist():
        file = entries[number].data_file
        homes[file.spec_id, file.partition].append(number)
    paths = pa.array([entry.data_file.file_path for entry in entries])
    for place, numbers in homes.items():
        mine = found.filter(pc.is_in(found["file"], pa.array(numbers, pa.int64())))
        yield place, pa.table({"file_path": paths.take(mine["file"].combine_chunks()), "pos": mine["pos"]})
