"""Decide what will be done and why, and freeze it beside the landing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from lakeward import __version__
from lakeward.domain import kpi
from lakeward.domain.evidence import Pointer, State
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, SourceTable, TablePlan, from_json
from lakeward.domain.identity import WHOLE, cut_id, plan_key, pointer_key
from lakeward.domain.matching import Match, inheritance_notes, match_tables, wanted_tables
from lakeward.domain.planning import plan_table
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.references import plan_references
from lakeward.domain.rules import check_rule
from lakeward.domain.shaping import suggest
from lakeward.errors import GateError, LakewardError, SpecError
from lakeward.ports import Ports, Progress, silent
from lakeward.spec.load import LoadedMigration
from lakeward.spec.models import GroupSpec, LiftAndShift
from lakeward.steps.artifacts import freeze_plan, read_plan

SAMPLE = 2000
"""Records that are looked at for each column whose types are inferred."""

T = TypeVar("T")


def make_plan(loaded: LoadedMigration, ports: Ports, run_key: str, at: datetime, progress: Progress = silent) -> Plan:
    """Plan a run and freeze the plan; a run that is planned already keeps its plan.

    :raises SpecError: the file contradicts the source or the lake, or was changed since the run was planned.
    :raises GateError: a group is cut over already.
    """
    name = loaded.spec.migration
    if ports.store.get(plan_key(name, run_key)):
        plan = read_plan(ports.store, name, run_key)
        if plan.file_hash != loaded.file_hash:
            raise SpecError(
                f"{loaded.path} was changed after run {run_key!r} of {name} was planned.",
                todo="Start a new run with the new file.",
            )
        return plan
    return freeze_plan(ports.store, preview(loaded, ports, run_key, at, progress))


def preview(loaded: LoadedMigration, ports: Ports, run_key: str, at: datetime, progress: Progress = silent) -> Plan:
    """Plan a run without writing anything; every problem of the file is named at once."""
    spec = loaded.spec
    if not isinstance(spec, LiftAndShift):
        raise SpecError(f"{loaded.path}: the pattern {spec.pattern} is not there yet.", todo="Use lift_and_shift.")
    problems: list[str] = []
    matched = match_tables(spec.groups, ports.source.describe(wanted_tables(spec.groups)), problems)
    home = _homes(matched, problems)
    groups = []
    for number, (group, matches) in enumerate(matched):
        progress(f"plan {group.name}", number, len(matched))
        elsewhere = {label: g for label, g in home.items() if g != group.name}
        planned = _collect(problems, partial(_plan_group, group, matches, elsewhere, ports, spec, run_key, problems))
        groups += [planned] if planned else []
    if not problems:
        _check_names(groups, problems)
        _check_kpis(spec, groups, ports, problems)
        _check_rules(groups, problems)
    if problems:
        raise SpecError("\n\n".join([f"{loaded.path}: {len(problems)} problem(s).", *problems]))
    _check_lake(groups, ports, spec.migration)
    return Plan(spec, loaded.text, loaded.file_hash, __version__, run_key, at, tuple(groups), _plan_notes(groups))


def _collect(problems: list[str], work: Callable[[], T]) -> T | None:
    try:
        return work()
    except (LakewardError, ValueError) as error:
        problems.append(str(error))
        return None


def _homes(matched: Sequence[tuple[GroupSpec, list[Match]]], problems: list[str]) -> dict[str, str]:
    home: dict[str, str] = {}
    for group, matches in matched:
        for _, table in matches:
            if (other := home.setdefault(table.label, group.name)) != group.name:
                problems.append(
                    f"{table.label} is in the groups {other} and {group.name}: a table moves with one group."
                )
    return home


def _plan_group(
    group: GroupSpec,
    matches: list[Match],
    elsewhere: dict[str, str],
    ports: Ports,
    spec: LiftAndShift,
    run_key: str,
    problems: list[str],
) -> GroupPlan:
    def sample(of: SourceTable, expression: str) -> Sequence[str | None]:
        return ports.source.sample(of.schema, of.name, expression, SAMPLE)

    tables: list[TablePlan] = []
    sources: list[SourceTable] = []
    for table, source in matches:
        planned = _collect(problems, partial(plan_table, table, source, sample))
        if planned:
            tables.append(planned)
            sources.append(source)
    references, notes = ((), ()) if problems else plan_references(group, tables, sources, elsewhere)
    return GroupPlan(
        name=group.name,
        cut_id=cut_id(spec.migration, group.name, WHOLE, run_key),
        tables=tuple(tables),
        references=references,
        max_quarantine_share=group.quarantine.max_share,
        notes=(*notes, *inheritance_notes(matches, {*elsewhere, *(source.label for source in sources)})),
    )


def _check_names(groups: Sequence[GroupPlan], problems: list[str]) -> None:
    seen: dict[str, str] = {}
    for group in groups:
        for name, origin in [(t.name, p.label) for p in group.tables for t in p.lake] + [
            (group.quarantine, "the quarantine")
        ]:
            if (other := seen.setdefault(name, origin)) != origin or (
                name == group.quarantine and origin != "the quarantine"
            ):
                problems.append(
                    f"{other} and {origin} would both become the lake table {name!r}: give one of them a `name`."
                )


def _check_kpis(spec: LiftAndShift, groups: Sequence[GroupPlan], ports: Ports, problems: list[str]) -> None:
    version = ports.source.identity().server_version
    homes = {table.name: group for group in groups for table in group.lake_tables}
    for figure in spec.kpis:
        if figure.table not in homes:
            problems.append(
                f"KPI {figure.name}: there is no lake table {figure.table!r}: {suggest(figure.table, homes)}"
            )
        else:
            resolved = _collect(problems, partial(kpi.resolve, figure, homes[figure.table], spec.calendar))
            if resolved and kpi.NEEDS_16 in kpi.source_sql(resolved) and int(version[:2]) < 16:
                problems.append(
                    f"KPI {figure.name}: it looks into json or text, or at moments inside documents, which PostgreSQL can "
                    f"do without failing on odd records from 16 on; the source runs {version}. Use jsonb and plain values."
                )
    problems += [
        f"group {group.name}: no KPI proves it. Declare at least one over its tables; counts of rows prove nothing."
        for group in groups
        if not any(figure.table in {t.name for t in group.lake_tables} for figure in spec.kpis)
    ]


def _check_rules(groups: Sequence[GroupPlan], problems: list[str]) -> None:
    for table in (t for group in groups for t in group.lake_tables):
        for rule in table.rules:
            _collect(problems, partial(check_rule, rule, table))


def _check_lake(groups: Sequence[GroupPlan], ports: Ports, migration: str) -> None:
    for group in groups:
        if found := ports.store.get(pointer_key(migration, group.name)):
            pointer = from_json(Pointer, found[0])
            if pointer.state is not State.LEGACY:
                raise GateError(
                    f"Group {group.name} of {migration} is cut over: its state is {pointer.state.value}.",
                    todo="Cut back first (DAG `cutover`); a new cut would replace what readers use.",
                )
        tables: tuple[LakeTable, ...] = (*group.lake_tables, quarantine_table(group))
        if different := ports.lake.differences(tables, migration):
            raise SpecError(
                "\n".join(["The lake's tables are not as the file says:", *different]),
                todo="Change the file, or drop or rename the lake's table if nobody needs it.",
            )


def _plan_notes(groups: Sequence[GroupPlan]) -> tuple[str, ...]:
    return tuple(f"{t.label}: {note}" for g in groups for t in g.tables for note in t.notes) + tuple(
        note for g in groups for note in g.notes
    )
