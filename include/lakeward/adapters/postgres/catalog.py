"""What PostgreSQL's catalog tells about tables, views and their columns."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.resources import files

import psycopg
from psycopg.rows import TupleRow

from lakeward.domain.source_facts import ForeignKey, SourceColumn, SourceTable

_KINDS = {
    "r": "table",
    "p": "partitioned",
    "v": "view",
    "m": "materialized view",
    "f": "foreign",
    "partly f": "partly foreign",
}
_LENGTHS = frozenset({"bpchar", "varchar"})


def describe(connection: psycopg.Connection[TupleRow], patterns: Sequence[str]) -> tuple[SourceTable, ...]:
    """Every table or view whose ``schema.table`` matches one of the globs, sorted; partitions go with their parent, unless one is named."""
    query = files(__package__).joinpath("catalog.sql").read_text(encoding="utf-8")
    rows = connection.execute(query).fetchall()
    tables = ((_table(row), bool(row[-1])) for row in rows)
    return tuple(
        table
        for table, is_partition in tables
        if table.label in patterns
        or (not is_partition and any(fnmatchcase(table.label, pattern) for pattern in patterns))
    )


def _table(row: TupleRow) -> SourceTable:
    (
        schema,
        name,
        kind,
        readable,
        security,
        children,
        estimate,
        size,
        columns,
        key,
        references,
        indexes,
        parents,
        cents,
        whole,
        _,
    ) = row
    listed = [_column(c, int(str(cents))) for c in columns or ()]
    return SourceTable(
        schema=str(schema),
        name=str(name),
        kind=_KINDS[str(kind)],
        columns=tuple(column for column, _ in listed),
        primary_key=tuple(key or ()),
        foreign_keys=tuple(
            ForeignKey(tuple(f["columns"]), f["schema"], f["table"], tuple(f["to"])) for f in references or ()
        ),
        has_children=bool(children),
        row_security=bool(security),
        readable=bool(readable),
        estimated_rows=int(str(estimate)),
        bytes=int(str(size)),
        indexes=tuple(indexes or ()),
        unreadable_columns=tuple(column.name for column, allowed in listed if not allowed),
        parents=tuple(parents or ()),
        whole=bool(whole),
    )


def _column(found: dict[str, object], cents: int) -> tuple[SourceColumn, bool]:
    """A column, and whether it may be read; ``cents`` are the decimals of the server's money."""
    base, modifier = str(found["base"]), int(str(found["modifier"]))
    length = modifier - 4 if base in _LENGTHS and modifier >= 4 else None
    precision = scale = None
    if base == "numeric" and modifier >= 4:
        precision = ((modifier - 4) >> 16) & 0xFFFF
        scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    if base == "money":
        scale = cents
    column = SourceColumn(
        name=str(found["name"]),
        type=str(found["type"]),
        base=base,
        nullable=bool(found["nullable"]),
        length=length,
        precision=precision,
        scale=scale,
        category=str(found["category"]),
        comment=str(found["comment"]),
        definition=str(found["definition"]),
        element=str(found["element"]),
    )
    return column, bool(found["readable"])
