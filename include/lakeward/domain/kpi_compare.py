"""Two tables of figures put beside each other, cell by cell, in DuckDB's SQL; nothing is averaged, rounded or looped over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

from lakeward.domain.amount import Amount
from lakeward.domain.calendar import COARSE_TO_FINE
from lakeward.domain.closing import open_sql
from lakeward.domain.evidence import Finding
from lakeward.domain.kpi_digits import INEXACT, MAX_DIGITS
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.kpi_sql import figure_columns, figure_keys
from lakeward.domain.sql import text
from lakeward.spec.models import Grain, KpiSpec

EXPECTED, FOUND = "expected", "found"
"""Names of the two inputs: figures of the side that is trusted, and of the side that is checked."""

Opened = Mapping[str, str]
"""Grain to the first day of its first period that is open (`domain/closing.py`)."""
NOTHING: Opened = {}

_GRAINS = ("total", *(grain.value for grain in COARSE_TO_FINE))


def totals_sql(r: ResolvedKpi, since: date | None = None, opened: Opened = NOTHING) -> str:
    """One row: ``checked`` cells that decide, how many of them ``failed``, and in how many of these the figure itself is equal
    (``hidden``); how many cells are ``open``, and how many of them differ (``open_failed``)."""
    return (
        f"{_cells(r, since, opened)} SELECT count(*) FILTER (WHERE NOT open) AS checked, "
        "count(*) FILTER (WHERE differs AND NOT open) AS failed, "
        "count(*) FILTER (WHERE differs AND NOT apart AND NOT open) AS hidden, "
        "count(*) FILTER (WHERE open) AS open, count(*) FILTER (WHERE differs AND open) AS open_failed FROM cells"
    )


def differences_sql(r: ResolvedKpi, since: date | None = None, opened: Opened = NOTHING) -> str:
    """The cells that differ, those that decide first, coarse to fine, largest difference first; text forms beside the exact values.

    Columns: grain, period, dims, d1.., expected, found, expected_n, found_n (of a ratio also expected_per and so on), expected_fp,
    found_fp, difference (null: not to be had), open.
    """
    keys, sides = ", ".join(figure_keys(r)), ", ".join(name for name, _ in _sides(r))
    grain = " ".join(f"WHEN {text(g)} THEN {n}" for n, g in enumerate(_GRAINS))
    depth = "CASE WHEN dims = '' THEN 0 WHEN contains(dims, ',') THEN 2 ELSE 1 END"
    # A difference may have a digit more than DECIMAL holds: then there is none, and such cells come first.
    told = r.scale is not None or r.value_type == INEXACT
    difference = "try(coalesce(found, 0) - coalesce(expected, 0))" if told else "CAST(NULL AS DECIMAL(38, 0))"
    return (
        f"{_cells(r, since, opened)} SELECT {keys}, {sides}, {difference} AS difference, open FROM cells WHERE differs "
        f"ORDER BY open, CASE grain {grain} END, {depth}, abs(difference) DESC NULLS FIRST, abs(coalesce(found_n, 0) - coalesce(expected_n, 0)) DESC, {keys}"
    )


def _values(r: ResolvedKpi) -> tuple[tuple[str, str], ...]:
    """What two cells are compared by: name and lake type of value, rows and fingerprint."""
    return figure_columns(r)[len(figure_keys(r)) :]


def _sides(r: ResolvedKpi) -> Iterator[tuple[str, str]]:
    """Name and lake type of each value of both sides: ``expected``, ``found``, ``expected_n``, ..."""
    for name, kind in _values(r):
        for side in (EXPECTED, FOUND):
            yield (side if name == "value" else f"{side}_{name}"), kind


def _cells(r: ResolvedKpi, since: date | None, opened: Opened) -> str:
    keys = figure_keys(r)
    both = ", ".join(f"coalesce(e.{k}, f.{k}) AS {k}" for k in keys)
    same = " AND ".join(f"e.{k} IS NOT DISTINCT FROM f.{k}" for k in keys)
    kept = f" WHERE period >= {text(since.isoformat())}" if since else ""
    of = {EXPECTED: "e", FOUND: "f"}
    pairs = [(name, *(side if name == "value" else f"{side}_{name}" for side in of)) for name, _ in _values(r)]
    sides = ", ".join(f"e.{name} AS {left}, f.{name} AS {right}" for name, left, right in pairs)
    kinds = dict(_values(r))
    apart = " OR ".join(_apart(r.spec, left, right, kinds[name]) for name, left, right in pairs if name != "fp")
    return (
        f"WITH joined AS (SELECT {both}, {sides} FROM {EXPECTED} e FULL OUTER JOIN {FOUND} f ON {same}), "
        f"told AS (SELECT *, {apart} AS apart, {open_sql('grain', 'period', opened)} AS running FROM joined{kept}), "
        f"cells AS (SELECT *, apart OR expected_fp IS DISTINCT FROM found_fp AS differs, {_open(opened)} AS open FROM told)"
    )


def _apart(spec: KpiSpec, left: str, right: str, kind: str) -> str:
    """Whether two values differ; floats may, by the declared tolerance."""
    if kind != "double" or spec.tolerance is None:
        return f"{left} IS DISTINCT FROM {right}"
    absolute, relative = spec.tolerance.absolute, spec.tolerance.relative
    bound = f"{_double(relative)} * greatest(abs({left}), abs({right}))" if absolute is None else _double(absolute)
    near = f"isfinite({left}) AND isfinite({right}) AND abs({right} - {left}) <= {bound}"
    return f"NOT coalesce({left} IS NOT DISTINCT FROM {right} OR ({near}), false)"


def _double(number: Decimal | None) -> str:
    return f"CAST({text(str(number or 0))} AS DOUBLE)"


def _open(opened: Opened) -> str:
    """A total is open while there are rows in open periods; the others of its rows are in cells of their own."""
    return "running OR (grain = 'total' AND (SELECT bool_or(running) FROM told))" if opened else "false"


def difference_columns(r: ResolvedKpi) -> tuple[tuple[str, str], ...]:
    """Name and lake type of each column of ``differences_sql``."""
    keys = figure_columns(r)[: len(figure_keys(r))]
    difference = "double" if r.value_type == INEXACT else f"decimal({MAX_DIGITS},{r.scale or 0})"
    return (*keys, *_sides(r), ("difference", difference), ("open", "boolean"))


def finest_sql(r: ResolvedKpi, limit: int) -> str:
    """Of stored differences, by the name ``differences``, those that decide of the shortest period over most dimensions, largest first."""
    fine = " ".join(f"WHEN {text(g)} THEN {n}" for n, g in enumerate(_GRAINS))
    depth = f"(CASE grain {fine} END, length(dims))"
    return (
        f"SELECT * FROM differences WHERE NOT open QUALIFY {depth} = max({depth}) OVER () "
        f"ORDER BY abs(difference) DESC NULLS FIRST, {', '.join(figure_keys(r))} LIMIT {limit}"
    )


def deciding_sql(r: ResolvedKpi, limit: int) -> str:
    """Of stored differences, those that decide over most dimensions, of all periods that are not made of shorter ones: the others follow from them.

    Of figures with a tolerance none follows: what each day may be off adds up.
    """
    grains = ", ".join(text(grain) for grain in _unmade(r))
    finest = f" AND grain IN ({grains}) QUALIFY length(dims) = max(length(dims)) OVER ()"
    inexact = any(part.value_type == INEXACT for part in r.parts or (r,))
    return (
        f"SELECT * FROM differences WHERE NOT open{'' if inexact else finest} "
        f"ORDER BY abs(difference) DESC NULLS FIRST, {', '.join(figure_keys(r))} LIMIT {limit}"
    )


def _unmade(r: ResolvedKpi) -> tuple[str, ...]:
    """The grains of which none is made of others: days; without them weeks, months and the shortest fiscal periods."""
    if not r.spec.date:
        return ("total",)
    if Grain.DAY in r.spec.grains:
        return (Grain.DAY.value,)
    fiscal = [grain for grain in reversed(COARSE_TO_FINE) if grain.fiscal and grain in r.spec.grains]
    return tuple(grain.value for grain in (Grain.WEEK, Grain.MONTH, *fiscal[:1]) if grain in r.spec.grains)


def same_cells_sql(r: ResolvedKpi) -> str:
    """Of the differences ``now``, in their order, the cells that are among those ``before``."""
    same = " AND ".join(f"b.{k} IS NOT DISTINCT FROM n.{k}" for k in figure_keys(r))
    return f"SELECT n.* FROM now n SEMI JOIN before b ON {same}"


def finding(spec: KpiSpec, leg: str, cell: Mapping[str, object]) -> Finding:
    """A differing cell, as a row of ``differences_sql`` gives it."""
    over = [d for d in str(cell["dims"]).split(",") if d]
    dimensions = {spec.dimensions[int(d[1:]) - 1]: _word(cell[d]) for d in over}
    kind, what = _kind(cell)
    return Finding(
        subject=spec.name,
        leg=leg,
        kind=kind,
        table=spec.table,
        grain=str(cell["grain"]),
        period=_word(cell["period"]),
        dimensions=dimensions,
        expected=_figure(cell, EXPECTED),
        found=_figure(cell, FOUND),
        message=f"{what}; the period is open" if cell["open"] else what,
        open=bool(cell["open"]),
    )


def _kind(cell: Mapping[str, object]) -> tuple[str, str]:
    if all(cell.get(EXPECTED + of) == cell.get(FOUND + of) for of in ("", "_n", "_per", "_per_n")):
        return (
            "offsetting",
            f"{_side(cell, EXPECTED)} on both sides, but of other rows: a plain sum would have missed it",
        )
    kinds = [kind for side, kind in (("expected", "extra"), ("found", "missing")) if cell[f"{side}_n"] is None]
    said = f"{_side(cell, EXPECTED)} against {_side(cell, FOUND)}{_off(cell)}"
    return (f"{kinds[0]}_period" if kinds else "figure"), said


def _word(value: object) -> str | None:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return None if value is None else str(value)


def _side(cell: Mapping[str, object], side: str) -> str:
    rows = cell[f"{side}_n"]
    if rows is None:
        return "no such cell"
    value = _figure(cell, side)
    if f"{side}_per" in cell:
        amount = Amount(cell[side], 0, cell[f"{side}_per"], 0)
        quotient = "no quotient" if amount.number is None else f"{amount.number.normalize():f}"
        return f"{value} = {quotient} over {rows} and {cell[f'{side}_per_n']} rows"
    return f"{'no value' if value is None else value} over {rows} {'row' if rows == 1 else 'rows'}"


def _figure(cell: Mapping[str, object], side: str) -> str | None:
    """The exact figure as text; of a ratio both its parts."""
    value, per = _word(cell[side]), f"{side}_per"
    if per not in cell or cell[f"{side}_n"] is None:
        return value
    return " / ".join("no value" if word is None else word for word in (value, _word(cell[per])))


def _off(cell: Mapping[str, object]) -> str:
    difference = cell["difference"]
    if not difference or "expected_per" in cell:
        return ""
    return f", off by {difference:+f}" if isinstance(difference, Decimal) else f", off by {difference:+}"
