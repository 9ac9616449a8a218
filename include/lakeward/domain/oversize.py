"""Nested values that are too large to be carried: found by the source itself, so that they never travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import LandedColumn, NestedColumn, TablePlan
from lakeward.domain.sql import ident, text

MARK = "\x01lakeward: too large: "
"""Begins what is landed in place of such a value; no JSON begins so. Its length in bytes and the value's first characters follow."""
KEPT = 1000
"""Characters of such a value that are kept for the quarantine."""
_STORED = 2000
"""Bytes up to which PostgreSQL keeps a value beside its row; out of these no text of some megabytes can come, whatever compresses it."""


def bytes_of(expression: str, dialect: Dialect) -> str:
    """The source's SQL of how many bytes the text of a value has."""
    return (
        f"strlen(CAST(({expression}) AS VARCHAR))"
        if dialect is Dialect.DUCKDB
        else f"octet_length(({expression})::text)"
    )


def too_large(plan: TablePlan, nested: NestedColumn) -> str:
    """The source's SQL that is true for a value of more than ``max_bytes`` of text."""
    column = next(c for c in plan.columns if c.source == nested.source)
    long = f"{bytes_of(column.expression, plan.dialect)} > {nested.max_bytes}"
    if nested.max_bytes < 4_000_000 or plan.dialect is not Dialect.POSTGRES:
        return long
    return f"(CASE WHEN pg_column_size({ident(column.source)}) > {_STORED} THEN {long} ELSE false END)"


def cut_short(plan: TablePlan, found: Mapping[str, int]) -> TablePlan:
    """The plan, reading the beginning only of what is too large; ``found`` counts such values by column."""
    columns = {n.source: n for n in plan.nested if found.get(n.source)}
    if not columns:
        return plan
    return replace(plan, columns=tuple(_cut(plan, c, columns.get(c.source)) for c in plan.columns), scan=False)


def _cut(plan: TablePlan, column: LandedColumn, nested: NestedColumn | None) -> LandedColumn:
    if nested is None:
        return column
    value = f"({column.expression})::text"
    mark = f"chr(1) || {text(MARK[1:])} || {bytes_of(column.expression, plan.dialect)} || ': ' || left({value}, {KEPT})"
    expression = f"CASE WHEN {too_large(plan, nested)} THEN {mark} ELSE {value} END"
    return replace(column, expression=expression, native=False)


def is_cut_short(column: str) -> str:
    """DuckDB's SQL that is true for what was landed in place of a value that is too large."""
    return f"starts_with({column}, {text(MARK)})"


def told(column: str) -> str:
    """DuckDB's SQL of the reason."""
    size = f"split_part(substr({column}, {len(MARK) + 1}, 40), ':', 1)"
    return f"'larger than max_value permits: ' || {size} || ' bytes, of which the first {KEPT} characters are kept'"
