"""Canonical text of a value: the same characters from every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeward.domain.dialect import Dialect
from lakeward.domain.spelling import spelling

if TYPE_CHECKING:
    from lakeward.domain.tree import Expression

__all__ = ["FLOATS", "PLAIN", "Dialect", "canonical", "has_text", "is_number", "ordered"]

FLOATS = frozenset({"float", "double"})
PLAIN = frozenset({"boolean", "int", "long", "uuid", "string"})


def has_text(lake_type: str) -> bool:
    """Whether values of a lake type have a canonical text: floats, binary and JSON have none."""
    return lake_type in PLAIN | {"date", "timestamp", "timestamptz", "time"} or lake_type.startswith("decimal")


def is_number(lake_type: str) -> bool:
    """Whether values of a lake type are exact numbers."""
    return lake_type in {"int", "long"} or lake_type.startswith("decimal")


def canonical(value: Expression, lake_type: str, dialect: Dialect) -> Expression:
    """The canonical text of a typed value; null stays null.

    Decimals keep their scale, dates are ``2025-03-30`` (``0044-03-15 BC`` before our era), timestamps have six digits
    of a second, instants are UTC and end in ``Z``.

    :raises ValueError: when the type has no canonical text.
    """
    if not has_text(lake_type):
        raise ValueError(f"a value of type {lake_type} has no canonical text")
    spelled = spelling(dialect)
    match lake_type:
        case "date":
            return spelled.date(value)
        case "timestamp":
            return spelled.timestamp(value)
        case "timestamptz":
            return spelled.instant(value)
        case "time":
            return spelled.time(value)
    return spelled.plain(value, lake_type)


def ordered(value: Expression, lake_type: str, dialect: Dialect) -> Expression:
    """A value that every engine sorts and compares alike: text by its bytes, everything else by its type."""
    return canonical(value, lake_type, dialect) if lake_type in {"string", "uuid", "boolean"} else value
