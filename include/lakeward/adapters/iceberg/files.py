"""Staged files as Iceberg data files: statistics from their footers, partition values from the staging."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import InputStream
from pyiceberg.io.pyarrow import (
    MetricModeTypes,
    MetricsMode,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table

from lakeward.adapters.iceberg.partition import record
from lakeward.domain.file_facts import StagedFile
from lakeward.errors import LakeError

_READERS = 8
_PART = 2**20


def checksum(content: InputStream) -> str:
    """What tells a file's content from any other: the store's etag, or the sha256 where no store tells one."""
    told = content.metadata() if isinstance(content, pa.NativeFile) else {}
    etag = next((value for name, value in told.items() if name.lower() == "etag"), b"")
    if etag:
        return etag.decode()
    taken = hashlib.sha256()
    while part := content.read(_PART):
        taken.update(part)
    return taken.hexdigest()


def data_files(table: Table, staged: Sequence[StagedFile]) -> list[DataFile]:
    """Data files for a commit; LakeError when a file is missing, named twice or not what was staged."""
    if len({file.url for file in staged}) != len(staged):
        raise LakeError(
            f"Table {'.'.join(table.name())}: a staged file is named twice.",
            todo="Report this: it would double its rows.",
        )
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(lambda file: _data_file(table, file), staged))


def _data_file(table: Table, staged: StagedFile) -> DataFile:
    schema, file = table.schema(), table.io.new_input(staged.url)
    try:
        with file.open() as stream:
            now, footer = checksum(stream), pq.read_metadata(stream)
    except pa.ArrowInvalid:
        raise _changed(table, staged, "is no Parquet file any more") from None
    except OSError:
        if file.exists():
            raise
        raise LakeError(
            f"Table {'.'.join(table.name())}: the staged file {staged.url} is gone.",
            todo="The store's clean-up took it before it was committed, or the table was dropped: run a new cut, and append it without long waits.",
        ) from None
    if footer.num_rows != staged.rows:
        raise _changed(table, staged, f"holds {footer.num_rows} rows, {staged.rows} were staged")
    if now != staged.checksum:
        raise _changed(table, staged, "was changed since it was staged: its checksum is another")
    ids = parquet_path_to_id_mapping(schema)
    if other := [name for name, number in _field_ids(footer).items() if ids.get(name, number) != number]:
        raise _changed(
            table, staged, f"has other field ids than the table in {', '.join(other)}: the table was created anew"
        )
    wanted = compute_statistics_plan(schema, table.metadata.properties)
    for name in _unbounded(footer):
        wanted[ids[name]] = replace(wanted[ids[name]], mode=MetricsMode(MetricModeTypes.COUNTS))
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer, stats_columns=wanted, parquet_column_mapping=ids
    )
    order = table.sort_order()
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=staged.url,
        file_format=FileFormat.PARQUET,
        partition=record(staged.partition, schema, table.spec()),
        file_size_in_bytes=staged.bytes,
        sort_order_id=order.order_id if order.fields else None,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _changed(table: Table, staged: StagedFile, how: str) -> LakeError:
    return LakeError(
        f"Table {'.'.join(table.name())}: the staged file {staged.url} {how}. Nothing was committed.",
        todo="Find out who writes below the table's location, then run a new cut.",
    )


def _field_ids(footer: pq.FileMetaData) -> dict[str, int]:
    """Column to the field id that its file was written with; readers find columns by it."""
    fields = footer.schema.to_arrow_schema()
    return {
        f.name: int(f.metadata[b"PARQUET:field_id"]) for f in fields if f.metadata and b"PARQUET:field_id" in f.metadata
    }


def _unbounded(footer: pq.FileMetaData) -> set[str]:
    """Columns with dates or moments before year 1 or after 9999, whose bounds PyIceberg cannot write: a filter reads such files always."""
    found = set()
    for group in range(footer.num_row_groups):
        row_group = footer.row_group(group)
        for position in range(footer.num_columns):
            column = row_group.column(position)
            try:
                _ = column.statistics and (column.statistics.min, column.statistics.max)
            except (OverflowError, ValueError):
                found.add(column.path_in_schema)
    return found
