"""Canonical text of a value: the same characters from PostgreSQL and from DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from lakeward.spec.scalars import LakeType


class Dialect(Enum):
    """Whose SQL is written."""

    POSTGRES = "postgres"
    DUCKDB = "duckdb"


FLOATS = frozenset({"float", "double"})
PLAIN = frozenset({"boolean", "int", "long", "uuid", "string"})


def has_text(lake_type: str) -> bool:
    """Whether values of a lake type have a canonical text: floats, binary and JSON have none."""
    return lake_type in PLAIN | {"date", "timestamp", "timestamptz", "time"} or lake_type.startswith("decimal")


def is_number(lake_type: str) -> bool:
    """Whether values of a lake type are exact numbers."""
    return lake_type in {"int", "long"} or lake_type.startswith("decimal")


def canonical(expression: str, lake_type: str, dialect: Dialect) -> str:
    """SQL for the canonical text of a typed value; null stays null.

    Decimals keep their scale, dates are ``2025-03-30`` (``0044-03-15 BC`` before our era), timestamps have six digits
    of a second, instants are UTC and end in ``Z``.

    :raises ValueError: when the type has no canonical text.
    """
    if not has_text(lake_type):
        raise ValueError(f"a value of type {lake_type} has no canonical text")
    if lake_type in PLAIN or lake_type.startswith("decimal"):
        decimal = LakeType(lake_type).decimal
        bare = dialect is Dialect.DUCKDB and decimal is not None and decimal[0] == decimal[1]
        # DuckDB writes .50 where there is no room for a digit before the point
        return (
            rf"regexp_replace({_plain(expression, dialect)}, '^(-?)\.', '\10.')"
            if bare
            else _plain(expression, dialect)
        )
    return _POSTGRES[lake_type](expression) if dialect is Dialect.POSTGRES else _DUCKDB[lake_type](expression)


def ordered(expression: str, lake_type: str, dialect: Dialect) -> str:
    """SQL of a value that both systems sort and compare alike: text by its bytes, everything else by its type."""
    if lake_type in {"string", "uuid", "boolean"}:
        return canonical(expression, lake_type, dialect)
    return expression


def _plain(expression: str, dialect: Dialect) -> str:
    # The source's collation may sort otherwise, or take different texts for the same.
    return (
        f'CAST({expression} AS text) COLLATE "C"' if dialect is Dialect.POSTGRES else f"CAST({expression} AS varchar)"
    )


def _utc(e: str) -> str:
    return f"(({e}) AT TIME ZONE 'UTC')"


def _pg_date(e: str) -> str:
    return f"to_char({e}, CASE WHEN extract(year FROM {e}) < 0 THEN 'YYYY-MM-DD BC' ELSE 'YYYY-MM-DD' END)"


def _pg_timestamp(e: str) -> str:
    return f"to_char({e}, CASE WHEN extract(year FROM {e}) < 0 THEN 'YYYY-MM-DD BC HH24:MI:SS.US' ELSE 'YYYY-MM-DD HH24:MI:SS.US' END)"


def _duck_date(e: str) -> str:
    return f"replace(CAST({e} AS varchar), ' (BC)', ' BC')"


def _duck_timestamp(e: str) -> str:
    return f"{_duck_date(f'CAST({e} AS date)')} || strftime({e}, ' %H:%M:%S.%f')"


_POSTGRES: dict[str, Callable[[str], str]] = {
    "date": _pg_date,
    "timestamp": _pg_timestamp,
    "timestamptz": lambda e: _pg_timestamp(_utc(e)) + " || 'Z'",
    "time": lambda e: f"to_char({e}, 'HH24:MI:SS.US')",
}
_DUCKDB: dict[str, Callable[[str], str]] = {
    "date": _duck_date,
    "timestamp": _duck_timestamp,
    "timestamptz": lambda e: _duck_timestamp(_utc(e)) + " || 'Z'",
    "time": lambda e: f"strftime(DATE '1970-01-01' + {e}, '%H:%M:%S.%f')",
}
