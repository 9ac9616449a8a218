"""What made a KPI's row differ: a value of its own, or that of a row that it refers to, which then is the one to be named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lakeward.domain.evidence import Finding
from lakeward.domain.kpi_columns import Reached
from lakeward.domain.kpi_resolve import ResolvedKpi

_WHOLE = frozenset({"int", "long"})


def referring(r: ResolvedKpi) -> frozenset[str]:
    """Names of the columns by which rows of the KPI's table, and of those that they reach, refer to others."""
    return frozenset(name for one in r.needed for names in _referring(one) for name in names)


def causes(r: ResolvedKpi, findings: Sequence[Finding]) -> Iterator[Finding]:
    """Findings on rows of the KPI's table, those on values that they reach as findings on the rows that hold them.

    Where a reference itself differs, the values that it leads to differ because of that, and are left out.
    """
    reached = {one.name: one for one in r.followed}
    changed: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for finding in findings:
        changed[finding.key].add(finding.column)
    for finding in findings:
        one = reached.get(finding.column)
        if one is None or not one.steps:
            yield finding
        elif not changed[finding.key] & _before(one):
            yield _of_reached(one, finding)


def _referring(one: Reached) -> Iterator[list[str]]:
    """The referencing columns of each step."""
    for depth, step in enumerate(one.steps):
        yield [one.beside(depth, column).name for column in step.reference.columns]


def _key(one: Reached, depth: int) -> list[str]:
    """The key of the table that so many steps lead to."""
    return [one.beside(depth, column).name for column in one.steps[depth - 1].table.key]


def _before(one: Reached) -> set[str]:
    """Columns whose difference makes a reached one differ: those of references, and keys of rows that may be lost."""
    names = {name for names in _referring(one) for name in names}
    depths = range(1, len(one.steps) + (one.column.name not in one.table.key))
    return names | {name for depth in depths for name in _key(one, depth)}


def _of_reached(one: Reached, finding: Finding) -> Finding:
    """The finding on the row that holds the value; a key that one side lacks is a row that it lacks."""
    names = dict(zip(one.table.key, _key(one, len(one.steps)), strict=True))
    values = {column: finding.values.get(name) for column, name in names.items()}
    if one.column.name in names:
        values[one.column.name] = finding.expected if finding.expected is not None else finding.found
    key = tuple(_part(value, one.table.column(column).type) for column, value in values.items())
    moved = replace(finding, table=one.table.name, key=key, period=None, values=values)
    if one.column.name not in names or None not in (finding.expected, finding.found):
        return replace(moved, column=one.column.name, values=values | {one.column.name: finding.expected})
    kind, place = ("missing", "the lake") if finding.found is None else ("extra", "the source")
    message = f"{kind}: {place} lacks the row of {one.table.name} that rows of {finding.table} refer to"
    return replace(moved, kind=kind, column="", expected=None, found=None, types=(), message=message)


def _part(value: str | None, kind: str) -> int | str | None:
    return int(value) if value is not None and kind in _WHOLE else value
