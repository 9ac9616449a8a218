"""Figures of a KPI as one SQL statement over given rows, built as a tree; engines differ by their ``spelling`` alone.

Columns: ``grain`` (day, week, month, fiscal ones, total), ``period`` (first day as text; null: rows without a date, and for the total),
``dims`` (which dimensions the cell is over: nothing, ``d1``, ``d1,d2``), ``d1``.. (canonical text), ``value``, ``n`` (rows that enter),
of a ratio also ``per``, ``per_n`` (its denominator, where ``value`` is the numerator), ``fp`` (fingerprint of the keys and measures of
these rows, and of the days and dimension values that they stand at).
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from lakeward.domain.dialect import Dialect
from lakeward.domain.kpi_cells import Cells, dimensions_of
from lakeward.domain.kpi_digits import INEXACT, MAX_DIGITS
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.spelling import Spelling, spelling
from lakeward.domain.tree import (
    Expression,
    Select,
    call,
    cast,
    coalesce,
    grouped,
    name,
    named,
    nested,
    null,
    number,
    raw,
    select,
)

_VALUES = (("value", "n"), ("per", "per_n"))


def figures_sql(r: ResolvedKpi, dialect: Dialect, rows: str, columns: Mapping[str, str]) -> str:
    """The figures over ``rows`` (a FROM item); ``columns`` maps each of ``r.needed`` to its SQL. KpiError when the engine would round."""
    given = {column: raw(sql) for column, sql in columns.items()}
    spelled = spelling(dialect)
    parts = [Cells(part, dialect, rows, given).figures() for part in r.parts or (r,)]
    return spelled.sql(_beside(r, spelled, parts) if r.parts else parts[0])


def _beside(r: ResolvedKpi, spelled: Spelling, parts: list[Select]) -> Select:
    """Both figures of a ratio, cell by cell."""
    keys = [name(key) for key in figure_keys(r)]
    found: list[Expression] = []
    for n, part in enumerate(parts):
        pairs = [
            (name("value"), name("n")) if of == n else (_number(null(), other, spelled), cast(null(), "BIGINT"))
            for of, other in enumerate(r.parts)
        ]
        values = [
            named(v, alias)
            for pair, words in zip(pairs, _VALUES, strict=True)
            for v, alias in zip(pair, words, strict=True)
        ]
        found.append(select([*keys, *values, name("fp")], nested(part, f"part{n}")))
    values = []
    for side, (value, n_rows) in zip(r.parts, _VALUES, strict=True):
        values.append(named(_number(call("max", name(value)), side, spelled), value))
        values.append(named(coalesce(call("max", name(n_rows)), number(0)), n_rows))
    values.append(named(cast(call("sum", name("fp")), f"DECIMAL({MAX_DIGITS}, 0)"), "fp"))
    both = exp.union(*found, distinct=False, copy=False)
    return grouped(select([*keys, *values], nested(both, "parts")), keys)


def _number(value: Expression, part: ResolvedKpi, spelled: Spelling) -> Expression:
    """A value as the SQL type of a figure's number."""
    return cast(value, "DOUBLE" if part.value_type == INEXACT else spelled.figure(part.scale or 0))


def figure_columns(r: ResolvedKpi) -> tuple[tuple[str, str], ...]:
    """Name and lake type of each column of the figures, in order."""
    keys = tuple((key, "string") for key in figure_keys(r))
    values = [
        pair
        for (value, n), part in zip(_VALUES, r.parts or (r,), strict=False)
        for pair in ((value, value_kind(part)), (n, "long"))
    ]
    return (*keys, *values, ("fp", f"decimal({MAX_DIGITS},0)"))


def figure_keys(r: ResolvedKpi) -> tuple[str, ...]:
    """The columns that say which cell a figure is of."""
    return ("grain", "period", "dims", *dimensions_of(r))


def value_kind(r: ResolvedKpi) -> str:
    """The lake type of a figure's value."""
    if r.value_type == INEXACT:
        return "double"
    return "string" if r.scale is None else f"decimal({MAX_DIGITS},{r.scale})"
