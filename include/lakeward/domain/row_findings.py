"""Rows of two sides put beside each other: one finding for each value that differs, or each row that one side lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lakeward.domain.evidence import Finding
from lakeward.domain.facts import GroupPlan
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.row_classes import Known, class_of, normal
from lakeward.domain.rows import DAY, Rows
from lakeward.spec.models import CalendarSpec

Cells = tuple[str | None, ...]


def known_of(group: GroupPlan, kpis: Sequence[ResolvedKpi], calendar: CalendarSpec, table: str) -> Known:
    """What the plan and its KPIs tell of a table's columns."""
    reached = [(k.table.name, one) for k in kpis if not k.hand for one in map(k.reached.__getitem__, k.spec.dimensions)]
    dimensions = {one.column.name for _, one in reached if one.table.name == table}
    dimensions |= {one.name for own, one in reached if own == table}
    references = (c for r in group.references if r.table == table for c in r.columns)
    return Known(frozenset(dimensions), frozenset(references), calendar.time_zone)


def source_types(rows: Rows) -> dict[str, tuple[str, str]]:
    """Of each column, the source's type and the lake's; inside documents the source's is that of the document."""
    return {name: (rows.source_types[name], rows.table.column(name).type) for name in rows.names}


def pair(
    rows: Rows,
    expected: Sequence[Mapping[str, object]],
    found: Sequence[Mapping[str, object]],
    blank: Finding,
    types: Mapping[str, tuple[str, str]],
    known: Known,
) -> tuple[Finding, ...]:
    """What differs between rows of the same keys, in the order of the keys; without a key, between two multisets of rows.

    :param blank: a finding with all that these have in common.
    """
    grouped = _by_key(rows, (expected, found), types)
    return tuple(
        finding
        for key in sorted(grouped, key=_order)
        for finding in _pair(rows, list(grouped[key].values()), replace(blank, key=_values(rows, key)), types, known)
    )


def _order(key: Cells) -> tuple[tuple[bool, int, str], ...]:
    return tuple((part is not None, len(part or ""), part or "") for part in key)


def _values(rows: Rows, key: Cells) -> tuple[int | str | None, ...]:
    """A key, whole numbers as such."""
    kinds = [rows.table.column(name).type for name in rows.table.key]
    whole = {"int", "long"}
    return tuple(
        int(part) if part is not None and kind in whole else part for part, kind in zip(key, kinds, strict=True)
    )


@dataclass(slots=True)
class _Same:
    """Rows of one key that have the same values: how often they stand on each side, and as what they are shown."""

    cells: Cells
    times: list[int] = field(default_factory=lambda: [0, 0])


def _by_key(
    rows: Rows, sides: Sequence[Sequence[Mapping[str, object]]], types: Mapping[str, tuple[str, str]]
) -> dict[Cells, dict[Cells, _Same]]:
    width = len(rows.table.key)
    grouped: dict[Cells, dict[Cells, _Same]] = {}
    for side, found in enumerate(sides):
        for row in found:
            cells = tuple(None if row[name] is None else str(row[name]) for name in (*rows.names, DAY))
            values = tuple(normal(types[name][1], cell) for name, cell in zip(rows.names, cells, strict=False))
            grouped.setdefault(cells[:width], {}).setdefault(values, _Same(cells)).times[side] += 1
    return grouped


def _pair(
    rows: Rows, alike: Sequence[_Same], blank: Finding, types: Mapping[str, tuple[str, str]], known: Known
) -> Iterator[Finding]:
    apart = [same for same in alike if same.times[0] != same.times[1]]
    if rows.table.key and sorted(same.times for same in apart) == [[0, 1], [1, 0]]:
        before, after = sorted(apart, key=lambda same: same.times, reverse=True)
        yield from _changed(rows, before.cells, after.cells, blank, types, known)
        return
    for same in sorted(apart, key=lambda s: _order(s.cells)):
        there, here = same.times
        kind = "missing" if here < there else "duplicated" if there else "extra"
        yield replace(
            blank,
            kind=kind,
            values=dict(zip(rows.names, same.cells, strict=False)),
            period=same.cells[-1],
            times=abs(there - here),
            message=f"{kind}: {there} at the source, {here} in the lake",
        )


def _changed(
    rows: Rows, before: Cells, after: Cells, blank: Finding, types: Mapping[str, tuple[str, str]], known: Known
) -> Iterator[Finding]:
    for name, old, new in zip(rows.names, before, after, strict=False):
        kind = types[name][1]
        if normal(kind, old) != normal(kind, new):
            yield replace(
                blank,
                kind=class_of(name, kind, old, new, known),
                column=name,
                expected=old,
                found=new,
                types=types[name],
                values=dict(zip(rows.names, before, strict=False)),
                period=before[-1],
                message=f"{name} ({' to '.join(types[name])}) is {_said(new)} instead of {_said(old)}",
            )


def _said(value: str | None) -> str:
    return "null" if value is None else repr(value)


def attribution(findings: Sequence[Finding], known: Known) -> str:
    """What the differing rows have in common: dimension values, references, days; empty when they share nothing."""
    rows = {f.key or tuple(f.values.values()): f for f in findings if f.values}
    if len(rows) < 2:
        return ""
    told = []
    changed = {f.column for f in findings}
    for name in sorted((known.dimensions | known.references) - changed):
        values = {f.values[name] for f in rows.values() if name in f.values}
        if len(values) == 1 and all(
            name in f.values for f in rows.values()
        ):  # a column of another table may not be there
            told.append(f"{name} {_said(values.pop())}")
    days = sorted({f.period for f in rows.values() if f.period})
    if days:
        told.append(f"day {days[0]}" if len(days) == 1 else f"days {days[0]} to {days[-1]}")
    return f"all {len(rows)} rows: {', '.join(told)}" if told else ""


def for_kpis(findings: Sequence[Finding], kpis: Mapping[str, frozenset[str]]) -> tuple[Finding, ...]:
    """Findings with the figures that they enter: those that name the changed column, or all of the table where a row is lost or added."""
    return tuple(
        replace(f, kpis=tuple(name for name, columns in kpis.items() if not f.column or f.column in columns))
        for f in findings
    )
