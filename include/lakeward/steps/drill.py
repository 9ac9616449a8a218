"""Follow a difference down to the rows that cause it, set-based: only what differs is ever handed out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeward.domain import kpi
from lakeward.domain.evidence import Finding, Verdict
from lakeward.domain.facts import FileSet, GroupPlan, Plan
from lakeward.domain.kpi_compare import finding as as_finding
from lakeward.domain.kpi_compare import finest_sql
from lakeward.domain.kpi_landing import landing_rows
from lakeward.domain.kpi_rows import (
    EXPECTED,
    FOUND,
    Key,
    RowDifference,
    cell_sql,
    differing_keys_sql,
    differing_rows_sql,
    keyed_sql,
    pair,
    row_columns,
    unkeyed,
)
from lakeward.domain.kpi_source import source_rows
from lakeward.domain.kpi_text import Dialect
from lakeward.domain.sql import ident
from lakeward.ports import Input, Ports
from lakeward.reader import resolve
from lakeward.steps.artifacts import read_manifest
from lakeward.steps.extract import kpis_of
from lakeward.steps.figures import landed_files
from lakeward.steps.measure import pinned_files

if TYPE_CHECKING:
    import pyarrow as pa

Drilled = tuple[tuple[Finding, tuple[RowDifference, ...]], ...]
_LAKE = "#lake"


@dataclass(frozen=True, slots=True)
class _Side:
    """Rows of a lake table on one side: where they come from, in which dialect, and what runs it."""

    dialect: Dialect
    rows: str
    columns: Mapping[str, str]
    run: Callable[[str], pa.Table]


def drill_verdict(plan: Plan, verdict: Verdict, ports: Ports, *, now: bool, cells: int = 5, limit: int = 20) -> Drilled:
    """The finest cells of a verdict that differ, largest difference first, each with the rows behind it.

    :param now: the verdict is one of ``compare_now``: the source's rows are looked at, as they are now; else the landing's.
    """
    r = _resolve(plan, plan.group(verdict.group), verdict.subject)
    file = next((f for f in verdict.files if f.url.endswith("-differences.parquet")), None)
    if file is None:
        return ()
    differences = FileSet((file.url,), ports.store.access, kpi.difference_columns(r))
    found = ports.engine.table(finest_sql(r, cells), {"differences": differences}).to_pylist()
    listed = [as_finding(r.spec, "source-lake" if now else "landing-lake", cell) for cell in found]
    return tuple((f, drill(plan, verdict.group, verdict.subject, f, ports, limit, now=now)) for f in listed)


def drill(
    plan: Plan, group_name: str, kpi_name: str, finding: Finding, ports: Ports, limit: int = 20, *, now: bool = False
) -> tuple[RowDifference, ...]:
    """The rows of a cell that differ from the lake's, by key; of a table without a key, as whole rows.

    Looks at the key and at the columns that enter the figure. A row that moved to another cell shows the column that moved it.

    :param finding: names the cell: grain, period and dimensions.
    :param limit: how many keys (without a key: rows) are followed.
    :param now: compare with the source as it is now, reading the cell's rows from it; else with the landing.
    :raises LakeError: the group is not published, or the snapshot is gone.
    """
    group = plan.group(group_name)
    r = _resolve(plan, group, kpi_name)
    pointer = resolve(ports.store, plan.migration.migration, group.name)
    files = pinned_files(ports, r, pointer.tables)
    lake = _lake_side(ports, r, files)
    inputs: dict[str, Input] = {_LAKE: files}
    side = _source_side(ports, r)
    parts = [(FOUND, _cell(r, lake, finding))]
    if now:
        inputs[EXPECTED] = side.run(_cell(r, side, finding))
    else:
        inputs[r.plan.name] = landing = landed_files(ports.store, read_manifest(ports.store, plan, group), r.plan)
        side = _landing_side(ports, r, landing)
        parts.append((EXPECTED, _cell(r, side, finding)))
    given = f"WITH {', '.join(f'{ident(name)} AS ({sql})' for name, sql in parts)}"
    if not r.table.key:
        return unkeyed(r, ports.engine.table(f"{given} {differing_rows_sql(r, limit)}", inputs).to_pylist())
    found = ports.engine.table(f"{given} {differing_keys_sql(r, limit)}", inputs).to_pylist()
    keys = [tuple(row[name] for name in r.table.key) for row in found]
    return pair(r, _keyed(r, side, keys), _keyed(r, lake, keys)) if keys else ()


def _resolve(plan: Plan, group: GroupPlan, name: str) -> kpi.ResolvedKpi:
    spec = next(k for k in kpis_of(plan, group) if k.name == name)
    return kpi.resolve(spec, group, plan.migration.calendar)


def _lake_side(ports: Ports, r: kpi.ResolvedKpi, files: FileSet) -> _Side:
    columns = {name: f"r.{ident(name)}" for name in row_columns(r)}
    return _Side(Dialect.DUCKDB, f"{ident(_LAKE)} AS r", columns, lambda sql: ports.engine.table(sql, {_LAKE: files}))


def _landing_side(ports: Ports, r: kpi.ResolvedKpi, files: FileSet) -> _Side:
    rows, columns = landing_rows(r, row_columns(r))
    return _Side(Dialect.DUCKDB, rows, columns, lambda sql: ports.engine.table(sql, {r.plan.name: files}))


def _source_side(ports: Ports, r: kpi.ResolvedKpi) -> _Side:
    rows = source_rows(r.plan, r.table, row_columns(r))
    return _Side(Dialect.POSTGRES, rows.sql, rows.columns, ports.source.query)


def _cell(r: kpi.ResolvedKpi, side: _Side, finding: Finding) -> str:
    return cell_sql(r, side.dialect, side.rows, side.columns, finding)


def _keyed(r: kpi.ResolvedKpi, side: _Side, keys: Sequence[Key]) -> list[tuple[str | None, ...]]:
    found = side.run(keyed_sql(r, side.dialect, side.rows, side.columns, keys)).to_pylist()
    return [tuple(row[name] for name in row_columns(r)) for row in found]
