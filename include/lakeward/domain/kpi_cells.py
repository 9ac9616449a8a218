"""One figure over all its cells: rows are read once, gathered into the finest cells, and these put together for every grain and dimension."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakeward.domain.calendar_sql import day_of, period_of_day, period_text
from lakeward.domain.dialect import Dialect
from lakeward.domain.filter_sql import condition, literal
from lakeward.domain.fingerprint import cell_hash, folded, settled_hash, spread, text_hash
from lakeward.domain.kpi_digits import INEXACT, MAX_DIGITS, digits_of, scale_of
from lakeward.domain.kpi_measure import Column, Function, KpiError, Negated, Node, Number, Operation
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.kpi_text import FLOATS, canonical, ordered
from lakeward.domain.spelling import Spelling, spelling
from lakeward.domain.spelling.base import MODULUS, Sets, bounded
from lakeward.domain.tree import (
    Expression,
    Select,
    add,
    call,
    case,
    cast,
    coalesce,
    every,
    grouped,
    is_not_null,
    name,
    named,
    negated,
    number,
    raw,
    select,
    subtract,
    times,
)
from lakeward.spec.models import Grain
from lakeward.spec.scalars import LakeType

_COUNTS = frozenset({Function.COUNT, Function.COUNT_DISTINCT})
_DOUBLE = "DOUBLE"
_SIGNS = {"+": add, "-": subtract, "*": times}


def dimensions_of(r: ResolvedKpi) -> list[str]:
    """What the dimensions are called in figures."""
    return [f"d{n + 1}" for n in range(len(r.spec.dimensions))]


@dataclass(frozen=True, slots=True)
class Cells:
    """A KPI, or a part of a ratio, over rows; ``columns`` are its columns over these."""

    r: ResolvedKpi
    dialect: Dialect
    rows: str
    columns: Mapping[str, Expression]

    @property
    def spelled(self) -> Spelling:
        """How the engine says it."""
        return spelling(self.dialect)

    @property
    def distinct(self) -> bool:
        """Whether values are counted once."""
        return self.r.measure.function is Function.COUNT_DISTINCT

    def figures(self) -> Select:
        """The statement."""
        self._check_room()
        stages = {"base": self._base(), "first": self._first(), "dated": self._dated(), "cells": self._cells()}
        last = "cells"
        if self.distinct:
            stages["counted"], last = self._counted(), "counted"
        found = self._told(last)
        for alias, query in stages.items():
            found = found.with_(alias, as_=query, copy=False)
        return found

    def _base(self) -> Select:
        """The rows: day, dimensions, the measure ``x`` and what the weight is made of, ``w``; each is reckoned once."""
        r = self.r
        given = []
        if r.spec.date:
            given.append(
                named(day_of(self.columns[r.spec.date], r.type_of(r.spec.date), r.calendar, self.dialect), "day")
            )
        for alias, dimension in zip(dimensions_of(r), r.spec.dimensions, strict=True):
            given.append(named(canonical(self.columns[dimension], r.type_of(dimension), self.dialect), alias))
        given += [named(self._argument(), "x"), named(self._key(), "w")]
        filters = [condition(f, self.columns[f.column], r.type_of(f.column), self.dialect) for f in r.filters]
        return self.spelled.fence(select(given, self.rows, every(*filters) if filters else None))

    def _keys(self) -> list[str]:
        return [*(["day"] if self.r.spec.date else []), *dimensions_of(self.r)]

    def _first(self) -> Select:
        """The finest cells, one for each day, all dimensions, and value where these are counted once."""
        keys = [name(key) for key in (*self._keys(), *(["x"] if self.distinct else []))]
        x, function = name("x"), self.r.measure.function
        values = [named(call("count", x), "n"), named(self._weighted(), "f")]
        if function not in _COUNTS:
            summed = self._sum(x) if function in {Function.SUM, Function.AVG} else call(function.value, x)
            values.append(named(summed, "v"))
        return grouped(select([*keys, *values], "base"), keys)

    def _dated(self) -> Select:
        r = self.r
        coarse = [grain for grain in self._grains() if grain is not Grain.DAY]
        periods = [named(period_of_day(g, name("day"), r.calendar, self.dialect), g.value) for g in coarse]
        return select([raw("*"), *periods, named(self._fingerprint(), "h")], "first")

    def _cells(self) -> Select:
        """Every grain and dimension, by one pass over the finest cells."""
        more = ["x"] if self.distinct else []
        values = [named(call("sum", name("n")), "n"), named(call("sum", name("h")), "h")]
        if not self.distinct:
            values = [
                named(self._second(), "value"),
                named(coalesce(call("sum", name("n")), number(0)), "n"),
                named(call("sum", name("h")), "h"),
            ]
        return self.spelled.cells(select([], "dated"), self._sets(), dimensions_of(self.r), values, more)

    def _counted(self) -> Select:
        keys = [name(key) for key in ("grain", "period", "dims", *dimensions_of(self.r))]
        values = [
            named(call("count", name("x")), "value"),
            named(call("sum", name("n")), "n"),
            named(call("sum", name("h")), "h"),
        ]
        return grouped(select([*keys, *values], "cells"), keys)

    def _told(self, of: str) -> Select:
        r = self.r
        shown = [
            name("grain"),
            named(period_text(name("period"), self._grains(), r.calendar, self.dialect), "period"),
            name("dims"),
            *(name(d) for d in dimensions_of(r)),
            named(self._value(), "value"),
            named(cast(name("n"), "BIGINT"), "n"),
            named(cast(name("h"), f"DECIMAL({MAX_DIGITS}, 0)"), "fp"),
        ]
        return select(shown, of)

    # --- of a row ---

    def _argument(self) -> Expression:
        r = self.r
        argument = r.measure.argument
        if argument is None:
            return number(1)
        if r.value_type in {"number", INEXACT}:
            return self._arithmetic(argument)
        column = self.columns[r.measure.columns[0].name]
        if r.measure.function is Function.COUNT:
            return case((is_not_null(column), number(1)))
        return ordered(column, r.value_type, self.dialect)

    def _arithmetic(self, node: Node) -> Expression:
        """Exact numbers; with floats, doubles."""
        scale = scale_of(node, self.r.type_of)
        inexact = self.r.value_type == INEXACT
        match node:
            case Column(column):
                value = self.columns[column]
                return cast(value, _DOUBLE) if inexact else self._exact(value, node, scale)
            case Number(written):
                return cast(literal(written), _DOUBLE) if inexact else self._exact(literal(written), node, scale)
            case Negated(operand):
                return negated(self._arithmetic(operand))
            case Operation(operator, left, right):
                sides = [self._arithmetic(one) for one in (left, right)]
                if self._native:
                    of = [digits_of(one, self.r.type_of) for one in (left, right, node)]
                    sides = self.spelled.with_room(operator, sides, of)
                elif operator != "*" and not inexact:
                    sides = [self.spelled.wide(one, scale) for one in sides]
                return _SIGNS[operator](*sides)

    def _exact(self, value: Expression, node: Column | Number, scale: int) -> Expression:
        if not self._native:
            return self.spelled.wide(value, scale)
        decimal = isinstance(node, Column) and LakeType(self.r.type_of(node.name)).decimal
        digits, _ = digits_of(node, self.r.type_of)
        return value if decimal else cast(value, f"DECIMAL({digits}, {scale})")

    @property
    def _native(self) -> bool:
        """Whether the columns' own decimals, and what the engine makes of them, have room for every digit."""
        argument, room = self.r.measure.argument, self.spelled.room
        if argument is None or self.r.hand or self.r.value_type != "number":
            return False
        digits, scale = digits_of(argument, self.r.type_of)
        return digits <= room[0] and scale <= room[1]

    def _check_room(self) -> None:
        """Refuse what the engine would round or cut off without a word."""
        r, argument = self.r, self.r.measure.argument
        if self.spelled.has_wide or argument is None or r.value_type != "number" or self._native:
            return
        digits, scale = digits_of(argument, r.type_of)
        raise KpiError(
            f"KPI {r.spec.name}: {r.measure.text} may need {digits} digits, {scale} of them after the point; "
            f"{self.dialect.value} has {self.spelled.room[0]} and {self.spelled.room[1]}"
        )

    @property
    def _weight(self) -> Expression:
        """A row's weight, of its ``w``."""
        return spread(name("w"), self.dialect) if self.r.table.key else name("w")

    def _key(self) -> Expression:
        """What stands for the row's key; without one, for all that the KPI reads of it."""
        r = self.r
        names: Sequence[str] = r.table.key
        if not names:
            names = [n for n in r.columns if r.value_type != INEXACT or r.type_of(n) not in FLOATS]
        of = [(self.columns[n], r.type_of(n)) for n in names]
        if not r.table.key:
            return settled_hash(of, self.dialect)
        return folded(of, self.dialect, [r.table.column(n).required for n in r.table.key])

    # --- of cells ---

    def _weighted(self) -> Expression:
        """The sum of weight by measure: unlike the sum, it changes when what one row gains another one loses.

        Of floats only which rows there are, since their values may differ by a tolerance.
        """
        r = self.r
        if not r.table.key or r.measure.argument is None or r.measure.function in _COUNTS or r.value_type == INEXACT:
            return call("sum", case((is_not_null(name("x")), self._weight)))
        if r.scale is None:
            return call("sum", times(self._weight, text_hash(name("x"), r.value_type, self.dialect)))
        digits = MAX_DIGITS if r.hand else digits_of(r.measure.argument, r.type_of)[0]
        return self.spelled.weighed(self._weight, name("x"), digits, r.scale)

    def _fingerprint(self) -> Expression:
        """One of the finest cells, with where it stands."""
        r = self.r
        keys = [canonical(name(k), "date", self.dialect) if k == "day" else name(k) for k in self._keys()]
        if self.distinct and r.measure.argument is not None:
            number_ = r.value_type == "number"
            exact = cast(name("x"), self.spelled.figure(scale_of(r.measure.argument, r.type_of))) if number_ else None
            keys.append(exact or canonical(name("x"), r.value_type, self.dialect))
        rest = cast(bounded(coalesce(name("f"), number(0)), MODULUS), f"DECIMAL({MAX_DIGITS}, 0)")
        return cell_hash(keys, [name("n"), rest], self.dialect)

    def _sum(self, value: Expression) -> Expression:
        return self.spelled.total(value) if self.r.value_type == INEXACT else call("sum", value)

    def _second(self) -> Expression:
        match self.r.measure.function:
            case Function.MIN | Function.MAX as function:
                return call(function.value, name("v"))
            case Function.COUNT:
                return coalesce(call("sum", name("n")), number(0))
            case _:
                return self._sum(name("v"))

    def _value(self) -> Expression:
        r, value = self.r, name("value")
        if r.value_type == INEXACT:
            return cast(value, _DOUBLE)
        if r.scale is None:
            return canonical(value, r.value_type, self.dialect)
        return self.spelled.told(value, r.scale)

    def _grains(self) -> list[Grain]:
        return [g for g in Grain if g in self.r.spec.grains] if self.r.spec.date else []

    def _sets(self) -> Sets:
        return list(self._listed_sets())

    def _listed_sets(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """No dimension, each single one, all of them when there are several; in total, then in each period."""
        names = dimensions_of(self.r)
        for grain in ("total", *(g.value for g in self._grains())):
            for columns in ((), *((one,) for one in names), *([tuple(names)] if len(names) > 1 else [])):
                yield grain, ",".join(columns), columns
