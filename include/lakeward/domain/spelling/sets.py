"""One pass over rows for many groupings: by GROUPING SETS, or by a list of the sets that each row is put beside."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from lakeward.domain.spelling.base import Sets
from lakeward.domain.tree import (
    Expression,
    Select,
    call,
    case,
    cast,
    coalesce,
    equal,
    name,
    named,
    nested,
    null,
    number,
    word,
)


def grains_of(sets: Sets) -> list[str]:
    """The grains that have periods, in order."""
    return list(dict.fromkeys(grain for grain, _, _ in sets if grain != "total"))


def by_grouping_sets(
    query: Select, sets: Sets, dimensions: Sequence[str], values: Sequence[Expression], more: Sequence[str]
) -> Select:
    """Grain and dimensions are told by GROUPING: a null of the data is not a null of the grouping."""
    grains = grains_of(sets)
    grain: Expression = word("total")
    period: Expression = cast(null(), "DATE")
    if grains:
        whens = [(equal(call("GROUPING", name(g)), number(0)), word(g)) for g in grains]
        grain = case(*whens, other=word("total"))
        period = coalesce(*(name(g) for g in grains)) if len(grains) > 1 else name(grains[0])
    dims: Expression = word("")
    if dimensions:
        full = 2 ** len(dimensions) - 1
        masks = {full & ~_mask(columns, dimensions): told for _, told, columns in sets}
        whens = [(number(mask), word(told)) for mask, told in masks.items()]
        dims = case(*whens, of=call("GROUPING", *(name(d) for d in dimensions)))
    marks = [named(grain, "grain"), named(period, "period"), named(dims, "dims")]
    query = query.select(*marks, *(name(n) for n in (*dimensions, *more)), *values, append=False, copy=False)
    listed = [
        exp.Tuple(expressions=[name(n) for n in (*([g] if g != "total" else []), *columns, *more)])
        for g, _, columns in sets
    ]
    query.set("group", exp.Group(grouping_sets=[exp.GroupingSets(expressions=listed)]))
    return query


def _mask(columns: Sequence[str], dimensions: Sequence[str]) -> int:
    return sum(1 << (len(dimensions) - 1 - dimensions.index(c)) for c in columns)


def by_listed_sets(
    query: Select, sets: Sets, dimensions: Sequence[str], values: Sequence[Expression], more: Sequence[str]
) -> Select:
    """For engines without GROUPING SETS. Every row of the query stands beside every set, and shows that set's columns only."""
    rows = []
    for grain, told, columns in sets:
        shown = [named(number(1 if d in columns else 0), f"is_{d}") for d in dimensions]
        rows.append(exp.select(named(word(grain), "grain"), named(word(told), "dims"), *shown, copy=False))
    beside = nested(exp.union(*rows, distinct=False, copy=False) if len(rows) > 1 else rows[0], "sets")
    grains = grains_of(sets)
    whens = [(word(g), name(g)) for g in grains]
    period = case(*whens, of=name("grain", table="sets")) if grains else cast(null(), "DATE")
    dims = [case((equal(name(f"is_{d}", table="sets"), number(1)), name(d))) for d in dimensions]
    marks = [
        named(name("grain", table="sets"), "grain"),
        named(period, "period"),
        named(name("dims", table="sets"), "dims"),
        *(named(value, d) for value, d in zip(dims, dimensions, strict=True)),
        *(name(n) for n in more),
    ]
    query = query.select(*marks, *values, append=False, copy=False).join(beside, join_type="cross", copy=False)
    return query.group_by(*(number(n + 1) for n in range(len(marks))), copy=False)
