"""Iceberg's partition transforms as DuckDB SQL: the values that PyIceberg computes from the same column."""

from __future__ import annotations

from lakeward.domain.facts import LakeTable
from lakeward.domain.sql import ident

_DATES = frozenset({"date", "timestamp", "timestamptz"})


def partition_sql(transform: str, column_sql: str, lake_type: str) -> str:
    """The transform's value: years, months, days or hours since 1970-01-01 00:00 UTC, negative before it; identity as it is.

    :raises ValueError: when the transform does not apply to the type.
    """
    if transform == "identity":
        return column_sql
    if lake_type not in _DATES or (transform == "hour" and lake_type == "date"):
        raise ValueError(f"{transform} cannot partition a column of type {lake_type}")
    instant = column_sql if lake_type != "timestamptz" else f"timezone('UTC', {column_sql})"
    match transform:
        case "year":
            return f"(year({instant}) - 1970)"
        case "month":
            return f"((year({instant}) - 1970) * 12 + month({instant}) - 1)"
        case "day":
            return f"(CAST({instant} AS DATE) - DATE '1970-01-01')"
        case "hour":
            # epoch_us is exact; // rounds toward zero, so floor is written out
            return f"CAST((epoch_us({instant}) - ((epoch_us({instant}) % 3600000000) + 3600000000) % 3600000000) // 3600000000 AS INTEGER)"
        case _:
            raise ValueError(f"{transform} is no partition transform that is written here")


def order_by(table: LakeTable) -> str:
    """``ORDER BY`` over partition values, then the sort order (nulls first ascending, last descending); nothing when there is neither."""
    terms = [
        f"{partition_sql(p.transform, ident(p.column), table.column(p.column).type)} ASC NULLS FIRST"
        for p in table.partition
    ]
    terms += [f"{ident(s.column)} {'DESC NULLS LAST' if s.descending else 'ASC NULLS FIRST'}" for s in table.sort]
    return f"ORDER BY {', '.join(terms)}" if terms else ""
