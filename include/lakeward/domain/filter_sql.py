"""Filters and values that people write as nodes of SQL's trees."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlglot import exp

from lakeward.domain.dialect import Dialect
from lakeward.domain.kpi_text import canonical, ordered
from lakeward.domain.tree import Expression, cast, compare, is_not_null, is_null, one_of, word
from lakeward.spec.models import Filter, FilterOp
from lakeward.spec.scalars import Scalar

_COMPARED: dict[FilterOp, type[Expression]] = {
    FilterOp.EQ: exp.EQ,
    FilterOp.NE: exp.NEQ,
    FilterOp.LT: exp.LT,
    FilterOp.LE: exp.LTE,
    FilterOp.GT: exp.GT,
    FilterOp.GE: exp.GTE,
}


def condition(one: Filter, column: Expression, lake_type: str, dialect: Dialect) -> Expression:
    """What a filter of a KPI asks of a column; texts are compared by their bytes, times by their texts."""
    if lake_type != "boolean":
        column = (canonical if lake_type == "time" else ordered)(column, lake_type, dialect)
    return term(one, column, lambda value: literal(value, zoned=dialect is not Dialect.MARIADB))


def term(one: Filter, column: Expression, value_of: Callable[[Scalar], Expression]) -> Expression:
    """A filter over a column."""
    if one.op in {FilterOp.IS_NULL, FilterOp.NOT_NULL}:
        return is_null(column) if one.op is FilterOp.IS_NULL else is_not_null(column)
    listed = one.value if isinstance(one.value, tuple) else (one.value,)
    values = [value_of(value) for value in listed if value is not None]
    if one.op in {FilterOp.IN, FilterOp.NOT_IN}:
        found = one_of(column, values)
        return exp.Not(this=found) if one.op is FilterOp.NOT_IN else found
    if len(values) != 1:
        raise ValueError(f"the filter on {one.column!r} with {one.op.value!r} needs one value")
    return compare(_COMPARED[one.op], column, values[0])


def literal(value: Scalar, *, zoned: bool = True) -> Expression:
    """A value; decimals keep every digit, instants their offset, or without ``zoned`` are told by UTC's clock."""
    match value:
        case bool():
            return exp.true() if value else exp.false()
        case int() | Decimal():
            return _number(value)
        case datetime():
            if not zoned:
                value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
                return cast(word(value.isoformat(sep=" ")), "DATETIME(6)")
            return cast(word(value.isoformat(sep=" ")), "TIMESTAMPTZ" if value.tzinfo else "TIMESTAMP")
        case date():
            return cast(word(value.isoformat()), "DATE")
        case str():
            return word(value)


def _number(value: int | Decimal) -> Expression:
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"{value} is no number that a filter can compare with")
    return exp.Literal.number(f"{value:f}" if isinstance(value, Decimal) else str(value))
