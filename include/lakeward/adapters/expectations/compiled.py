"""SQL of our own beside the expectations: references between tables, and the rows that share a key."""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.sql import ident


def orphans(child: str, columns: Sequence[str], parent: str, to_columns: Sequence[str], keys: Sequence[str]) -> str:
    """Rows of one view that name no row of another; a null names nothing. Selects keys and columns."""
    chosen = ", ".join(f"child.{ident(c)}" for c in dict.fromkeys([*keys, *columns]))
    filled = " AND ".join(f"child.{ident(c)} IS NOT NULL" for c in columns)
    same = " AND ".join(f"parent.{ident(to)} = child.{ident(own)}" for own, to in zip(columns, to_columns, strict=True))
    return (
        f"SELECT {chosen} FROM {child} AS child WHERE {filled} "
        f"AND NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE {same})"
    )


def sharing(view: str, columns: Sequence[str], chosen: Sequence[str]) -> str:
    """Rows whose values in the columns stand in another row too; a null is like no other value."""
    group = ", ".join(ident(c) for c in columns)
    same = " AND ".join(f"one.{ident(c)} = twice.{ident(c)}" for c in columns)
    filled = " AND ".join(f"{ident(c)} IS NOT NULL" for c in columns)
    return (
        f"SELECT {', '.join(f'one.{ident(c)}' for c in chosen)} FROM {view} AS one SEMI JOIN "
        f"(SELECT {group} FROM {view} WHERE {filled} GROUP BY {group} HAVING count(*) > 1) AS twice ON {same}"
    )


def as_unexpected_rows(sql: str, child: str) -> str:
    """The SQL as an expectation takes it: one row tells enough, braces and colons of identifiers are no placeholders."""
    escaped = sql.replace("{", "{{").replace("}", "}}").replace(":", "\\:")
    return f"{escaped.replace(f'FROM {child} AS child', 'FROM {batch} AS child', 1)} LIMIT 1"
