"""A group whose landing lies in a folder, and a real catalog and lake in another: what the flatten step works on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
from tests.lakes import open_lake, sql_connection

from lakeward import __version__
from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.objects import LocalStore
from lakeward.domain.facts import GroupPlan, Plan, ReferencePlan
from lakeward.domain.file_facts import FileFact, LandedTable, Manifest, Staged
from lakeward.domain.identity import cut_id
from lakeward.domain.planning import plan_table
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.ports import Ledger, Ports, Source, Validator, silent
from lakeward.spec.models import LiftAndShift
from lakeward.steps.artifacts import write_manifest
from lakeward.steps.flatten import flatten

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
Rows = Sequence[tuple[object, ...]]

LINES = {"path": "lines", "table": "lines", "fields": {"sku": "string", "price": "decimal(12,2)"}}
SPECS: Mapping[str, tuple[Mapping[str, str], Mapping[str, object]]] = {
    "customers": (
        {"id": "int8", "profile": "jsonb"},
        {"flatten": [{"column": "profile", "fields": {"vip": "boolean"}}]},
    ),
    "products": (
        {"sku": "text", "extra": "json"},
        {"flatten": [{"column": "extra", "fields": {"kg": "decimal(6,3)"}}]},
    ),
    "orders": (
        {"id": "int8", "customer_id": "int8", "payload": "jsonb"},
        {"flatten": [{"column": "payload", "fields": {"channel": "string"}, "children": [LINES]}]},
    ),
    "shipments": ({"id": "int8", "order_id": "int8"}, {}),
    "notes": ({"id": "int8", "reply_to": "int8", "shipment_id": "int8"}, {}),
}
REFERENCES = (
    ReferencePlan("lines", ("orders_id",), "orders", ("id",), "parent"),
    ReferencePlan("lines", ("sku",), "products", ("sku",), "file"),
    ReferencePlan("notes", ("reply_to",), "notes", ("id",), "source"),
    ReferencePlan("notes", ("shipment_id",), "shipments", ("id",), "source"),
    ReferencePlan("shipments", ("order_id",), "orders", ("id",), "source"),
    ReferencePlan("orders", ("customer_id",), "customers", ("id",), "source"),
)
GOOD: Mapping[str, Rows] = {
    "customers": [(n, '{"vip": true}') for n in range(1, 6)],
    "products": [(f"p{n}", '{"kg": 1.250}') for n in range(1, 6)],
    "orders": [
        (n, n, f'{{"channel": "web", "lines": [{{"sku": "p{n}", "price": 1.10}}, {{"sku": "p1", "price": {n}.99}}]}}')
        for n in range(1, 6)
    ],
    "shipments": [(n * 10, n) for n in range(1, 6)],
    "notes": [(1, None, 10), (2, 1, None), (3, 2, None), (4, None, 40), (5, 4, 777)],
}


@dataclass
class World:
    """A landed group, ready to be flattened."""

    plan: Plan
    ports: Ports
    folder: Path

    def flatten(self, attempt: str = "try1") -> Staged:
        """The step."""
        return flatten(self.plan, "shop", self.ports, attempt, silent)

    def rows(self, staged: Staged, table: str, columns: str = "*") -> list[tuple[object, ...]]:
        """The staged rows of a table, in order of the columns."""
        group = self.plan.group("shop")
        lake = next(t for t in (*group.lake_tables, quarantine_table(group)) if t.name == table)
        files = self.ports.lake.staged(lake, staged.table(table).files)
        found = self.ports.engine.table(f"SELECT {columns} FROM t ORDER BY ALL", {"t": files})
        return [tuple(row.values()) for row in found.to_pylist()]

    def reasons(self, staged: Staged) -> dict[tuple[object, object], object]:
        """Why rows were set aside, by table and key."""
        found = self.rows(staged, "shop_quarantine", "table_name, row_key, reason")
        return {(table, key): reason for table, key, reason in found}

    def data_files(self) -> set[Path]:
        """Every data file in the warehouse, committed or not."""
        return set(self.folder.glob("warehouse/**/data/**/*.parquet"))


@contextmanager
def world(folder: Path, changed: Mapping[str, Rows] | None = None, max_share: float = 1.0) -> Iterator[World]:
    """The good rows with some tables' rows changed, landed in two files a table."""
    rows = {**GOOD, **(changed or {})}
    migration = LiftAndShift.model_validate(
        {
            "pattern": "lift_and_shift",
            "migration": "shop_move",
            "source": {"connection": "a"},
            "target": {"connection": "b", "namespace": "n"},
            "landing": {"path": str(folder / "landing")},
            "groups": [{"name": "shop", "tables": [{"table": f"public.{t}", **s} for t, (_, s) in SPECS.items()]}],
            "kpis": [{"name": "orders", "table": "orders", "measure": "count()"}],
        }
    )
    plans = tuple(
        plan_table(spec, _source(spec.table.split(".")[1]), lambda *_: ()) for spec in migration.groups[0].tables
    )
    group = GroupPlan("shop", cut_id("shop_move", "shop", "all", "run"), plans, REFERENCES, max_share)
    plan = Plan(migration, "", "", __version__, "run", AT, (group,))
    store = LocalStore(folder / "landing")
    (folder / "warehouse").mkdir()
    lake = open_lake(sql_connection(folder / "warehouse"))
    ports = Ports(
        source=cast("Source", None),  # the landing is all that flatten reads
        store=store,
        engine=DuckEngine(temp_dir=folder / "tmp"),
        lake=lake,
        ledger=cast("Ledger", None),
        validator=cast("Validator", None),
    )
    lake.prepare((*group.lake_tables, quarantine_table(group)), "shop_move")
    landed = tuple(_land(store, folder, name, rows[name]) for name in SPECS)
    manifest = Manifest("shop_move", "shop", group.cut_id, "run", "", __version__, "s", AT, "here", landed, ())
    write_manifest(store, plan, group, manifest)
    yield World(plan, ports, folder)
    lake.close()


def _source(name: str) -> SourceTable:
    columns = tuple(SourceColumn(c, kind, kind, nullable=n > 0) for n, (c, kind) in enumerate(SPECS[name][0].items()))
    return SourceTable("public", name, "table", columns, (columns[0].name,), (), False, False, True, 0, 0)


def _land(store: LocalStore, folder: Path, name: str, rows: Rows) -> LandedTable:
    types = {"int8": pa.int64(), "text": pa.string(), "json": pa.string(), "jsonb": pa.string()}
    schema = pa.schema([(column, types[kind]) for column, kind in SPECS[name][0].items()])
    table = pa.table([pa.array([row[n] for row in rows], f.type) for n, f in enumerate(schema)], schema=schema)
    files = []
    for n, part in enumerate((table.slice(0, len(rows) // 2), table.slice(len(rows) // 2)) if rows else ()):
        path = Path(store.url(f"raw/{name}/{n}.parquet"))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(part, path)
        data = path.read_bytes()
        files.append(FileFact(str(path), part.num_rows, len(data), hashlib.sha256(data).hexdigest()))
    return LandedTable(name, tuple(files), len(rows), len(rows))
