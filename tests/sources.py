"""Migrations of sources other than PostgreSQL, made for a test: any tables of any place, through the real chain."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from tests.chain import Chain
from tests.lakes import changed_in_place

from lakeward.domain.evidence import Verdict
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.sql import ident
from lakeward.steps.artifacts import read_plan


def source_chain(
    home: Path,
    kind: str,
    connection: Mapping[str, object],
    tables: Sequence[Mapping[str, object]],
    kpis: Sequence[Mapping[str, object]],
    *,
    source: Mapping[str, object] | None = None,
    group: Mapping[str, object] | None = None,
    **more: object,
) -> Chain:
    """A run that moves these tables in one group ``g``; ``source`` and ``group`` say more of these, ``more`` of the file."""
    name = f"t{uuid4().hex[:10]}"
    os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)
    file = home / f"{name}.yaml"
    found = {
        "migration": name,
        "pattern": "lift_and_shift",
        "source": {"kind": kind, "connection": name, **(source or {})},
        "target": {"connection": "lakehouse", "namespace": name},
        "landing": {"path": f"s3://landing/{name}", "connection": "landing"},
        "groups": [{"name": "g", "tables": list(tables), **(group or {})}],
        "kpis": list(kpis),
        **more,
    }
    file.write_text(json.dumps(found, ensure_ascii=False, default=str))  # JSON is YAML
    return Chain(file, home, "run")


def count_of(table: str) -> dict[str, object]:
    """The KPI that every group needs."""
    return {"name": f"{table}_rows", "table": table, "measure": "count()"}


def failing(verdicts: object) -> dict[str, str]:
    """What did not pass, and why."""
    assert isinstance(verdicts, tuple)
    every: tuple[Verdict, ...] = verdicts
    return {v.subject: v.summary for v in every if v.outcome != "pass"}


def lake_rows(chain: Chain, table: str, select: str = "*", order: str = "id") -> list[dict[str, object]]:
    """What DuckDB reads of a lake table as it was appended."""
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
        group = plan.groups[0]
        lake = next(t for t in (*group.lake_tables, quarantine_table(group)) if t.name == table)
        state = ports.lake.state(table)
        assert state is not None
        assert state.snapshot_id is not None
        files = ports.lake.snapshot(lake, state.snapshot_id)
        found: list[dict[str, object]] = ports.engine.table(
            f"SELECT {select} FROM t ORDER BY {ident(order)}", {"t": files}
        ).to_pylist()
    return found


def plant_cent(chain: Chain, table: str, column: str = "total") -> None:
    """Make one value of one row of a lake table a cent dearer, in the data file that was appended."""
    with chain.ports() as ports:
        lake = next(t for t in chain.plan().groups[0].lake_tables if t.name == table)
        state = ports.lake.state(table)
        assert state is not None
        assert state.snapshot_id is not None
        url = ports.lake.snapshot(lake, state.snapshot_id).urls[0]
        io = ports.lake._open(table).io  # type: ignore[attr-defined]
        changed_in_place(io, url, column, lambda cent: cent + Decimal("0.01"))
