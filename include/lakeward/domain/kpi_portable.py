"""A KPI as one plain SELECT for other eyes than ours: whoever doubts lakeward's figures can reckon them by an engine of their own.

Built as a tree and rendered by sqlglot; what an engine could not reckon exactly is refused by name. One row for each day and dimension values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlglot import ErrorLevel, exp
from sqlglot.expressions import Expression, Select

from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.filter_sql import literal, term
from lakeward.domain.kpi_columns import Reached, Way
from lakeward.domain.kpi_digits import INEXACT
from lakeward.domain.kpi_measure import Column, Function, KpiError, Negated, Node, Number, Operation
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.kpi_text import is_number
from lakeward.spec.models import Filter
from lakeward.spec.scalars import LakeType, Scalar


class Engine(StrEnum):
    """Who is to run it: sources are asked over the source's tables, the others over the lake's."""

    POSTGRES = "postgres"
    MYSQL = "mysql"
    SQLITE = "sqlite"
    DUCKDB = "duckdb"
    SPARK = "spark"

    @property
    def is_source(self) -> bool:
        """Whether the source's tables are meant."""
        return self in {Engine.POSTGRES, Engine.MYSQL, Engine.SQLITE}


Place = Callable[[LakeTable], tuple[str, str]]
"""Namespace and name of a lake table."""
_DIGITS = {Engine.MYSQL: 65, Engine.DUCKDB: 38, Engine.SPARK: 38}
_INTEGERS = {"int": (10, 2**31), "long": (19, 2**63)}
_ROOM = 2**63


@dataclass(frozen=True, slots=True)
class _Exact:
    """An expression with the digits that its type has, those after the point, and the largest integer that it can be."""

    sql: Expression
    digits: int
    scale: int
    most: int


def portable_sql(r: ResolvedKpi, engine: Engine, place: Place) -> str:
    """The SELECT: ``day`` and the dimensions by name, ``value``, ``n``, of a ratio ``per`` and ``per_n``; KpiError when the engine can't."""
    if r.hand:
        raise KpiError(f"KPI {r.spec.name}: its SELECTs are written by hand in the file")
    select = _Query(r, engine, place).tree()
    return select.sql(dialect=engine.value, pretty=True, unsupported_level=ErrorLevel.RAISE)


