"""A planned group of orders and lines, landed and staged, before a real lake on a SQL catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import TypeAdapter
from tests.lakes import ORDERS, column, open_lake, orders, sql_connection, stage

from lakeward import __version__
from lakeward.adapters.connections import Connection
from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.iceberg import IcebergLake
from lakeward.adapters.ledger import MemoryLedger
from lakeward.adapters.objects import MemoryStore
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, TablePlan
from lakeward.domain.file_facts import FileFact, LandedTable, Manifest, Staged, StagedFile, StagedTable
from lakeward.domain.identity import cut_id, landing_prefix
from lakeward.domain.quarantine import quarantine_table
from lakeward.ports import Ports
from lakeward.spec.models import LiftAndShift
from lakeward.steps.artifacts import write_manifest, write_staged
from lakeward.steps.prepare import prepare

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINES = LakeTable(
    "lines", (column("orders_id", "long", required=True), column("position", "long")), ("orders_id",), kind="list"
)


@dataclass(frozen=True)
class World:
    """The group and what steps need."""

    ports: Ports
    lake: IcebergLake
    store: MemoryStore
    ledger: MemoryLedger

    def plan(self, run: str = "run 1", mode: str = "observe", small: int = 8) -> Plan:
        """A run's plan; the same run gives the same cut."""
        text = {
            "pattern": "lift_and_shift",
            "migration": "shop",
            "source": {"connection": "retail_source"},
            "target": {"connection": "here", "namespace": "shop"},
            "landing": {"path": "./landing"},
            "groups": [{"name": "sales", "tables": [{"table": "public.orders"}]}],
            "kpis": [{"name": "orders", "table": "orders", "measure": "count()"}],
            "compaction": {"mode": mode, "small_file": "1MB", "min_small_files": small},
        }
        table = TablePlan("public", "orders", (), (), (), (ORDERS, LINES), True, True, 0)
        group = GroupPlan("sales", cut_id("shop", "sales", "all", run), (table,), (), 0.1)
        migration = TypeAdapter(LiftAndShift).validate_python(text)
        return Plan(migration, "", "hash", __version__, run, AT, (group,))

    def stage(self, plan: Plan, count: int = 300, aside: int = 0, taken: datetime = AT) -> Staged:
        """Prepare, land and stage ``count`` orders, some of them set aside, and two lines each."""
        group = plan.group("sales")
        prepare(plan, "sales", self.ports)
        kept = count - aside
        raw = pa.table(
            {
                "cut_id": pa.array([group.cut_id] * aside, pa.string()),
                "table_name": pa.array(["orders"] * aside, pa.string()),
                "row_key": pa.array([None] * aside, pa.string()),
                "reason": pa.array(["malformed"] * aside, pa.string()),
                "column_name": pa.array([None] * aside, pa.string()),
                "raw": pa.array(["{}"] * aside, pa.string()),
            }
        )
        lines = pa.table({"orders_id": [n for n in range(kept) for _ in "ab"], "position": [0, 1] * kept})
        tables = (
            self._staged(ORDERS, orders(kept), count, aside),
            self._staged(LINES, lines, 2 * kept, 0),
            self._staged(quarantine_table(group), raw, aside, 0),
        )
        prefix = landing_prefix("shop", "sales", group.cut_id, "try1")
        rows, figure = self._landed(f"{prefix}/orders/0.parquet"), self._landed(f"{prefix}/figures/orders.parquet")
        landed = (LandedTable("orders", (rows,), count, count),)
        manifest = Manifest(
            "shop", "sales", group.cut_id, plan.run_key, "hash", __version__, "s", taken, "db", landed, (figure,)
        )
        write_manifest(self.store, plan, group, manifest)
        return write_staged(self.store, plan, group, Staged("sales", group.cut_id, tables))

    def _landed(self, key: str) -> FileFact:
        return FileFact(self.store.url(key), 1, 4, self.store.put(key, b"rows"))

    def _staged(self, table: LakeTable, rows: pa.Table, read: int, aside: int) -> StagedTable:
        return StagedTable(table.name, stage(self.lake, rows, table), rows.num_rows, read, aside)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A lake without tables and an empty store."""
    with opened(tmp_path) as one:
        yield one


@contextmanager
def opened(folder: Path, connection: Connection | None = None, namespace: str = "shop") -> Iterator[World]:
    """As the fixture, or in another catalog; several may be opened over one folder."""
    lake = open_lake(connection or sql_connection(folder), namespace)
    store, ledger = MemoryStore(), MemoryLedger()
    unused: object = None
    engine = DuckEngine(temp_dir=folder / "spill")
    ports = Ports(unused, store, engine, lake, ledger, unused)  # type: ignore[arg-type]
    yield World(ports, lake, store, ledger)
    lake.close()


def spoiled(staged: Staged, name: str, /, **changes: int | str | tuple[StagedFile, ...]) -> Staged:
    """The staging with one table told differently."""
    return replace(staged, tables=tuple(replace(t, **changes) if t.table == name else t for t in staged.tables))
