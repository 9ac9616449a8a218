"""Which rows name which: references that the file declares, that the source declares, and those of child tables."""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.facts import LakeTable, ReferencePlan, SourceTable, TablePlan
from lakeward.domain.shaping import suggest
from lakeward.errors import SpecError
from lakeward.spec.models import GroupSpec, Reference


def plan_references(
    group: GroupSpec, tables: Sequence[TablePlan], sources: Sequence[SourceTable], elsewhere: dict[str, str]
) -> tuple[tuple[ReferencePlan, ...], tuple[str, ...]]:
    """References of a group (declared, of the source, of child tables) and notes.

    :param elsewhere: ``schema.table`` of tables in other groups, to their group.
    :raises SpecError: a reference leaves its group, or names what is not there.
    """
    lake = {t.name: t for plan in tables for t in plan.lake}
    found = [_declared_reference(r, lake) for r in group.references]
    notes: list[str] = []
    for plan, source in zip(tables, sources, strict=True):
        for child in plan.lake[1:]:
            parents = tuple(c.name for c in child.columns if c.role == "parent")
            found.append(ReferencePlan(child.name, parents, plan.name, plan.lake[0].key, "parent"))
        if group.source_references:
            found += _source_references(group, plan, source, tables, elsewhere, notes)
    unique = {(r.table, r.columns, r.to, r.to_columns): r for r in reversed(found)}
    return tuple(reversed(unique.values())), tuple(notes)


def _declared_reference(reference: Reference, lake: dict[str, LakeTable]) -> ReferencePlan:
    for name, columns in ((reference.table, reference.columns), (reference.to, reference.to_columns)):
        if name not in lake:
            raise SpecError(f"references: there is no lake table {name!r} in this group", todo=suggest(name, lake))
        for column in columns:
            if all(column != c.name for c in lake[name].columns):
                raise SpecError(
                    f"references: {name} has no column {column!r}",
                    todo=suggest(column, (c.name for c in lake[name].columns)),
                )
    if len(reference.columns) != len(reference.to_columns):
        raise SpecError(f"references: {reference.table} to {reference.to} names unequal numbers of columns")
    return ReferencePlan(reference.table, reference.columns, reference.to, reference.to_columns, "file")


def _source_references(
    group: GroupSpec,
    plan: TablePlan,
    source: SourceTable,
    tables: Sequence[TablePlan],
    elsewhere: dict[str, str],
    notes: list[str],
) -> list[ReferencePlan]:
    found = []
    for key in source.foreign_keys:
        label = f"{key.to_schema}.{key.to_table}"
        if label in elsewhere:
            raise SpecError(
                f"{source.label} refers to {label}, which is in the group {elsewhere[label]!r}: they would be read at different cuts",
                todo=f"put both into one group, or declare `source_references: false` in {group.name!r} if they need not agree.",
            )
        target = next((t for t in tables if t.label == label), None)
        columns, to_columns = _lake_names(plan, key.columns), _lake_names(target, key.to_columns) if target else None
        if target is None:
            notes.append(f"{source.label} refers to {label}, which is not migrated")
        elif columns is None or to_columns is None:
            notes.append(
                f"the reference of {source.label} to {label} is not checked: its columns are dropped or masked"
            )
        else:
            found.append(ReferencePlan(plan.name, columns, target.name, to_columns, "source"))
    return found


def _lake_names(plan: TablePlan, columns: Sequence[str]) -> tuple[str, ...] | None:
    landed = {c.column: c.source for c in plan.columns if c.mask not in {"null", "redact"}}
    names = {c.source: c.name for c in plan.lake[0].columns if c.role == "value" and not c.path}
    found = [names.get(landed.get(column, "")) for column in columns]
    return tuple(name for name in found if name) if all(found) else None
