"""Iceberg's partition transforms as DuckDB SQL: the values that PyIceberg computes from the same column."""

from __future__ import annotations

from lakeward.domain.facts import LakeTable
from lakeward.domain.sql import ident

HASHES = {"iceberg_hash_long": "BIGINT", "iceberg_hash_decimal": "DECIMAL(38,0)", "iceberg_hash_bytes": "BLOB"}
"""Functions that the SQL calls and the engine must offer, with the type of their argument: Iceberg's bucket hash of it."""
_DATES = frozenset({"date", "timestamp", "timestamptz"})
_TRUNCATED = frozenset({"int", "long", "decimal", "string", "binary"})
_HASHED = _TRUNCATED | _DATES | {"time", "uuid"}
_FITS = {
    "identity": _HASHED | {"boolean"},
    "year": _DATES,
    "month": _DATES,
    "day": _DATES,
    "hour": _DATES - {"date"},
    "bucket": _HASHED,
    "truncate": _TRUNCATED,
}


def fits(transform: str, lake_type: str) -> bool:
    """Whether Iceberg has the transform for the type; JSON text is left out, since filters never ask for all of it."""
    word, kind = transform.partition("[")[0], lake_type.partition("(")[0]
    return kind in _FITS.get(word, frozenset())


def partition_sql(transform: str, column_sql: str, lake_type: str) -> str:
    """The transform's value: years, months, days or hours since 1970-01-01 00:00 UTC, negative before it; the bucket; the
    truncated value (of decimals without their point); identity as it is.

    :raises ValueError: when the transform does not apply to the type.
    """
    word, _, width = transform.rstrip("]").partition("[")
    if word not in _FITS or (word in {"bucket", "truncate"}) != width.isdigit():
        raise ValueError(f"{transform} is no partition transform that is written here")
    if not fits(transform, lake_type):
        raise ValueError(f"{transform} cannot partition a column of type {lake_type}")
    if word == "identity":
        return column_sql
    if word == "bucket":
        return f"(({_hash_sql(column_sql, lake_type)} & 2147483647) % {width})"
    if word == "truncate":
        return _truncate_sql(column_sql, lake_type, width)
    return _since_epoch_sql(word, column_sql, lake_type)


def _hash_sql(column: str, lake_type: str) -> str:
    kind = lake_type.partition("(")[0]
    argument = {
        "date": f"{column} - DATE '1970-01-01'",
        "time": f"epoch_us({column})",
        "timestamp": f"epoch_us({column})",
        "timestamptz": f"epoch_us({column})",
        "decimal": _unscaled_sql(column),
        "string": f"encode({column})",
        "uuid": f"unhex(replace(CAST({column} AS VARCHAR), '-', ''))",
    }.get(kind, column)
    function = {"decimal": "decimal", "string": "bytes", "uuid": "bytes", "binary": "bytes"}.get(kind, "long")
    return f"iceberg_hash_{function}({argument})"


def _truncate_sql(column: str, lake_type: str, width: str) -> str:
    match lake_type.partition("(")[0]:
        case "string":
            return f"left({column}, {width})"  # code points, as Iceberg counts
        case "binary":
            return f"unhex(left(hex({column}), {2 * int(width)}))"
        case kind:
            whole = f"CAST({_unscaled_sql(column) if kind == 'decimal' else column} AS HUGEINT)"
            return f"({whole} - ({whole} % {width} + {width}) % {width})"  # % has the sign of the value


def _unscaled_sql(column: str) -> str:
    """A decimal without its point; through text, since no multiplication is sure to fit."""
    return f"CAST(replace(CAST({column} AS VARCHAR), '.', '') AS DECIMAL(38,0))"


def _since_epoch_sql(transform: str, column_sql: str, lake_type: str) -> str:
    instant = column_sql if lake_type != "timestamptz" else f"timezone('UTC', {column_sql})"
    match transform:
        case "year":
            return f"(year({instant}) - 1970)"
        case "month":
            return f"((year({instant}) - 1970) * 12 + month({instant}) - 1)"
        case "day":
            return f"(CAST({instant} AS DATE) - DATE '1970-01-01')"
        case _:
            # epoch_us is exact; // rounds toward zero, so floor is written out
            return f"CAST((epoch_us({instant}) - ((epoch_us({instant}) % 3600000000) + 3600000000) % 3600000000) // 3600000000 AS INTEGER)"


def order_terms(table: LakeTable) -> tuple[tuple[str, str], ...]:
    """What rows are ordered by and how: partition values, then the sort order (nulls first ascending, last descending).

    Partition values that never fall while the first sorted column rises are in order when it is, and are left out.
    """
    lead = table.sort[0] if table.sort and not table.sort[0].descending else None
    told = lead and all(p.column == lead.column and not p.transform.startswith("bucket") for p in table.partition)
    parts = () if told else table.partition
    first = [partition_sql(p.transform, ident(p.column), table.column(p.column).type) for p in parts]
    terms = [(value, "ASC NULLS FIRST") for value in first]
    terms += [(ident(s.column), "DESC NULLS LAST" if s.descending else "ASC NULLS FIRST") for s in table.sort]
    return tuple(terms)


def order_by(table: LakeTable) -> str:
    """``ORDER BY`` these; nothing when there are none."""
    terms = order_terms(table)
    return f"ORDER BY {', '.join(f'{value} {direction}' for value, direction in terms)}" if terms else ""
