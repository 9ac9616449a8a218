"""Which rows name which: references that the file declares, that the source declares, and those of child tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lakeward.domain.facts import LakeTable, ReferencePlan, TablePlan
from lakeward.domain.faults import Faults
from lakeward.domain.shaping import suggest
from lakeward.domain.source_facts import SourceTable
from lakeward.errors import SpecError
from lakeward.spec.document import Path
from lakeward.spec.models import GroupSpec, Reference
from lakeward.spec.names import home_of, split_table


def plan_references(
    group: GroupSpec,
    tables: Sequence[TablePlan],
    sources: Sequence[SourceTable],
    elsewhere: dict[str, str],
    *,
    before: Collection[str] | None = None,
    whole: bool = True,
) -> tuple[tuple[ReferencePlan, ...], tuple[str, ...]]:
    """References of a group (declared, of the source, of child tables) and notes.

    :param elsewhere: ``schema.table`` of tables in other groups, to their group.
    :param before: groups that this one comes after, whose rows it may name; None where groups have no order.
    :param whole: false when some of the group's tables could not be planned: what names those is let through.
    :raises FaultsError: references leave their group, or name what is not there.
    """
    lake = {t.name: t for plan in tables for t in plan.lake}
    faults = Faults()
    found = []
    for n, reference in enumerate(group.references):
        known = len(faults.troubles)
        _check_declared(reference, lake, ("references", n), faults, whole=whole)
        if len(faults.troubles) == known:
            columns, to_columns = reference.columns, reference.to_columns
            found.append(ReferencePlan(reference.table, columns, reference.to, to_columns, "file"))
    notes: list[str] = []
    for plan, source in zip(tables, sources, strict=True):
        for child in plan.lake[1:]:
            parents = tuple(c.name for c in child.columns if c.role == "parent")
            found.append(ReferencePlan(child.name, parents, plan.name, plan.lake[0].key, "parent"))
        if group.source_references:
            with faults.at("tables", _number(group, plan)):
                found += _source_references(group, plan, source, tables, elsewhere, before, notes)
    faults.check()
    # Of what is declared twice the source's word is taken: it vouches that the columns named are unique.
    unique = {(r.table, r.columns, r.to, r.to_columns): r for r in found}
    return tuple(unique.values()), tuple(notes)


def _check_declared(reference: Reference, lake: dict[str, LakeTable], at: Path, faults: Faults, *, whole: bool) -> None:
    sides = (("table", reference.table, "columns"), ("to", reference.to, "to_columns"))
    for field, name, part in sides:
        if name not in lake:
            if whole:
                reason = f"references: there is no lake table {name!r} in this group"
                faults.add((*at, field), reason, suggest(name, lake))
            continue
        names = [c.name for c in lake[name].columns]
        for n, column in enumerate(getattr(reference, part)):
            if column not in names:
                reason = f"references: {name} has no column {column!r}"
                faults.add((*at, part, n), reason, suggest(column, names))
    if len(reference.columns) != len(reference.to_columns):
        faults.add(at, f"references: {reference.table} to {reference.to} names unequal numbers of columns")


def _number(group: GroupSpec, plan: TablePlan) -> int:
    """The item of the file that names a table outright; else the first."""
    names = [split_table(table.table, home_of(plan.dialect.value)) for table in group.tables]
    return next((n for n, name in enumerate(names) if name == (plan.schema, plan.table)), 0)


def _source_references(
    group: GroupSpec,
    plan: TablePlan,
    source: SourceTable,
    tables: Sequence[TablePlan],
    elsewhere: dict[str, str],
    before: Collection[str] | None,
    notes: list[str],
) -> list[ReferencePlan]:
    found = []
    for key in source.foreign_keys:
        label = f"{key.to_schema}.{key.to_table}"
        if (home := elsewhere.get(label)) and before is not None and home in before:
            notes.append(f"{source.label} refers to {label}, which is in the group {home}: it comes first")
            continue
        if home:
            order = "" if before is None else f"let {group.name!r} come `after: [{home}]`, "
            raise SpecError(
                f"{source.label} refers to {label}, which is in the group {home!r}: they would be read at different cuts",
                todo=f"{order}put both into one group, or declare `source_references: false` in {group.name!r} if they need not agree.",
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
