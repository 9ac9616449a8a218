"""Make sure that pinned snapshots still give the figures that were approved: a live file may have been changed in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lakeward.domain import kpi
from lakeward.domain.evidence import Evidence, Pointer
from lakeward.domain.facts import GroupPlan, LakeTable, Plan
from lakeward.domain.file_facts import FileFact, FileSet
from lakeward.domain.rows import FIGURES, figures_sql
from lakeward.domain.sides import LAKE, whole
from lakeward.errors import LakeError
from lakeward.ports import Input, Ports
from lakeward.reader import resolve
from lakeward.steps.measure import lake_inputs, table_files
from lakeward.steps.rows import proven

_KEPT, _NOW = "#kept", "#now"
_DIFFERING = f'SELECT count(*) AS n FROM ((FROM "{_KEPT}" EXCEPT ALL FROM "{_NOW}") UNION ALL (FROM "{_NOW}" EXCEPT ALL FROM "{_KEPT}"))'


@dataclass(frozen=True, slots=True)
class _Figures:
    """What one verdict reckoned from the lake, and what they are columns of; ``sql`` sees the tables' files as ``inputs``."""

    kind: str
    subject: str
    tables: tuple[LakeTable, ...]
    inputs: Mapping[str, Input]
    sql: str
    columns: tuple[tuple[str, str], ...]


def check_figures(plan: Plan, ports: Ports, evidence: Evidence) -> None:
    """Reckon every figure of the evidence from the pinned snapshots once more; writes nothing.

    :raises LakeError: some are not what they were when they were compared.
    """
    wrong = [told for group in plan.groups for told in _wrong(plan, group, ports, evidence)]
    if wrong:
        raise LakeError(
            f"The lake no longer gives the figures that were approved: {'; '.join(wrong)}.",
            todo="Somebody has changed data files of these tables in their place: find out who writes below their location, then "
            "start a new run, which writes and compares them anew.",
        )


def _wrong(plan: Plan, group: GroupPlan, ports: Ports, evidence: Evidence) -> Iterator[str]:
    pointer = resolve(ports.store, plan.migration.migration, group.name).at(group.cut_id)
    for one in _figures(plan, group, ports, pointer):
        now = ports.engine.table(one.sql, one.inputs)
        kept = FileSet((_kept(group, one, evidence).url,), ports.store.access, one.columns)
        found = ports.engine.table(_DIFFERING, {_KEPT: kept, _NOW: now}).to_pylist()[0]["n"]
        if found:
            names = [ports.lake.qualified(table.name) for table in one.tables]
            pinned = " and ".join(f"snapshot {pointer.tables[name]} of {name}" for name in names)
            yield f"{found} figures of {one.kind} {one.subject}, from {pinned}"


def _figures(plan: Plan, group: GroupPlan, ports: Ports, pointer: Pointer) -> Iterator[_Figures]:
    calendar = plan.migration.calendar
    for r in kpi.resolve_all(plan, group):
        inputs = lake_inputs(ports, r, pointer.tables)
        tables = tuple(table for _, table in r.tables)
        yield _Figures("kpi", r.spec.name, tables, inputs, kpi.lake_sql(r, LAKE), kpi.figure_columns(r))
    for table, lake in proven(group):
        sql = figures_sql(whole(table, lake, plan.migration.kpis, calendar).lake())
        files = table_files(ports, lake, pointer.tables)
        yield _Figures("rows", lake.name, (lake,), {LAKE: files}, sql, FIGURES)


def _kept(group: GroupPlan, one: _Figures, evidence: Evidence) -> FileFact:
    """The lake's figures as they were compared; the gate has made sure that there is a verdict, and that its files are its own."""
    for verdict in evidence.verdicts:
        if (verdict.group, verdict.kind, verdict.subject) == (group.name, one.kind, one.subject):
            for file in verdict.files:
                if file.url.endswith("-lake.parquet"):
                    return file
    raise LakeError(f"Group {group.name}: no figures were kept of {one.kind} {one.subject}.", todo="Compare again.")
