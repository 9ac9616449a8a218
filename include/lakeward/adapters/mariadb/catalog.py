"""What MariaDB's catalog tells about tables and their columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from typing import Any

import pymysql

from lakeward.adapters.mariadb.session import Server
from lakeward.domain.source_facts import ForeignKey, SourceColumn, SourceTable
from lakeward.domain.sql import ident

_OURS = "TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
_TABLES = f"""SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, coalesce(ENGINE, ''), coalesce(TABLE_ROWS, 0), coalesce(DATA_LENGTH, 0)
FROM information_schema.TABLES WHERE {_OURS} AND TABLE_TYPE <> 'SEQUENCE' ORDER BY 1, 2"""
_OF_TABLE = "TABLE_SCHEMA = %s AND TABLE_NAME = %s"
_COLUMNS = f"""SELECT COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, IS_NULLABLE = 'YES', CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE
FROM information_schema.COLUMNS WHERE {_OF_TABLE} ORDER BY ORDINAL_POSITION"""
_CHECKS = (
    "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s"
)
_KEYS = f"""SELECT CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
FROM information_schema.KEY_COLUMN_USAGE WHERE {_OF_TABLE}
  AND (CONSTRAINT_NAME = 'PRIMARY' OR REFERENCED_TABLE_NAME IS NOT NULL) ORDER BY CONSTRAINT_NAME, ORDINAL_POSITION"""
_INDEXES = f"SELECT DISTINCT INDEX_NAME FROM information_schema.STATISTICS WHERE {_OF_TABLE} AND INDEX_NAME <> 'PRIMARY' ORDER BY 1"
_JSON = re.compile(r'json_valid\("((?:[^"]|"")+)"\)', re.IGNORECASE)
_DENIED = {1142, 1143, 1345, 1356}


def describe(con: Server, patterns: Sequence[str], database: str) -> tuple[SourceTable, ...]:
    """Every table or view whose ``database.table`` matches one of the globs, sorted; of one database, where one is named."""
    found = _asked(con, _TABLES)
    return tuple(
        _table(con, *row)
        for row in found
        if database in {"", row[0]} and any(fnmatchcase(f"{row[0]}.{row[1]}", pattern) for pattern in patterns)
    )


def _table(con: Server, schema: str, name: str, kind: str, engine: str, rows: int, size: int) -> SourceTable:
    keys: dict[str, list[tuple[str, ...]]] = {}
    for constraint, *parts in _asked(con, _KEYS, schema, name):
        keys.setdefault(constraint, []).append(tuple(parts))
    checks = " ".join(clause for (clause,) in _asked(con, _CHECKS, schema, name))
    documents = {column.replace('""', '"') for column in _JSON.findall(checks)}
    return SourceTable(
        schema=schema,
        name=name,
        kind=_kind(kind, engine),
        columns=tuple(_column(row, documents) for row in _asked(con, _COLUMNS, schema, name)),
        primary_key=tuple(column for column, *_ in keys.pop("PRIMARY", [])),
        foreign_keys=tuple(
            ForeignKey(tuple(p[0] for p in pairs), pairs[0][1], pairs[0][2], tuple(p[3] for p in pairs))
            for pairs in keys.values()
        ),
        has_children=False,
        row_security=False,
        readable=_readable(con, schema, name),
        estimated_rows=int(rows),
        bytes=int(size),
        indexes=tuple(index for (index,) in _asked(con, _INDEXES, schema, name)),
        system="mariadb",
    )


def _kind(kind: str, engine: str) -> str:
    """Only InnoDB has a snapshot that many sessions can share."""
    if kind == "VIEW":
        return "view"
    if kind == "SYSTEM VERSIONED":
        return "table with system versions"
    return "table" if engine == "InnoDB" else f"table of the engine {engine}"


def _column(row: tuple[Any, ...], documents: set[str]) -> SourceColumn:
    name, declared, kind, nullable, length, precision, scale = row
    base = "json" if str(name) in documents else str(kind)
    if "unsigned" in str(declared):
        base += " unsigned"
    return SourceColumn(
        name=str(name),
        type="json" if base == "json" else str(declared),
        base=f"mariadb {base}",
        nullable=bool(nullable),
        length=_number(length),
        precision=_number(precision),
        scale=_number(scale),
    )


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))


def _readable(con: Server, schema: str, name: str) -> bool:
    """Whether all of it may be read: the catalog does not show columns that may not."""
    try:
        _asked(con, f"SELECT * FROM {ident(schema)}.{ident(name)} LIMIT 0")
    except pymysql.Error as error:
        if error.args and error.args[0] in _DENIED:
            return False
        raise
    return True


def _asked(con: Server, sql: str, *given: str) -> list[tuple[Any, ...]]:
    with closing(con.cursor()) as cursor:
        cursor.execute(sql, given or None)
        return list(cursor.fetchall())
