"""A file of DuckDB: attached read only, so that nobody writes to it while it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, BinaryIO

import duckdb

from lakeward.adapters.queried.columns import columns_of
from lakeward.adapters.queried.local_file import Identity, path_of
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact
from lakeward.domain.source_facts import ForeignKey, SourceTable
from lakeward.domain.sql import ident, text
from lakeward.errors import SourceError

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection

_BESIDE = (".wal",)
_OUTSIDE = re.compile(r"\b(read_\w+|\w+_scan|glob|sniff_csv|query|query_table)\s*\(|\bFROM\s+'", re.IGNORECASE)
"""In a view's SQL: it reads what is not in the file, of which there is no snapshot."""

_TABLES = """
SELECT schema_name, table_name, 'table' AS kind, estimated_size, '' AS sql FROM duckdb_tables() WHERE database_name = 'src' AND NOT internal
UNION ALL
SELECT schema_name, view_name, 'view', 0, sql FROM duckdb_views() WHERE database_name = 'src' AND NOT internal ORDER BY 1, 2
"""
_KEYS = """
SELECT schema_name, table_name, constraint_type, constraint_column_names, referenced_table, referenced_column_names
FROM duckdb_constraints() WHERE database_name = 'src' ORDER BY constraint_index
"""
_INDEXES = (
    "SELECT schema_name, table_name, index_name FROM duckdb_indexes() WHERE database_name = 'src' ORDER BY 1, 2, 3"
)
_Name = tuple[str, str]


class DuckFile:
    """The file that a connection of type ``duckdb`` names."""

    secrets: tuple[str, ...] = ()

    def __init__(self, connection: Connection) -> None:
        self._path = path_of(connection)
        self.label = str(self._path)

    @contextmanager
    def fixed(self, con: duckdb.DuckDBPyConnection) -> Iterator[Attached]:
        """The file, attached: DuckDB lets no other process write to it meanwhile."""
        before = Identity.of(self._path, _BESIDE)
        con.execute(f"ATTACH {text(str(self._path))} AS src (TYPE duckdb, READ_ONLY)")
        yield Attached(before)


class Attached:
    """An attached file of DuckDB."""

    alone = False

    def __init__(self, before: Identity) -> None:
        self._before = before
        self.snapshot = before.name
        self.version = f"DuckDB {duckdb.__version__}"

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Names without a catalog are the file's."""
        con.execute("USE src")

    def files(self, _: TablePlan) -> tuple[FileFact, ...]:
        """The snapshot names the one file that there is."""
        return ()

    def opened(self, _: TablePlan) -> Iterator[BinaryIO]:
        """There are no files to adopt."""
        return iter(())

    def check(self) -> None:
        """Whether the file was put in the place of another, or written to in spite of the lock."""
        if Identity.of(self._before.path, _BESIDE) != self._before:
            raise SourceError(
                f"{self._before.path} was changed or replaced while it was read. Nothing of this step counts.",
                todo="Let nobody write there while it is read, or name a copy; then run the step again.",
            )

    def describe(self, con: duckdb.DuckDBPyConnection, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """Tables and views with their keys, references and indexes."""
        keys: dict[_Name, dict[str, list[tuple[list[str], str, list[str]]]]] = {}
        for schema, table, kind, columns, to, to_columns in con.execute(_KEYS).fetchall():
            keys.setdefault((schema, table), {}).setdefault(kind, []).append((columns, to, to_columns))
        indexes: dict[_Name, list[str]] = {}
        for schema, table, index in con.execute(_INDEXES).fetchall():
            indexes.setdefault((schema, table), []).append(index)
        found = con.execute(_TABLES).fetchall()
        return tuple(
            _table(con, (schema, name), _kind(kind, sql), int(rows or 0), keys.get((schema, name), {}), indexes)
            for schema, name, kind, rows, sql in found
            if any(fnmatchcase(f"{schema}.{name}", pattern) for pattern in patterns)
        )


def _kind(kind: str, sql: str) -> str:
    return "foreign" if _OUTSIDE.search(sql or "") else kind


def _table(
    con: duckdb.DuckDBPyConnection,
    name: _Name,
    kind: str,
    rows: int,
    keys: dict[str, list[tuple[list[str], str, list[str]]]],
    indexes: dict[_Name, list[str]],
) -> SourceTable:
    schema, table = name
    primary = tuple(keys.get("PRIMARY KEY", [((), "", [])])[0][0])
    required = frozenset({*primary, *(c for columns, _, _ in keys.get("NOT NULL", []) for c in columns)})
    columns = () if kind == "foreign" else columns_of(con, f"{ident(schema)}.{ident(table)}", required)
    return SourceTable(
        schema=schema,
        name=table,
        kind=kind,
        columns=columns,
        primary_key=primary,
        foreign_keys=tuple(
            ForeignKey(tuple(columns), schema, to, tuple(to_columns))
            for columns, to, to_columns in keys.get("FOREIGN KEY", [])
        ),
        has_children=False,
        row_security=False,
        readable=True,
        estimated_rows=rows,
        bytes=0,
        indexes=tuple(indexes.get(name, ())),
        system="duckdb",
    )
