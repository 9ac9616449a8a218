"""Writing sorted rows as a table's own data files: one partition a file, rolled at the target size, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import TracebackType
from typing import Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import OutputStream
from pyiceberg.table import Table

from lakeward.adapters.iceberg.casting import fit
from lakeward.adapters.iceberg.files import checksum
from lakeward.adapters.iceberg.partition import Partitioner, Value
from lakeward.adapters.iceberg.schema import arrow_schema
from lakeward.domain.file_facts import StagedFile
from lakeward.errors import DataError, LakeError
from lakeward.ports import Progress

ROW_GROUP_ROWS = 524_288
ROW_GROUP_BYTES = 64 * 2**20
REOPENED = 1000
"""Partitions that may come back after others; more means that the rows are not in order."""
_SAMPLE = 8192


def write_files(
    table: Table, batches: pa.RecordBatchReader, attempt: str, file_size: int, progress: Progress
) -> tuple[StagedFile, ...]:
    """Write rows ordered by partition and sort order; nothing is left behind when it fails.

    :param attempt: begins the files' names.
    :param file_size: bytes that files are rolled at.
    """
    name, schema = table.name()[-1], arrow_schema(table.schema())
    partitioner, done = Partitioner(table.schema(), table.spec()), 0
    with closing(_computed(batches, name)) as computed, _Files(table, schema, attempt, file_size) as files:
        for batch in computed:
            for values, part in partitioner.runs(fit(batch, schema, name)):
                files.add(values, part)
            done += batch.num_rows
            progress(f"write {name}", done, 0)
    return tuple(files.written)


def _computed(batches: pa.RecordBatchReader, table: str) -> Generator[pa.RecordBatch, None, None]:
    """The batches, the next one being computed while one is written; what goes wrong in the engine is not the object store's fault."""
    try:
        with ThreadPoolExecutor(1, "compute") as ahead:
            coming = ahead.submit(next, batches, None)
            while (batch := coming.result()) is not None:
                coming = ahead.submit(next, batches, None)
                yield batch
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"Table {table}: its rows could not be computed: {str(error)[:500]}",
            todo="Mend the value that it names at the source or give its column another type; for lack of memory raise the limit.",
        ) from error


class _Files:
    """The file being written, those that are done, and the rows that wait for their row group."""

    def __init__(self, table: Table, schema: pa.Schema, attempt: str, file_size: int) -> None:
        self.written: list[StagedFile] = []
        self._table, self._schema, self._file_size = table, schema, file_size
        self._stem = f"{re.sub(r'[^A-Za-z0-9_-]+', '-', attempt)[:80]}-{uuid4().hex[:12]}"
        self._group_bytes = min(ROW_GROUP_BYTES, max(file_size, 2**20))
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        self._file: _File | None = None
        self._partition: tuple[Value, ...] = ()
        self._closed: set[tuple[Value, ...]] = set()
        self._reopened = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._close()
            return
        if self._file:
            self._file.abandon()
        for file in self.written:
            _remove(self._table, file.url)

    def add(self, partition: tuple[Value, ...], part: pa.RecordBatch) -> None:
        """Take rows of one partition; a new partition ends the file."""
        if partition != self._partition:
            self._close()
            self._count(partition)
            self._partition = partition
        while part.num_rows:
            room = ROW_GROUP_ROWS - self._rows
            head, part = part.slice(0, room), part.slice(room)
            self._waiting.append(head)
            self._rows += head.num_rows
            self._bytes += head.nbytes
            if self._rows >= ROW_GROUP_ROWS or self._bytes >= self._group_bytes:
                self._flush()

    def _count(self, partition: tuple[Value, ...]) -> None:
        self._closed.add(self._partition)
        self._reopened += partition in self._closed
        if self._reopened > REOPENED:
            raise LakeError(
                f"Table {self._table.name()[-1]}: rows do not come in the order of their partitions; {partition} came back.",
                todo="Report this with the migration file: the flatten step must sort.",
            )

    def _flush(self) -> None:
        if not self._waiting:
            return
        group = pa.Table.from_batches(self._waiting, self._schema)
        self._waiting, self._rows, self._bytes = [], 0, 0
        if self._file is None:
            name = f"{self._stem}-{len(self.written):05d}.parquet"
            self._file = _File(self._table, self._table.location_provider().new_data_location(name), group)
        self._file.write(group)
        if self._file.size() >= self._file_size:
            self._close()

    def _close(self) -> None:
        self._flush()
        if self._file:
            file, self._file = self._file, None
            self.written.append(file.close(self._partition))


class _File:
    """One Parquet file; ``first`` rows decide which columns get a dictionary."""

    def __init__(self, table: Table, url: str, first: pa.Table) -> None:
        self._table, self._url, self._rows = table, url, 0
        repetitive = _repetitive(first)
        self._stream: OutputStream = table.io.new_output(url).create()
        self._writer = pq.ParquetWriter(
            self._stream,
            first.schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=repetitive,
            store_decimal_as_integer=True,
        )

    def write(self, group: pa.Table) -> None:
        """Write a row group."""
        self._writer.write_table(group, row_group_size=group.num_rows)
        self._rows += group.num_rows

    def size(self) -> int:
        """Bytes written so far."""
        return int(self._stream.tell())

    def close(self, partition: tuple[Value, ...]) -> StagedFile:
        """Finish the file."""
        self._writer.close()
        size = self.size()
        self._stream.close()
        with self._table.io.new_input(self._url).open() as written:
            return StagedFile(self._url, self._rows, size, checksum(written), partition)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._writer.close()
        self._stream.close()
        _remove(self._table, self._url)


def _repetitive(rows: pa.Table) -> list[str]:
    """Columns that a dictionary makes smaller: few distinct values in a sample over all rows."""
    step = max(1, rows.num_rows // _SAMPLE)
    sample = rows.take(pa.array(range(0, rows.num_rows, step))) if step > 1 else rows
    return [
        name
        for name, column in zip(sample.column_names, sample.columns, strict=True)
        if not isinstance(column.type, pa.BaseExtensionType)
        and pc.count_distinct(column).as_py() * 4 <= sample.num_rows
    ]


def _remove(table: Table, url: str) -> None:
    try:
        table.io.delete(url)
    except OSError:  # the file may never have appeared, and the error that brought us here matters more
        return
