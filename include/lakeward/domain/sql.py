"""Quoting of identifiers and literals in SQL that is no tree, alike in PostgreSQL and DuckDB."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from lakeward.spec.scalars import Scalar


def ident(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a string; both dialects read it without escapes (standard_conforming_strings is pinned on)."""
    if "\x00" in value:
        raise ValueError("a text value holds a NUL character, which no database accepts")
    return "'" + value.replace("'", "''") + "'"


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
