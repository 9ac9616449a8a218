"""Plan a table whose lake table may be there already: what has changed at the source since is followed as the file's `drift` says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lakeward.domain.evolving import Evolved, evolve, evolve_new, forgetting, ignored, without
from lakeward.domain.facts import LiveTable, TablePlan
from lakeward.domain.planning import Sample, plan_table
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.domain.systems import SYSTEMS
from lakeward.errors import LakewardError, SpecError
from lakeward.ports import Lake
from lakeward.spec.models import DriftSpec, TableSpec
from lakeward.spec.names import slug


def plan_evolved(
    spec: TableSpec, source: SourceTable, sample: Sample, policy: DriftSpec, lake: Lake
) -> tuple[TablePlan, tuple[str, ...]]:
    """The table's plan, and changes that the policy does not permit, in words.

    :raises FaultsError: as of ``plan_table``.
    """
    main = lake.live(spec.name or slug(source.name))
    if main is None:
        return plan_table(spec, source, sample), ()
    behind: Sequence[SourceColumn] = ()
    if policy.dropped == "evolve":
        spec = forgetting(spec, source, main)
    if policy.added == "ignore":
        behind = ignored(spec, source, main)
        spec = without(spec, (c.name for c in behind))
    left = tuple(_typed(source, behind))
    plan = plan_table(spec, source, sample)
    first = evolve(plan.lake[0], main, policy, left)
    if first.narrower or first.fitted:
        types = {**spec.types, **first.narrower, **first.fitted}
        plan = plan_table(spec.model_copy(update={"types": types}), source, sample, first.fitted)
    found = [evolve(plan.lake[0], main, policy, left, first.fitted), *_children(plan, main, policy, lake)]
    told = tuple(f"{one.table.name}: {what}" for one in found for what in one.table.drift)
    held = tuple(f"{plan.label}, table {one.table.name}: {what}" for one in found for what in one.held)
    return replace(plan, lake=tuple(one.table for one in found), notes=(*plan.notes, *told)), held


def _children(plan: TablePlan, main: LiveTable, policy: DriftSpec, lake: Lake) -> Iterator[Evolved]:
    for table in plan.lake[1:]:
        live = lake.live(table.name)
        yield evolve(table, live, policy) if live else evolve_new(table, main, policy)


def _typed(source: SourceTable, columns: Sequence[SourceColumn]) -> Iterator[tuple[str, str]]:
    """The names of columns, and the types that they would have in the lake."""
    for column in columns:
        try:
            kind = SYSTEMS[source.system].land(column).type
        except LakewardError:
            kind = "of no type that is carried"
        yield column.name, kind


def refuse_held(held: Sequence[str]) -> None:
    """SpecError when something has changed and nothing says what is to become of it."""
    if held:
        raise SpecError(
            "\n  - ".join(["The lake's tables are not as source and file say now, and nothing was read:", *held]),
            todo="Write what each line says, for the whole migration or under its table, or take the change back; docs/schema-drift.md.",
        )