class _Query:
    def __init__(self, r: ResolvedKpi, engine: Engine, place: Place) -> None:
        self.r, self.engine, self.place = r, engine, place
        self.aliases: dict[Way, str] = {(): "r"}
        for one in r.needed:
            for depth in range(1, len(one.steps) + 1):
                self.aliases.setdefault(one.way[:depth], f"t{len(self.aliases)}")

    def tree(self) -> Select:
        r = self.r
        keys = [exp.alias_(value, name, quoted=True) for name, value in self._keys()]
        values = [exp.alias_(value, name) for name, value in self._values()]
        select = exp.select(*keys, *values).from_(self._table(r.plan, r.table, "r"))
        for condition in [*self._kept(r.plan, "r"), *(self._condition(f, self._filtered(f.column)) for f in r.filters)]:
            select = select.where(condition)
        for one in r.needed:
            for depth in range(1, len(one.steps) + 1):
                select = self._joined(select, one, depth)
        for n in range(1, len(keys) + 1):
            select = select.group_by(exp.Literal.number(n)).order_by(exp.Literal.number(n))
        return select

    def _keys(self) -> Iterator[tuple[str, Expression]]:
        spec = self.r.spec
        if spec.date:
            yield "day", self._day(spec.date)
        for name in spec.dimensions:
            yield name, self._column(name)

    def _values(self) -> Iterator[tuple[str, Expression]]:
        names = (("value", "n"), ("per", "per_n"))
        for (value, n), part in zip(names, self.r.parts or (self.r,), strict=False):
            yield value, self._aggregate(part)
            yield n, exp.Count(this=self._argument(part))

    def _aggregate(self, part: ResolvedKpi) -> Expression:
        argument = self._argument(part)
        match part.measure.function:
            case Function.COUNT:
                return exp.Count(this=argument)
            case Function.COUNT_DISTINCT:
                return exp.Count(this=exp.Distinct(expressions=[argument]))
            case Function.MIN:
                return exp.Min(this=argument)
            case Function.MAX:
                return exp.Max(this=argument)
            case _:
                return exp.Sum(this=argument)

    def _argument(self, part: ResolvedKpi) -> Expression:
        argument = part.measure.argument
        if argument is None:
            return exp.Star()
        if part.value_type == INEXACT:
            return self._float(argument)
        return self._number(argument).sql if part.value_type == "number" else self._column(part.measure.columns[0].name)

    def _float(self, node: Node) -> Expression:
        match node:
            case Column(name):
                return exp.cast(self._column(name), "DOUBLE")
            case Number(value):
                return exp.cast(self._literal(value), "DOUBLE")
            case Negated(operand):
                return exp.Neg(this=exp.paren(self._float(operand)))
            case Operation(operator, left, right):
                return self._operation(operator, self._float(left), self._float(right))

    def _number(self, node: Node) -> _Exact:
        """Exact arithmetic, or KpiError where the engine would round or overflow without a word."""
        match node:
            case Column(name):
                return self._read(name)
            case Number(value):
                scale = node.scale
                most = int(value.scaleb(scale))
                return self._fits(_Exact(self._literal(value), max(len(str(most)), scale), scale, most))
            case Negated(operand):
                inner = self._number(operand)
                return _Exact(exp.Neg(this=exp.paren(inner.sql)), inner.digits, inner.scale, inner.most)
            case Operation(operator, left, right):
                a, b = self._number(left), self._number(right)
                sql = self._operation(operator, a.sql, b.sql)
                if operator == "*":
                    return self._fits(_Exact(sql, a.digits + b.digits + 1, a.scale + b.scale, a.most * b.most))
                scale = max(a.scale, b.scale)
                digits = max(a.digits - a.scale, b.digits - b.scale) + scale + 1
                most = a.most * 10 ** (scale - a.scale) + b.most * 10 ** (scale - b.scale)
                return self._fits(_Exact(sql, digits, scale, most))

    def _operation(self, operator: str, left: Expression, right: Expression) -> Expression:
        kind = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul}[operator]
        return exp.paren(kind(this=left, expression=right))

    def _read(self, name: str) -> _Exact:
        kind, column = self.r.type_of(name), self._column(name)
        digits, most = _INTEGERS.get(kind, (0, 0))
        scale = 0
        if decimal := LakeType(kind).decimal:
            digits, scale, most = *decimal, 10 ** decimal[0]
        elif self.engine is Engine.POSTGRES:
            column = exp.cast(column, "DECIMAL")  # numeric without bounds: integers would overflow
        elif self.engine is not Engine.SQLITE:
            column = exp.cast(column, f"DECIMAL({digits}, 0)")
        return self._fits(_Exact(column, digits, scale, most))

    def _fits(self, number: _Exact) -> _Exact:
        room = _DIGITS.get(self.engine)
        if room is not None and (number.digits > room or (self.engine is Engine.MYSQL and number.scale > 30)):
            raise self._refused(f"{self.r.spec.measure} may need {number.digits} digits, {self.engine} has {room}")
        if self.engine is Engine.SQLITE and (number.scale or number.most > _ROOM):
            what = (
                "has decimals, which SQLite holds as floats"
                if number.scale
                else "may leave the 64 bits that SQLite has"
            )
            raise self._refused(f"{self.r.spec.measure} {what}; keep money there as whole cents, or ask another engine")
        return number

    def _day(self, name: str) -> Expression:
        kind, column = self.r.type_of(name), self._column(name)
        if kind == "timestamptz":
            zone = exp.Literal.string(str(self.r.calendar.time_zone))
            if self.engine is Engine.SQLITE:
                raise self._refused(f"{name} is an instant, and SQLite knows no time zones")
            if self.engine is Engine.MYSQL:
                column = exp.Anonymous(this="CONVERT_TZ", expressions=[column, exp.Literal.string("+00:00"), zone])
            else:
                column = exp.AtTimeZone(this=column, zone=zone)
        return column if kind == "date" else exp.cast(column, "DATE")

    def _column(self, name: str) -> Expression:
        one = self.r.reached[name]
        return self._named(one, self.aliases[one.way])

    def _filtered(self, name: str) -> Expression:
        if self.engine is Engine.SQLITE and is_number(self.r.type_of(name)):
            self._read(name)  # refused where it holds numbers as floats
        return self._column(name)

    def _named(self, one: Reached, alias: str) -> Expression:
        """A column as its table has it; KpiError where the source has it inside a document, or masked."""
        if not self.engine.is_source:
            return exp.column(one.column.name, table=alias, quoted=True)
        landed = next(c for c in one.plan.columns if c.source == one.column.source)
        if one.table.kind != "main" or one.column.path or landed.mask:
            where = "masked on the way" if landed.mask else "inside a document at the source"
            raise self._refused(f"{one.name} is {where}; ask the lake, by {Engine.DUCKDB} or {Engine.SPARK}")
        return exp.column(landed.column, table=alias, quoted=True)

    def _table(self, plan: TablePlan, table: LakeTable, alias: str) -> Expression:
        if self.engine.is_source and table.kind != "main":
            raise self._refused(
                f"{table.name} is inside documents at the source; ask the lake, by {Engine.DUCKDB} or {Engine.SPARK}"
            )
        schema, name = (plan.schema, plan.table) if self.engine.is_source else self.place(table)
        db = None if self.engine is Engine.SQLITE else schema
        return exp.table_(name, db=db, quoted=True, alias=alias)

    def _joined(self, select: Select, one: Reached, depth: int) -> Select:
        """The join of a way's last step, once."""
        way, step = one.way[:depth], one.steps[depth - 1]
        alias = self.aliases[way]
        if any(join.alias_or_name == alias for join in select.args.get("joins") or ()):
            return select
        on = [
            exp.EQ(
                this=self._named(one.beside(depth - 1, a), self.aliases[way[:-1]]),
                expression=self._named(one.beside(depth, b), alias),
            )
            for a, b in zip(step.reference.columns, step.reference.to_columns, strict=True)
        ]
        every = exp.and_(*on, *self._kept(step.plan, alias))
        return select.join(self._table(step.plan, step.table, alias), on=every, join_type="left")

    def _kept(self, plan: TablePlan, alias: str) -> Iterator[Expression]:
        """The rows of a source's table that are migrated."""
        if self.engine.is_source:
            for one in plan.filter:
                yield self._condition(one, exp.column(one.column, table=alias, quoted=True))

    def _condition(self, one: Filter, column: Expression) -> Expression:
        return term(one, column, self._literal)

    def _literal(self, value: Scalar) -> Expression:
        if isinstance(value, datetime):
            told = value.astimezone(UTC) if value.tzinfo else value
            zoned = bool(value.tzinfo) and self.engine is not Engine.MYSQL
            word = exp.Literal.string(told.replace(tzinfo=None).isoformat(sep=" ") + ("+00:00" if zoned else ""))
            return word if self.engine is Engine.SQLITE else exp.cast(word, "TIMESTAMPTZ" if zoned else "TIMESTAMP")
        return literal(value)

    def _refused(self, what: str) -> KpiError:
        return KpiError(f"KPI {self.r.spec.name}: {what}")
