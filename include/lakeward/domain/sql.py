"""Quoting of identifiers and literals, alike in PostgreSQL and DuckDB, and row filters as SQL.

MariaDB takes the same in our sessions (ANSI_QUOTES), but for backslashes in texts, which ``escaped`` doubles, and instants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from lakeward.spec.models import Filter, FilterOp
from lakeward.spec.scalars import Scalar


def ident(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a string; both dialects read it without escapes (standard_conforming_strings is pinned on)."""
    if "\x00" in value:
        raise ValueError("a text value holds a NUL character, which no database accepts")
    return "'" + value.replace("'", "''") + "'"


def escaped(value: str) -> str:
    """Quote a string for MariaDB, where a backslash escapes."""
    return text(value.replace("\\", "\\\\"))


def plain_literal(value: Scalar) -> str:
    """A value as MariaDB's SQL: instants by UTC's clock, as its sessions are."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, datetime):
        at = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return f"timestamp {text(at.isoformat(sep=' '))}"
    return literal(value)


def literal(value: Scalar) -> str:
    """A value as SQL; instants keep their offset, decimals every digit."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"{value} is no number that a filter can compare with")
            return f"{value:f}"
        case datetime():
            kind = "timestamptz" if value.tzinfo else "timestamp"
            return f"{kind} {text(value.isoformat(sep=' '))}"
        case date():
            return f"date {text(value.isoformat())}"
        case str():
            return text(value)


def where(filters: Sequence[Filter], expression: Callable[[str], str], said: Callable[[Scalar], str] = literal) -> str:
    """Filters joined by AND, as ``WHERE ...`` or nothing; ``expression`` gives a column's SQL, ``said`` a value's."""
    terms = [_term(f, expression(f.column), said) for f in filters]
    return f"WHERE {' AND '.join(terms)}" if terms else ""


def _term(f: Filter, column: str, said: Callable[[Scalar], str]) -> str:
    if f.op in {FilterOp.IS_NULL, FilterOp.NOT_NULL}:
        return f"{column} {'IS NULL' if f.op is FilterOp.IS_NULL else 'IS NOT NULL'}"
    if f.op in {FilterOp.IN, FilterOp.NOT_IN}:
        values = f.value if isinstance(f.value, tuple) else (f.value,)
        listed = ", ".join(said(v) for v in values if v is not None)
        return f"{column} {'IN' if f.op is FilterOp.IN else 'NOT IN'} ({listed})"
    if f.value is None or isinstance(f.value, tuple):
        raise ValueError(f"the filter on {f.column!r} with {f.op.value!r} needs one value")
    op = "<>" if f.op is FilterOp.NE else f.op.value
    return f"{column} {op} {said(f.value)}"
