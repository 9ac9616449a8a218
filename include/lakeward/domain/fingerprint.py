"""Numbers of rows, the same from PostgreSQL and from DuckDB: their sums, in any order, tell whether two sides hold the same rows.

A row's *hash* is 60 bits of the md5 of all its columns' texts. A key's *number* is mixed from its columns by a few integer
operations: cheap enough to weigh every measure with it, and to put rows into buckets.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.kpi_text import Dialect, canonical, has_text

BUCKETS = 1024
"""Rows are put into so many buckets by the first digit of their number, and each bucket into so many by the next."""
MODULUS = (1 << 61) - 1
"""Weighted sums are told modulo this prime, so that they fit whatever digits the measure has."""

_PRIME, _FOLD, _MIX = 2147483629, 1103515245, 1640531527  # below 2^31: products of two stay in a bigint
_BETWEEN, _NULL = "chr(31)", "chr(30) || 'null'"
_ARGUMENTS = 90
"""Of one call; PostgreSQL takes 100."""
_INTEGERS = frozenset({"int", "long"})
Column = tuple[str, str]
"""SQL of a typed value, and its lake type."""


def hashed(text: str, dialect: Dialect, digits: int = 15) -> str:
    """The first hex digits of the md5 of a text's UTF-8 bytes, as a bigint that is never negative."""
    if dialect is Dialect.POSTGRES:
        return f"CAST(CAST('x' || left(md5(convert_to({text}, 'UTF8')), {digits}) AS bit({4 * digits})) AS bigint)"
    return f"CAST('0x' || left(md5({text}), {digits}) AS BIGINT)"


def row_hash(columns: Sequence[Column], dialect: Dialect, required: Sequence[bool] = ()) -> str:
    """60 bits of a row. PostgreSQL's session must be pinned to ISO dates, UTC and hex, as ours are.

    :param required: which columns are never null; all others cost a test.
    """
    never_null = [*required, *[False] * (len(columns) - len(required))]
    return hashed(_row([compact(*c, dialect) for c in columns], never_null), dialect)


def settled_hash(columns: Sequence[Column], dialect: Dialect) -> str:
    """As ``row_hash``, slower, whatever the session's settings are."""
    return hashed(_row([_settled(*c, dialect) for c in columns], [False] * len(columns)), dialect)


def key_number(key: Sequence[Column], dialect: Dialect) -> str:
    """An integer from 0 to 2^31, spread evenly and not linear in the key: changes of several rows hardly cancel out."""
    number = "1"
    for sql, kind in key:
        number = f"((({number} + {_part(sql, kind, dialect)}) * CAST({_FOLD} AS bigint)) % {_PRIME})"
    mixed = f"{number} # ({number} >> 16)" if dialect is Dialect.POSTGRES else f"xor({number}, {number} >> 16)"
    return f"((({mixed}) * {_MIX}) % {_PRIME})"


def bucket(number: str, depth: int = 0) -> str:
    """A row's bucket at a depth: 0, then 1 within it, and so on. ``number`` is a key's number, or a row's hash."""
    return f"CAST(({number} >> {10 * depth}) & {BUCKETS - 1} AS integer)"


def compact(sql: str, kind: str, dialect: Dialect) -> str:
    """What stands for a value in a row's text: as short to compute as both systems spell alike; null stays null."""
    if kind in {"float", "double"}:
        return _float(sql, kind, dialect)
    if dialect is Dialect.POSTGRES:
        return f"CAST({sql} AS text)" if kind == "boolean" else sql
    if kind == "date":
        word = f"CAST({sql} AS varchar)"
        return f"CASE WHEN {sql} >= DATE '0001-01-01' THEN {word} ELSE replace({word}, ' (BC)', ' BC') END"
    if kind in {"timestamp", "timestamptz"}:
        # The text of an instant goes by a calendar that is a millisecond off in far years; that of its microseconds does not.
        zone = "+00" if kind == "timestamptz" else ""
        word = f"CAST({f'make_timestamp(epoch_us({sql}))' if zone else sql} AS varchar)"
        return f"CASE WHEN contains({word}, '(') THEN replace({word}, ' (BC)', '') || '{zone} BC' ELSE {word} || '{zone}' END"
    if kind == "binary":
        return rf"'\x' || lower(hex({sql}))"
    return canonical(sql, kind, dialect) if kind.startswith("decimal") else sql


def _settled(sql: str, kind: str, dialect: Dialect) -> str:
    if kind == "binary":
        return rf"'\x' || encode({sql}, 'hex')" if dialect is Dialect.POSTGRES else compact(sql, kind, dialect)
    return canonical(sql, kind, dialect) if has_text(kind) else compact(sql, kind, dialect)


def _float(sql: str, kind: str, dialect: Dialect) -> str:
    """The bits of a float, since no two systems spell all of them alike; 0 and -0 are the same number, so are all NaNs."""
    if dialect is Dialect.POSTGRES:
        wide = "float4" if kind == "float" else "float8"
        return f"CASE WHEN {sql} = 'NaN' THEN 'NaN' ELSE encode({wide}send(CAST({sql} + 0 AS {wide})), 'hex') END"
    wide = "FLOAT" if kind == "float" else "DOUBLE"
    return (
        f"CASE WHEN isnan({sql}) THEN 'NaN' ELSE lower(hex(CAST(CAST(CAST({sql} + 0 AS {wide}) AS BIT) AS BLOB))) END"
    )


def _row(words: Sequence[str], required: Sequence[bool]) -> str:
    """One text of a row; what may be null is marked where it is, since empty is another value."""
    parts = [
        word if never_null else f"coalesce(CAST({word} AS varchar), {_NULL})"
        for word, never_null in zip(words, required, strict=True)
    ]
    return _joined(parts)


def _joined(parts: Sequence[str]) -> str:
    """None of the parts is null, so that joined parts can be joined again."""
    if not parts:  # a figure that counts the rows of a table without a key
        return "''"
    if len(parts) <= _ARGUMENTS:
        return f"concat_ws({_BETWEEN}, {', '.join(parts)})"
    return _joined([_joined(parts[n : n + _ARGUMENTS]) for n in range(0, len(parts), _ARGUMENTS)])


def _part(sql: str, kind: str, dialect: Dialect) -> str:
    if kind in _INTEGERS:
        return f"((coalesce(CAST({sql} AS bigint), 0) % {_PRIME} + {_PRIME}) % {_PRIME})"
    return f"coalesce({hashed(_settled(sql, kind, dialect), dialect, 7)}, 0)"
