"""SQL as sqlglot's trees: the few kinds of nodes that measured queries are made of, and their rendering for a dialect.

Functions of an engine are called by their own names (``call``): sqlglot would translate names that it knows, with a meaning of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

from sqlglot import exp
from sqlglot.expressions import Expression, Select

__all__ = ["Expression", "Select"]

_BIND = (exp.Binary, exp.Unary, exp.In, exp.Between)


def raw(sql: str) -> Expression:
    """A leaf: SQL of the same dialect that was compiled elsewhere, a column by its name mostly."""
    return exp.Var(this=sql)


def name(word: str, *, table: str = "") -> Expression:
    """A column by its name."""
    return exp.column(word, table=table or None, quoted=True)


def table(name: str, *, schema: str = "") -> Expression:
    """A table by its name."""
    return exp.table_(name, db=schema or None, quoted=True)


def word(value: str) -> Expression:
    """A text."""
    if "\x00" in value:
        raise ValueError("a text value holds a NUL character, which no database accepts")
    return exp.Literal.string(value)


def number(value: object) -> Expression:
    """A number that is not negative, as it is written."""
    return exp.Literal(this=str(value), is_string=False)


def null() -> Expression:
    """No value."""
    return exp.Null()


def own(node: Expression) -> Expression:
    """A node that may be put into another one: a copy, where it stands in one already."""
    return node.copy() if node.parent is not None else node


def side(node: Expression) -> Expression:
    """An operand, in brackets where it needs them."""
    return exp.Paren(this=own(node)) if isinstance(node, _BIND) else own(node)


def add(left: Expression, right: Expression) -> Expression:
    """``left + right``."""
    return exp.Add(this=side(left), expression=side(right))


def subtract(left: Expression, right: Expression) -> Expression:
    """``left - right``."""
    return exp.Sub(this=side(left), expression=side(right))


def times(left: Expression, right: Expression) -> Expression:
    """``left * right``."""
    return exp.Mul(this=side(left), expression=side(right))


def modulo(left: Expression, right: object) -> Expression:
    """``left % right``."""
    return exp.Mod(this=side(left), expression=number(right))


def negated(node: Expression) -> Expression:
    """``- node``, in brackets."""
    return exp.Paren(this=exp.Neg(this=side(node)))


def compare(kind: type[Expression], left: Expression, right: Expression) -> Expression:
    """``left kind right``, as of ``exp.EQ``."""
    return kind(this=side(left), expression=side(right))


def equal(left: Expression, right: Expression) -> Expression:
    """``left = right``."""
    return compare(exp.EQ, left, right)


def is_null(node: Expression) -> Expression:
    """``node IS NULL``."""
    return exp.Is(this=side(node), expression=exp.Null())


def is_not_null(node: Expression) -> Expression:
    """``NOT node IS NULL``."""
    return exp.Not(this=is_null(node))


def every(*terms: Expression) -> Expression:
    """``a AND b``; at least one."""
    return reduce(lambda a, b: exp.And(this=side(a), expression=side(b)), terms)


def some(*terms: Expression) -> Expression:
    """``a OR b``; at least one."""
    return reduce(lambda a, b: exp.Or(this=side(a), expression=side(b)), terms)


def one_of(node: Expression, values: Iterable[Expression]) -> Expression:
    """``node IN (values)``."""
    return exp.In(this=side(node), expressions=[own(v) for v in values])


def call(function: str, *arguments: Expression) -> Expression:
    """A function of the engine, by its own name."""
    return exp.Anonymous(this=function, expressions=[own(a) for a in arguments])


def coalesce(*values: Expression) -> Expression:
    """The first that is not null."""
    return exp.Coalesce(this=own(values[0]), expressions=[own(v) for v in values[1:]])


def kind_of(kind: str) -> exp.DataType:
    """A type by the engine's own name, or one of those that sqlglot calls by another name in each dialect."""
    portable = kind in {"BIGINT", "INT", "TEXT", "DATE", "DOUBLE"} or kind.startswith("DECIMAL")
    return exp.DataType.build(kind) if portable else exp.DataType(this=exp.DType.USERDEFINED, kind=kind)


def cast(node: Expression, kind: str) -> Expression:
    """``CAST(node AS kind)``."""
    return exp.Cast(this=own(node), to=kind_of(kind))


def case(
    *whens: tuple[Expression, Expression], of: Expression | None = None, other: Expression | None = None
) -> exp.Case:
    """``CASE [of] WHEN ... THEN ... ELSE other END``."""
    ifs = [exp.If(this=own(when), true=own(then)) for when, then in whens]
    return exp.Case(this=own(of) if of else None, ifs=ifs, default=own(other) if other else None)


def named(node: Expression, alias: str) -> Expression:
    """``node AS "alias"``."""
    return exp.Alias(this=own(node), alias=exp.to_identifier(alias, quoted=True))


def select(items: Sequence[Expression], rows: str | Expression, where: Expression | None = None) -> Select:
    """``SELECT items FROM rows WHERE where``."""
    found = exp.select(*items, copy=False).from_(raw(rows) if isinstance(rows, str) else rows, copy=False)
    return found.where(own(where), copy=False) if where is not None else found


def grouped(query: Select, keys: Sequence[Expression]) -> Select:
    """The query grouped by some columns; by none it stays as it is."""
    return query.group_by(*(own(key) for key in keys), copy=False) if keys else query


def nested(query: Expression, alias: str) -> Expression:
    """``(query) AS alias``."""
    return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(alias)))


def row(values: Iterable[Expression]) -> Expression:
    """``(a, b)``."""
    return exp.Tuple(expressions=[own(v) for v in values])
