"""Follow verdicts down to the rows that cause them; only what differs is ever handed out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lakeward.domain import kpi
from lakeward.domain.evidence import Finding, Verdict
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.file_facts import FileSet
from lakeward.domain.kpi_columns import own
from lakeward.domain.kpi_compare import finding as as_finding
from lakeward.domain.kpi_compare import finest_sql
from lakeward.domain.kpi_resolve import resolve_all
from lakeward.domain.row_causes import causes, referring
from lakeward.domain.row_findings import known_of
from lakeward.domain.rows import Rows, cell_condition
from lakeward.domain.sides import LAKE, Subject, WrittenSubject
from lakeward.ports import Ports
from lakeward.reader import resolve
from lakeward.steps.artifacts import read_manifest
from lakeward.steps.extract import kpis_of
from lakeward.steps.locate import Located, Side, local, locate
from lakeward.steps.measure import lake_inputs, landed_inputs
from lakeward.steps.rows import findings_of

CELLS = 5
"""Finest cells of a KPI that are followed."""


def drill_all(
    plan: Plan, verdicts: Sequence[Verdict], ports: Ports, *, now: bool
) -> tuple[tuple[Verdict, tuple[Finding, ...]], ...]:
    """Each verdict with the rows behind it, or what it found where there are none.

    A row that the verdict on its whole table has named already is not looked for again by a KPI over the table.
    :param now: the verdicts are of ``compare_now``: the source is asked, as it is now; else the landing.
    """
    rows = {v.subject: findings_of(ports, v) for v in verdicts if v.kind == "rows" and v.failed}
    explained = {name for found in rows.values() for f in found for name in f.kpis}
    drilled = []
    for verdict in verdicts:
        if verdict.kind == "rows":
            found = rows.get(verdict.subject, ())
        elif verdict.kind == "kpi" and verdict.failed:
            known = verdict.subject in explained and not _texts_differ(plan, verdict)
            found = () if known else drill_kpi(plan, verdict, ports, now=now)
        else:
            found = () if rows else verdict.findings
        drilled.append((verdict, found))
    return tuple(drilled)


def _texts_differ(plan: Plan, verdict: Verdict) -> bool:
    """Whether SELECTs of a KPI give other figures over the landing already: rows of the lake that differ do not explain that."""
    hand = resolved_kpi(plan, plan.group(verdict.group), verdict.subject).hand
    return hand is not None and any(f.leg == "source-landing" for f in verdict.findings)


def drill_kpi(plan: Plan, verdict: Verdict, ports: Ports, *, now: bool, cells: int = CELLS) -> tuple[Finding, ...]:
    """The rows behind the finest cells of a KPI that differ, largest difference first; a cell itself where it has none."""
    group = plan.group(verdict.group)
    r = resolved_kpi(plan, group, verdict.subject)
    file = verdict.differences_file
    if file is None:
        return ()
    rows = _of_tables(plan, group, r, ports, now=now) if r.hand else ()
    if rows and not _texts_differ(plan, verdict):
        return rows
    differences = FileSet((file.url,), ports.store.access, kpi.difference_columns(r))
    listed = ports.engine.table(finest_sql(r, cells), {"differences": differences}).to_pylist()
    leg = "source-lake" if now else "landing-lake"
    found: dict[tuple[object, ...], Finding] = {}
    for cell in (as_finding(r.spec, leg, one) for one in listed):
        behind = drill(plan, group, r, cell, ports, now=now).findings
        for one in behind or (cell,):
            found.setdefault((one.table, one.key, one.column, one.kind, one.period, tuple(one.values.values())), one)
    return (*rows, *found.values())


def drill(plan: Plan, group: GroupPlan, r: kpi.ResolvedKpi, cell: Finding, ports: Ports, *, now: bool) -> Located:
    """The rows of a cell that differ from the lake's, by the columns that enter the figure.

    A row that moved to another cell shows the column that moved it, which may be that of a row that it refers to. Of SELECTs that people
    wrote the rows are those that they give, which have no key.

    :param cell: names the cell: grain, period and dimensions.
    :raises LakeError: the group is not published, or the snapshot is gone.
    """
    pointer = resolve(ports.store, plan.migration.migration, group.name).at(group.cut_id)
    manifest = None if now else read_manifest(ports.store, plan, group)
    if manifest and manifest.figures_only:  # what the source held then can't be read any more
        return Located((), whole=False, queries=0)
    date = r.reached[r.spec.date] if r.spec.date else None
    subject = WrittenSubject(r) if r.hand else Subject(r.plan, r.table, r.followed, r.calendar, date)
    files = lake_inputs(ports, r, pointer.tables, None if now else group)
    lake = Side(_in_cell(r, subject.lake(), cell), local(ports.engine, files))
    if manifest is None:
        side = Side(_in_cell(r, subject.source(), cell), ports.source.query)
    else:
        side = Side(_in_cell(r, subject.landing(), cell), local(ports.engine, landed_inputs(ports, r, manifest)))
    known = known_of(group, resolve_all(plan, group), plan.migration.calendar, r.table.name)
    known = replace(known, references=known.references | referring(r))
    blank = Finding(
        r.spec.name, cell.leg, cell.grain, cell.period, cell.dimensions, table=r.table.name, kpis=(r.spec.name,)
    )
    located = locate(side, lake, ports.engine, r.plan, known, blank)
    found = map(_given, located.findings) if r.hand else causes(r, located.findings)
    return replace(located, findings=tuple(found))


def _of_tables(plan: Plan, group: GroupPlan, r: kpi.ResolvedKpi, ports: Ports, *, now: bool) -> tuple[Finding, ...]:
    """Rows of the tables that SELECTs of a KPI read, by their keys and the columns that these name."""
    pointer = resolve(ports.store, plan.migration.migration, group.name)
    files = lake_inputs(ports, r, pointer.tables, None if now else group)
    landed = {} if now else landed_inputs(ports, r, read_manifest(ports.store, plan, group))
    resolved = resolve_all(plan, group)
    found: list[Finding] = []
    for of, table in r.tables:
        names = dict.fromkeys((*table.key, *sorted(r.entering(table.name))))
        if not names:
            continue
        subject = Subject(of, table, tuple(own(of, table, name) for name in names), r.calendar, None)
        side = (
            Side(subject.source(), ports.source.query) if now else Side(subject.landing(), local(ports.engine, landed))
        )
        view = LAKE if table.name == r.table.name else kpi.lake_view(table.name)
        lake = Side(subject.lake(), local(ports.engine, {LAKE: files[view]}))
        known = known_of(group, resolved, plan.migration.calendar, table.name)
        blank = Finding(r.spec.name, "source-lake" if now else "landing-lake", table=table.name, kpis=(r.spec.name,))
        found += locate(side, lake, ports.engine, of, known, blank).findings
    return tuple(found)


def _given(row: Finding) -> Finding:
    """A row that one SELECT gives and the other does not."""
    return replace(
        row, message=f"{row.message}, by the SELECTs of `sql`; the rows of the tables that they read are equal"
    )


def resolved_kpi(plan: Plan, group: GroupPlan, name: str) -> kpi.ResolvedKpi:
    """A KPI of the plan, by its name."""
    spec = next(k for k in kpis_of(plan, group) if k.name == name)
    return kpi.resolve(spec, group, plan.migration.calendar)


def _in_cell(r: kpi.ResolvedKpi, rows: Rows, cell: Finding) -> Rows:
    return replace(rows, where=cell_condition(r, rows, cell))
