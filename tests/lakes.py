"""Lake tables, rows and lakes for tests: a real SQL catalog in a folder, the lab's REST catalog behind SigV4."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO

from lakeward.adapters.connections import Connection, from_environment
from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.iceberg import IcebergLake, properties_from
from lakeward.domain.facts import LakeColumn, LakeTable, PartitionField, SortField
from lakeward.domain.file_facts import StagedFile
from lakeward.domain.identity import WHOLE, batch_id
from lakeward.ports import TableCommit, silent

START = datetime(1969, 12, 1, tzinfo=UTC)
MIGRATION = "shop"


def column(name: str, kind: str, *, required: bool = False) -> LakeColumn:
    """A column whose value is the source's."""
    return LakeColumn(name, kind, required, "value", name)


ORDERS = LakeTable(
    "orders",
    (
        column("id", "long", required=True),
        column("ordered_at", "timestamptz"),
        column("price", "decimal(12,2)"),
        column("note", "string"),
    ),
    key=("id",),
    partition=(PartitionField("month", "ordered_at"),),
    sort=(SortField("ordered_at", descending=False),),
)
ASIDE = LakeTable("shop_quarantine", (column("cut_id", "string", required=True), column("raw", "string")), key=())
TABLES = (ORDERS, ASIDE)


def orders(count: int, *, first: int = 0, price: str = "1.25") -> pa.Table:
    """Orders six hours apart, in order; every seventh has no note."""
    ids = range(first, first + count)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "ordered_at": pa.array([START + timedelta(hours=6 * i) for i in ids], pa.timestamp("us", "UTC")),
            "price": pa.array([Decimal(price) + i for i in ids], pa.decimal128(12, 2)),
            "note": pa.array([None if i % 7 == 0 else f"note {i}" for i in ids]),
        }
    )


def sql_connection(folder: Path, **extra: object) -> Connection:
    """A SQL catalog in SQLite, its warehouse a folder."""
    where = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}"}
    return Connection("here", "iceberg", extra={**where, **extra})


def lab_connection(**extra: object) -> Connection:
    """The lab's catalog; its environment must be set."""
    found = from_environment("lakehouse")
    return Connection("lakehouse", "iceberg", host=str(extra.pop("host", found.host)), extra={**found.extra, **extra})


def open_lake(connection: Connection, namespace: str = "", file_size: int = 100_000) -> IcebergLake:
    """A lake with a namespace of its own, unless one is given."""
    return IcebergLake(properties_from(connection), namespace or f"t{uuid4().hex[:10]}", "x_", file_size)


def stage(lake: IcebergLake, rows: pa.Table, table: LakeTable = ORDERS) -> tuple[StagedFile, ...]:
    """Write rows."""
    return lake.write(table, rows.to_reader(max_chunksize=500), "try1", silent)


def batch(cut: str, files: tuple[StagedFile, ...], table: LakeTable = ORDERS) -> TableCommit:
    """What a cut brings to a table."""
    return TableCommit(table, batch_id(cut, table.name), WHOLE, files)


def group(cut: str, files: tuple[StagedFile, ...]) -> tuple[TableCommit, ...]:
    """Orders with these files, and nothing set aside."""
    return batch(cut, files), batch(cut, (), ASIDE)


def read(lake: IcebergLake, snapshot_id: int, sql: str, table: LakeTable = ORDERS) -> list[dict[str, object]]:
    """What DuckDB reads in a pinned snapshot, as view ``t``."""
    with TemporaryDirectory() as folder:
        found: list[dict[str, object]] = (
            DuckEngine(temp_dir=folder).table(sql, {"t": lake.snapshot(table, snapshot_id)}).to_pylist()
        )
    return found


def ids_in(lake: IcebergLake, snapshot_id: int) -> list[object]:
    """The ids that a pinned snapshot of the orders holds."""
    return [row["id"] for row in read(lake, snapshot_id, "SELECT id FROM t ORDER BY id")]


def changed_in_place(io: FileIO, url: str, column: str, change: Callable[[Any], Any], content: bytes = b"") -> None:
    """Write a data file anew under its own name: the same rows but for one value of the first row, or ``content`` instead."""
    with io.new_input(url).open() as file:
        rows = pq.read_table(file)
    number = rows.schema.get_field_index(column)
    values = rows.column(number).to_pylist()
    field = rows.schema.field(number)
    rows = rows.set_column(number, field, pa.array([change(values[0]), *values[1:]], field.type))
    with io.new_output(url).create(overwrite=True) as file:
        if content:
            file.write(content)
        else:
            pq.write_table(rows, file, compression="zstd", store_decimal_as_integer=True)
