"""Land a group: every table and every figure of the source, at one instant."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from lakeward import __version__
from lakeward.domain import kpi
from lakeward.domain.facts import FileFact, GroupPlan, LandedTable, Manifest, Plan, TablePlan
from lakeward.domain.identity import landing_prefix
from lakeward.domain.postgres_types import GUARD_REASONS, guard_condition
from lakeward.domain.sql import ident, where
from lakeward.errors import DataError, SourceError
from lakeward.ports import CutReader, Ports, Progress, silent
from lakeward.steps.artifacts import find_manifest, key_of, write_manifest
from lakeward.steps.figures import write_figures
from lakeward.steps.rows import proven, source_figures_sql


def extract(plan: Plan, group_name: str, ports: Ports, attempt: str, progress: Progress = silent) -> Manifest:
    """Read a group under one snapshot of the source and land it; a group that has landed is left as it is.

    :param attempt: names this try; what an earlier one left is never read.
    :raises DataError: a value that the lake cannot hold, or a count that does not add up.
    :raises SourceError: the source is unreachable, refuses, or was read for too long.
    """
    group = plan.group(group_name)
    if landed := find_manifest(ports.store, plan, group):
        return landed
    prefix = landing_prefix(plan.migration.migration, group.name, group.cut_id, attempt)
    started = time.monotonic()
    with ports.source.cut() as cut, ThreadPoolExecutor(1, "figures") as beside:
        counts = {t.name: beside.submit(_count, cut, t) for t in group.tables}
        figures = [
            beside.submit(_take, cut, ports, kpi.source_sql(r), f"{prefix}/figures/{r.spec.name}.parquet")
            for r in (kpi.resolve(k, group, plan.migration.calendar) for k in kpis_of(plan, group))
        ]
        figures += [
            beside.submit(_take, cut, ports, source_figures_sql(plan, *table), f"{prefix}/rows/{table[1].name}.parquet")
            for table in proven(group)
        ]
        try:
            tables = tuple(_land(cut, ports, t, f"{prefix}/{t.name}", counts, progress) for t in group.tables)
            taken = tuple(f.result() for f in figures)
        finally:
            beside.shutdown(wait=False, cancel_futures=True)
    manifest = Manifest(
        migration=plan.migration.migration,
        group=group.name,
        cut_id=group.cut_id,
        run_key=plan.run_key,
        file_hash=plan.file_hash,
        version=__version__,
        snapshot=cut.snapshot,
        taken_at=cut.taken_at,
        source=ports.source.identity().label,
        tables=tables,
        figures=taken,
        seconds=round(time.monotonic() - started, 3),
    )
    return write_manifest(ports.store, plan, group, manifest)


def kpis_of(plan: Plan, group: GroupPlan) -> list[kpi.KpiSpec]:
    """The KPIs over tables of this group, in the file's order."""
    names = {table.name for table in group.lake_tables}
    return [k for k in plan.migration.kpis if k.table in names]


def _count(cut: CutReader, table: TablePlan) -> dict[str, int]:
    """The source's own count (under the empty name) and how many rows each guard finds, as ``column guard``."""
    guards = {f"{c.source} {g}": guard_condition(c, g) for c in table.columns for g in c.guards}
    terms = ["count(*)", *(f"count(*) FILTER (WHERE {condition})" for condition in guards.values())]
    listed = ", ".join(f"{term} AS c{n}" for n, term in enumerate(terms))
    source = f"{ident(table.schema)}.{ident(table.table)}"
    row = cut.query(f"SELECT {listed} FROM {source} {where(table.filter, ident)}").to_pylist()[0]
    found = {name: int(row[f"c{n}"]) for n, name in enumerate(["", *guards])}
    _refuse(table, {name: count for name, count in found.items() if name and count})
    return found


def _refuse(table: TablePlan, found: dict[str, int]) -> None:
    if not found:
        return
    said = []
    for name, count in found.items():
        column, guard = name.rsplit(" ", 1)
        said.append(f"{table.label}, column {column!r}: {count} rows hold {GUARD_REASONS[guard]}")
    raise DataError(
        "; ".join(said) + ".",
        todo="Mend them at the source, filter them out, give the column a type that holds them, or carry its text with `types: {column: string}`.",
    )


def _land(
    cut: CutReader,
    ports: Ports,
    table: TablePlan,
    key: str,
    counts: dict[str, Future[dict[str, int]]],
    progress: Progress,
) -> LandedTable:
    for counted in counts.values():
        if counted.done():
            counted.result()
    started = time.monotonic()
    progress(f"extract {table.name}", 0, table.estimated_rows)
    written = cut.land(table, ports.store.url(key), ports.store.access, progress)
    files = tuple(replace(f, checksum=ports.store.etag(key_of(ports.store, f.url)) or "") for f in written)
    rows = sum(file.rows for file in files)
    guards = counts[table.name].result()
    expected = guards.pop("")
    if rows != expected:
        raise SourceError(
            f"{table.label}: {rows} rows were landed, but the source counts {expected} in the same snapshot.",
            todo="Run the step again; if it stays so, report it with the table's definition.",
        )
    progress(f"extract {table.name}", rows, rows)
    return LandedTable(table.name, files, rows, expected, guards, round(time.monotonic() - started, 3))


def _take(cut: CutReader, ports: Ports, sql: str, key: str) -> FileFact:
    return write_figures(ports, key, cut.query(sql))
