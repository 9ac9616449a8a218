"""Columns of one table whose names differ by case alone: apart in the lake by `rename`, and in the landing by a name of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lakeward.domain.facts import LandedColumn, TablePlan
from lakeward.domain.source_facts import SourceTable
from lakeward.errors import UnsupportedError
from lakeward.spec.models import TableSpec


def check_same_names(spec: TableSpec, source: SourceTable, names: Sequence[str]) -> None:
    """Refuse names that differ by case alone, unless the file gives all but one of them another; UnsupportedError says how."""
    moved = {*spec.rename, *(f.column for f in spec.flatten)}
    for same in _alike(names):
        if len([name for name in same if name not in moved]) > 1:
            listed = " and ".join(repr(name) for name in same)
            raise UnsupportedError(
                f"{source.label}: the columns {listed} differ by case alone, which the lake cannot tell apart",
                todo=f"rename all but one, as in `rename: {{{same[-1]}: {same[-1].lower()}_2}}`, or drop one.",
            )


def tell_apart(plan: TablePlan) -> TablePlan:
    """The plan with names in the landing that differ by more than case; the source's SQL keeps the source's names."""
    found = _landing_names([c.source for c in plan.columns])
    if not found:
        return plan

    def name(source: str) -> str:
        return found.get(source, source)

    def column(one: LandedColumn) -> LandedColumn:
        if one.source not in found:
            return one
        return replace(one, source=found[one.source], name=one.source, native=False)

    return replace(
        plan,
        scan=False,
        columns=tuple(column(c) for c in plan.columns),
        nested=tuple(replace(n, source=name(n.source)) for n in plan.nested),
        lake=tuple(
            replace(
                t,
                source=name(t.source),
                columns=tuple(replace(c, source=name(c.source)) for c in t.columns),
            )
            for t in plan.lake
        ),
    )


def _alike(names: Iterable[str]) -> list[list[str]]:
    by_lower: dict[str, list[str]] = {}
    for name in names:
        by_lower.setdefault(name.lower(), []).append(name)
    return [same for same in by_lower.values() if len(same) > 1]


def _landing_names(names: Sequence[str]) -> dict[str, str]:
    """Names that need another one, to that one."""
    taken = {name.lower() for name in names}
    found = {}
    for same in _alike(names):
        for one in same[1:]:
            n = 2
            while f"{one}~{n}".lower() in taken:
                n += 1
            found[one] = f"{one}~{n}"
            taken.add(found[one].lower())
    return found
