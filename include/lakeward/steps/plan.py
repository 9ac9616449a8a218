"""Decide what will be done and why, and freeze it beside the landing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from lakeward import __version__
from lakeward.domain.catch_up import plan_watermarks
from lakeward.domain.evidence import UNSWITCHED, Pointer
from lakeward.domain.evolving import policy_of
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, ReferencePlan, TablePlan, Watermark
from lakeward.domain.faults import Faults, FaultsError
from lakeward.domain.identity import WHOLE, cut_id, plan_key, pointer_key
from lakeward.domain.kpi import lake_terms
from lakeward.domain.matching import Match, inheritance_notes, match_tables, wanted_tables
from lakeward.domain.parts import parts_of
from lakeward.domain.plan_checks import check_plan, table_path
from lakeward.domain.planning import Sample
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.references import plan_references
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.stored import from_json
from lakeward.domain.windowing import judged_later, plan_windowing
from lakeward.errors import GateError, SpecError
from lakeward.ports import Lake, Ports, Progress, silent
from lakeward.spec.document import Path
from lakeward.spec.hybrid_checks import befores_of
from lakeward.spec.load import LoadedMigration
from lakeward.spec.models import AnyMigration, DriftSpec, GroupSpec, Hybrid, KpiSpec, PhasedGroup, TableSpec
from lakeward.steps.artifacts import freeze_plan, read_plan
from lakeward.steps.plan_evolved import plan_evolved, refuse_held

SAMPLE = 2000
"""Records that are looked at for each column whose types are inferred."""


def make_plan(loaded: LoadedMigration, ports: Ports, run_key: str, at: datetime, progress: Progress = silent) -> Plan:
    """Plan a run and freeze the plan, of a hybrid also that of each group; a run that is planned already keeps its plan.

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
    else:
        plan = freeze_plan(ports.store, preview(loaded, ports, run_key, at, progress))
    for part in parts_of(plan):
        freeze_plan(ports.store, part)
    return plan


def preview(loaded: LoadedMigration, ports: Ports, run_key: str, at: datetime, progress: Progress = silent) -> Plan:
    """Plan a run without writing anything; every problem of the file is named at once."""
    spec, faults = loaded.spec, Faults()
    matched = match_tables(
        spec.groups, ports.source.describe(wanted_tables(spec.groups, spec.source.home)), faults, spec.source.home
    )
    home = _homes(matched, faults)
    whole = not faults
    groups: list[GroupPlan] = []
    held: list[str] = []
    for number, (group, matches) in enumerate(matched):
        progress(f"plan {group.name}", number, len(matched))
        elsewhere = {label: g for label, g in home.items() if g != group.name}
        planned = _plan_group(spec, number, matches, elsewhere, ports, run_key, faults, held, whole=whole)
        groups.append(planned)
    whole = whole and all(len(g.tables) == len(m) for g, (_, m) in zip(groups, matched, strict=True))
    check_plan(spec, groups, ports.source.identity().server_version, faults, whole=whole)
    refuse_held(held)  # what else is wrong may come of it
    if faults:
        raise loaded.refuse(faults.troubles)
    _check_lake(groups, ports, spec.migration)
    spec = spec.model_copy(update={"kpis": tuple(_in_lake_terms(spec.kpis, groups))})
    return Plan(spec, loaded.text, loaded.file_hash, __version__, run_key, at, tuple(groups), _plan_notes(groups))


def _in_lake_terms(kpis: Sequence[KpiSpec], groups: Sequence[GroupPlan]) -> Iterator[KpiSpec]:
    """Whatever terms the file is written in, later steps know the lake's alone."""
    homes = {table.name: group for group in groups for table in group.lake_tables}
    return (lake_terms(one, homes[one.table])[0] for one in kpis)


def _homes(matched: Sequence[tuple[GroupSpec, list[Match]]], faults: Faults) -> dict[str, str]:
    home: dict[str, str] = {}
    for number, (group, matches) in enumerate(matched):
        for spec, table in matches:
            if (other := home.setdefault(table.label, group.name)) != group.name:
                reason = f"{table.label} is in the groups {other} and {group.name}: a table moves with one group"
                faults.add((*table_path(number, group, spec), "table"), reason)
    return home


def _plan_group(
    spec: AnyMigration,
    number: int,
    matches: list[Match],
    elsewhere: dict[str, str],
    ports: Ports,
    run_key: str,
    faults: Faults,
    held: list[str],
    *,
    whole: bool,
) -> GroupPlan:
    """The group, without the tables that could not be planned."""

    def sample(of: SourceTable, expression: str) -> Sequence[str | None]:
        return ports.source.sample(of.schema, of.name, expression, SAMPLE)

    group = spec.groups[number]
    tables: list[TablePlan] = []
    sources: list[SourceTable] = []
    for table, source in matches:
        at = table_path(number, group, table)
        planned = _plan_table(table, source, sample, policy_of(spec.drift, table), ports.lake, at, faults, held)
        if planned:
            tables.append(planned)
            sources.append(source)
    references: tuple[ReferencePlan, ...] = ()
    notes: tuple[str, ...] = ()
    with faults.at("groups", number):
        before = befores_of(spec)[group.name] if isinstance(spec, Hybrid) else None
        references, notes = plan_references(
            group, tables, sources, elsewhere, before=before, whole=whole and len(tables) == len(matches)
        )
    windowing = None
    if isinstance(group, PhasedGroup) and group.window:
        with faults.at("groups", number, "window"):
            windowing = plan_windowing(group.window, spec.calendar, tables, sources, references)
    watermarks: tuple[Watermark, ...] = ()
    if isinstance(group, PhasedGroup) and group.catch_up:
        with faults.at("groups", number, "catch_up"):
            watermarks = plan_watermarks(group.catch_up, spec.calendar.time_zone, tables, sources)
    planned_group = GroupPlan(
        name=group.name,
        cut_id=cut_id(spec.migration, group.name, WHOLE, run_key),
        tables=tuple(tables),
        references=references,
        max_quarantine_share=group.quarantine.max_share,
        notes=(*notes, *inheritance_notes(matches, {*elsewhere, *(source.label for source in sources)})),
        windowing=windowing,
        watermarks=watermarks,
    )
    return replace(planned_group, notes=(*planned_group.notes, *judged_later(planned_group)))


def _plan_table(
    table: TableSpec,
    source: SourceTable,
    sample: Sample,
    policy: DriftSpec,
    lake: Lake,
    at: Path,
    faults: Faults,
    held: list[str],
) -> TablePlan | None:
    """The table; also one with faults, where what else is wrong can be told from it."""
    try:
        plan, told = plan_evolved(table, source, sample, policy, lake)
    except FaultsError as error:
        faults.extend(at, error.troubles)
        return error.plan
    held += told
    return plan


def _check_lake(groups: Sequence[GroupPlan], ports: Ports, migration: str) -> None:
    for group in groups:
        if found := ports.store.get(key := pointer_key(migration, group.name)):
            pointer = from_json(Pointer, found[0], ports.store.url(key))
            if pointer.state not in UNSWITCHED:
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
