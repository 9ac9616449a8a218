"""Numbers of rows, the same from every engine: their sums, in any order, tell whether two sides hold the same rows.

A row's *hash* is 60 bits of the md5 of all its columns' texts. A key's *number* is mixed from its columns by a few integer
operations: cheap enough to weigh every measure with it, and to put rows into buckets.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from lakeward.domain.dialect import Dialect
from lakeward.domain.kpi_text import FLOATS, canonical, has_text
from lakeward.domain.spelling import Spelling, spelling
from lakeward.domain.spelling.base import bounded
from lakeward.domain.tree import Expression, add, call, cast, coalesce, modulo, number, side, times, word

BUCKETS = 1024
"""Rows are put into so many buckets by the first digit of their number, and each bucket into so many by the next."""

_PRIME, _FOLD, _MIX = 2147483629, 1103515245, 1640531527  # below 2^31: products of two stay in a bigint
_BETWEEN, _NULL = 31, 30
_HASH, _PART = 15, 7
"""Hexadecimal digits."""
_ARGUMENTS = 90
"""Of one call; PostgreSQL takes 100."""
_INTEGERS = frozenset({"int", "long"})
Column = tuple[Expression, str]
"""A typed value, and its lake type."""


def row_hash(columns: Sequence[Column], dialect: Dialect, required: Sequence[bool] = ()) -> Expression:
    """60 bits of a row. Sessions must be pinned, as ours are.

    :param required: which columns are never null; all others cost a test.
    """
    spelled = spelling(dialect)
    never_null = [*required, *[False] * (len(columns) - len(required))]
    return spelled.hashed(_row([_compact(*c, spelled) for c in columns], never_null, spelled), _HASH)


def settled_hash(columns: Sequence[Column], dialect: Dialect) -> Expression:
    """As ``row_hash``, slower, whatever the session's settings are."""
    return spelling(dialect).hashed(
        _row([_settled(*c, dialect) for c in columns], [False] * len(columns), spelling(dialect)), _HASH
    )


def text_hash(value: Expression, lake_type: str, dialect: Dialect) -> Expression:
    """28 bits of a value by its canonical text."""
    return spelling(dialect).hashed(canonical(value, lake_type, dialect), _PART)


def cell_hash(keys: Sequence[Expression], rest: Sequence[Expression], dialect: Dialect) -> Expression:
    """60 bits of a cell of figures: where it stands, by texts of which each may be null, and what it holds."""
    spelled = spelling(dialect)
    between, none = (spelled.character(code) for code in (_BETWEEN, _NULL))
    marked = [
        part for key in keys for part in (key, exp.Case(ifs=[exp.If(this=_null(key), true=none.copy())]), between)
    ]
    parts = [*marked, *(part for one in rest for part in (one, between))]
    return spelled.hashed(call("concat_ws", word(""), *parts[:-1]), _HASH)


def _null(value: Expression) -> Expression:
    return exp.Is(this=side(value), expression=exp.Null())


def key_number(key: Sequence[Column], dialect: Dialect, required: Sequence[bool] = ()) -> Expression:
    """An integer from 0 to 2^31, spread evenly and not linear in the key: changes of several rows hardly cancel out."""
    return spread(folded(key, dialect, required), dialect)


def folded(key: Sequence[Column], dialect: Dialect, required: Sequence[bool] = ()) -> Expression:
    """The key's columns as one integer.

    :param required: which of them are never null; all others cost a test.
    """
    found = number(1)
    never_null = [*required, *[False] * (len(key) - len(required))]
    for (value, kind), given in zip(key, never_null, strict=True):
        mixed = times(add(found, _part(value, kind, dialect, given=given)), cast(number(_FOLD), "BIGINT"))
        found = exp.Paren(this=modulo(mixed, _PRIME))
    return found


def spread(value: Expression, dialect: Dialect) -> Expression:
    """The number of a key that is ``folded``; it mentions that twice."""
    return exp.Paren(this=modulo(times(exp.Paren(this=spelling(dialect).mixed(value)), number(_MIX)), _PRIME))


def bucket(value: Expression, depth: int = 0) -> Expression:
    """A row's bucket at a depth: 0, then 1 within it, and so on. ``value`` is a key's number, or a row's hash."""
    shifted = exp.Paren(this=exp.BitwiseRightShift(this=side(value), expression=number(10 * depth)))
    return cast(exp.BitwiseAnd(this=shifted, expression=number(BUCKETS - 1)), "INT")


def _compact(value: Expression, kind: str, spelled: Spelling) -> Expression:
    """What stands for a value in a row's text; null stays null."""
    return spelled.bits(value, kind) if kind in FLOATS else spelled.compact(value, kind)


def _settled(value: Expression, kind: str, dialect: Dialect) -> Expression:
    spelled = spelling(dialect)
    if kind == "binary":
        return spelled.joined(word("\\x"), spelled.hex(value))
    return canonical(value, kind, dialect) if has_text(kind) else _compact(value, kind, spelled)


def _row(words: Sequence[Expression], required: Sequence[bool], spelled: Spelling) -> Expression:
    """One text of a row; what may be null is marked where it is, since empty is another value."""
    none = spelled.joined(spelled.character(_NULL), word("null"))
    parts = [
        value if never_null else coalesce(spelled.text(value), none)
        for value, never_null in zip(words, required, strict=True)
    ]
    return _joined(parts, spelled)


def _joined(parts: Sequence[Expression], spelled: Spelling) -> Expression:
    """None of the parts is null, so that joined parts can be joined again."""
    if not parts:  # a figure that counts the rows of a table without a key
        return word("")
    if len(parts) <= _ARGUMENTS:
        return call("concat_ws", spelled.character(_BETWEEN), *parts)
    chunks = [_joined(parts[n : n + _ARGUMENTS], spelled) for n in range(0, len(parts), _ARGUMENTS)]
    return _joined(chunks, spelled)


def _part(value: Expression, kind: str, dialect: Dialect, *, given: bool) -> Expression:
    """One column's part of a key's number; null counts as 0."""
    if kind in _INTEGERS:
        whole = cast(value, "BIGINT")
        return exp.Paren(this=bounded(whole if given else coalesce(whole, number(0)), _PRIME))
    part = spelling(dialect).hashed(_settled(value, kind, dialect), _PART)
    return part if given else coalesce(part, number(0))
