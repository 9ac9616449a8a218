"""Land a group: every table and every figure of the source, at one instant."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from lakeward import __version__
from lakeward.domain import kpi
from lakeward.domain.drift import drift
from lakeward.domain.facts import GroupPlan, Plan, TablePlan
from lakeward.domain.file_facts import FileFact, LandedTable, Manifest
from lakeward.domain.identity import landing_prefix
from lakeward.domain.oversize import cut_short, too_large
from lakeward.domain.sql import ident
from lakeward.domain.zone_rules import ZONE, needs_rules, rules_sql
from lakeward.errors import AlteredError, SourceError
from lakeward.ports import CutReader, Ports, Progress, silent
from lakeward.steps.artifacts import find_manifest, key_of, write_manifest
from lakeward.steps.figures import take_at_cut, write_figures
from lakeward.steps.guards import count_guarded, refuse
from lakeward.steps.log import source_of
from lakeward.steps.rows import proven, rows_file, source_figures_sql


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
    with source_of(plan, group.name, ports).cut(group.tables) as cut, ThreadPoolExecutor(1, "figures") as beside:
        check_tables(plan, group, cut)
        counts = {t.name: beside.submit(guarded, cut, t) for t in group.tables}
        figures = begin_figures(plan, group, ports, cut, beside, prefix)
        try:
            tables = tuple(_land(cut, ports, t, f"{prefix}/{t.name}", counts, progress) for t in group.tables)
            taken = tuple(f.result() for f in figures.values())
        finally:
            beside.shutdown(wait=False, cancel_futures=True)
    return write_manifest(ports.store, plan, group, manifest_of(plan, group, ports, cut, tables, taken, started))


def manifest_of(
    plan: Plan,
    group: GroupPlan,
    ports: Ports,
    cut: CutReader,
    tables: tuple[LandedTable, ...],
    figures: tuple[FileFact, ...],
    started: float,
) -> Manifest:
    """What a cut has landed. ``started`` is the monotonic clock's, in seconds."""
    return Manifest(
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
        figures=figures,
        seconds=round(time.monotonic() - started, 3),
        position=cut.position,
    )


def begin_figures(
    plan: Plan, group: GroupPlan, ports: Ports, cut: CutReader, beside: ThreadPoolExecutor, prefix: str
) -> dict[str, Future[FileFact]]:
    """Every figure of the source, taken in the snapshot by another thread; by the end of the file's name."""
    most, resolved = plan.migration.parity.max_cells, kpi.resolve_all(plan, group)
    figures = {}
    for r in resolved:
        figures[f"/figures/{r.spec.name}.parquet"] = beside.submit(
            take_at_cut, ports, f"{prefix}/figures", cut, r, most
        )
    for table, lake in proven(group):
        name = rows_file(lake)
        figures[name] = beside.submit(_take, cut, ports, source_figures_sql(plan, table, lake), f"{prefix}{name}")
    if needs_rules(resolved):
        rules = rules_sql(plan.migration.calendar, group.dialect)
        figures[ZONE] = beside.submit(_take, cut, ports, rules, f"{prefix}{ZONE}")
    return figures


def check_tables(plan: Plan, group: GroupPlan, cut: CutReader) -> None:
    """AlteredError when a table is no longer what was planned: something else would be landed, or not all of it."""
    there = {(t.schema, t.name): t for t in cut.describe([t.label for t in group.tables])}
    changes = {t.label: tuple(drift(t, there.get((t.schema, t.table)))) for t in group.tables}
    if told := "; ".join(f"{label}: {', '.join(found)}" for label, found in changes.items() if found):
        raise AlteredError(
            f"The source was altered after run {plan.run_key!r} was planned. {told}. Nothing was landed.",
            todo="See what `lakeward plan` makes of it now, mend the file if need be, then start a new run (`lakeward run --new`).",
        )


def kpis_of(plan: Plan, group: GroupPlan) -> list[kpi.KpiSpec]:
    """The KPIs over tables of this group, in the file's order."""
    names = {table.name for table in group.lake_tables}
    return [k for k in plan.migration.kpis if k.table in names]


def guarded(cut: CutReader, table: TablePlan) -> dict[str, int]:
    """The source's own count and those of its guards; DataError when one finds what no policy answers."""
    counts = count_guarded(cut, table)
    refuse(table, counts)
    return counts


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
    inputs = cut.files(table)
    large = _too_large(cut, table)
    try:
        written = cut.land(cut_short(table, large), ports.store.url(key), ports.store.access, progress)
    except SourceError:
        counts[table.name].result()  # a guard that names the column says it better
        raise
    files = told_apart(ports, written)
    rows = sum(file.rows for file in files)
    guards = counts[table.name].result()
    expected = guards.pop("")
    if rows != expected:
        raise SourceError(
            f"{table.label}: {rows} rows were landed, but the source counts {expected} in the same snapshot.",
            todo="Run the step again; if it stays so, report it with the table's definition.",
        )
    progress(f"extract {table.name}", rows, rows)
    guards |= {f"{column} large": count for column, count in large.items()}
    return LandedTable(table.name, files, rows, expected, guards, round(time.monotonic() - started, 3), inputs)


def told_apart(ports: Ports, files: tuple[FileFact, ...]) -> tuple[FileFact, ...]:
    """Files with what tells their content from any other."""
    return tuple(replace(f, checksum=ports.store.etag(key_of(ports.store, f.url)) or "") for f in files)


def _too_large(cut: CutReader, table: TablePlan) -> dict[str, int]:
    """How many values of each nested column are larger than the file permits; asked before any of them is read."""
    if not table.nested:
        return {}
    listed = ", ".join(f"count(*) FILTER (WHERE {too_large(table, n)}) AS c{i}" for i, n in enumerate(table.nested))
    source = f"{ident(table.schema)}.{ident(table.table)}"
    row = cut.query(f"SELECT {listed} FROM {source} {table.where()}").to_pylist()[0]
    return {n.source: int(row[f"c{i}"]) for i, n in enumerate(table.nested)}


def _take(cut: CutReader, ports: Ports, sql: str, key: str) -> FileFact:
    return write_figures(ports, key, cut.query(sql))
