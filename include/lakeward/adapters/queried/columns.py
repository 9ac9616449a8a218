"""Columns as DuckDB tells them, whatever it reads them from."""

from __future__ import annotations

import duckdb
from duckdb.sqltypes import DuckDBPyType

from lakeward.domain.duck_rules import NESTED
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import ident

_BASES = {"timestamp with time zone": "timestamptz", "time with time zone": "timetz"}
_AS_THEY_ARE = frozenset(
    {"boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"}
    | {"float", "double", "hugeint", "uhugeint"}
)
"""Types that JSON has a form for, which DuckDB writes exactly; so it does with decimals, whatever their digits."""
_DIGITS = 38


def columns_of(
    con: duckdb.DuckDBPyConnection, relation: str, required: frozenset[str] = frozenset()
) -> tuple[SourceColumn, ...]:
    """The columns of a table, view or table function.

    :param relation: SQL of a FROM item.
    :param required: names of columns that are never null.
    """
    found = con.sql(f"SELECT * FROM {relation}")
    return tuple(
        source_column(name, kind, nullable=name not in required)
        for name, kind in zip(found.columns, found.types, strict=True)
    )


def source_column(name: str, kind: DuckDBPyType, *, nullable: bool) -> SourceColumn:
    """A column of one of DuckDB's types."""
    base = base_of(kind)
    parts = dict(kind.children) if base == "decimal" else {}
    return SourceColumn(
        name=name,
        type=str(kind),
        base=base,
        nullable=nullable,
        precision=parts.get("precision"),  # type: ignore[arg-type]
        scale=parts.get("scale"),  # type: ignore[arg-type]
        exact=exact(kind) if base in NESTED else "",
    )


def base_of(kind: DuckDBPyType) -> str:
    """The name of a type without what it is made of."""
    return "json" if str(kind) == "JSON" else _BASES.get(kind.id, kind.id)


def exact(kind: DuckDBPyType) -> str:
    """The type to cast a nested value to before DuckDB makes JSON of it: what JSON can't hold exactly is text there."""
    parts: list[tuple[str, DuckDBPyType]] = kind.children if kind.id in NESTED else []  # type: ignore[assignment]
    match kind.id:
        case "struct" | "union":
            members = ", ".join(f"{ident(name)} {exact(of)}" for name, of in parts if name)
            return f"{kind.id.upper()}({members})"
        case "list":
            return f"{exact(parts[0][1])}[]"
        case "array":
            return f"{exact(parts[0][1])}[{parts[1][1]}]"
        case "map":
            return f"MAP(VARCHAR, {exact(parts[1][1])})"
        case "decimal":
            return _wide_enough(*(int(str(of)) for _, of in kind.children))
        case plain:
            return plain.upper() if plain in _AS_THEY_ARE else "VARCHAR"


def _wide_enough(digits: int, scale: int) -> str:
    """A decimal with room for a digit before the point: ``.5`` is no number of JSON's."""
    if digits > scale:
        return f"DECIMAL({digits},{scale})"
    return f"DECIMAL({digits + 1},{scale})" if digits < _DIGITS else "VARCHAR"
