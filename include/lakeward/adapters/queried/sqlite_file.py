"""A database of SQLite: one read transaction for everything that is read of it, each value as a text with its storage class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, BinaryIO

import duckdb

from lakeward.adapters.duck_setup import load_extension
from lakeward.adapters.queried.local_file import Identity, path_of
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact
from lakeward.domain.source_facts import ForeignKey, SourceColumn, SourceTable
from lakeward.domain.sql import ident, text
from lakeward.domain.sqlite_rules import base_of
from lakeward.domain.sqlite_types import cell_sql
from lakeward.errors import SourceError

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection

_BESIDE = ("-wal",)
_TABLES = r"""
SELECT name, type, CASE WHEN sql LIKE 'CREATE VIRTUAL%' THEN 1 ELSE 0 END AS virtual FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name
"""
_COLUMNS = 'SELECT name, type, "notnull", pk FROM pragma_table_xinfo({}) WHERE hidden <> 1 ORDER BY cid'
_KEYS = 'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list({}) ORDER BY id, seq'
_INDEXES = "SELECT name FROM pragma_index_list({}) WHERE origin <> 'pk' ORDER BY name"


class SqliteFile:
    """The file that a connection of type ``sqlite`` names."""

    secrets: tuple[str, ...] = ()

    def __init__(self, connection: Connection) -> None:
        self._path = path_of(connection)
        self.label = str(self._path)

    @contextmanager
    def fixed(self, con: duckdb.DuckDBPyConnection) -> Iterator[Opened]:
        """The file in one read transaction: in WAL mode writers go on beside it, else they wait."""
        before = Identity.of(self._path, _BESIDE)
        load_extension(con, "sqlite_scanner")
        con.execute(f"ATTACH {text(str(self._path))} AS src (TYPE sqlite, READ_ONLY)")
        found = asked(con, _TABLES)  # the views are made before the transaction, which begins with the first reading
        names = [(name, "foreign" if virtual == "1" else kind) for name, kind, virtual in found]
        columns = {name: asked(con, _COLUMNS.format(_word(name))) for name, kind in names if kind != "foreign"}
        for name, listed in columns.items():
            con.execute(f"CREATE VIEW main.{ident(name)} AS SELECT * FROM {_query(_select(name, listed))}")
        con.execute("BEGIN TRANSACTION")
        again = asked(con, _TABLES)
        if again != found or any(asked(con, _COLUMNS.format(_word(n))) != listed for n, listed in columns.items()):
            raise SourceError(f"{self.label}: its tables were altered while it was opened.", todo="Run the step again.")
        ((version,),) = asked(con, "SELECT sqlite_version()")
        yield Opened(before, names, f"SQLite {version}")


class Opened:
    """Tables of SQLite in one read transaction, which one connection alone has."""

    alone = True

    def __init__(self, before: Identity, names: Sequence[tuple[str, str]], version: str) -> None:
        self._before, self._names = before, names
        self.snapshot = before.name
        self.version = version

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """The views are there."""

    def files(self, _: TablePlan) -> tuple[FileFact, ...]:
        """The snapshot names the one file that there is."""
        return ()

    def opened(self, _: TablePlan) -> Iterator[BinaryIO]:
        """There are no files to adopt."""
        return iter(())

    def check(self) -> None:
        """Whether the path still names the file that was read; that others write to it does no harm."""
        now = Identity.of(self._before.path, _BESIDE)
        if now.file != self._before.file:
            raise SourceError(
                f"{self._before.path} was replaced while it was read. Nothing of this step counts.",
                todo="Let nobody put another file in its place while it is read; then run the step again.",
            )

    def describe(self, con: duckdb.DuckDBPyConnection, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """Tables and views with their keys, references and indexes."""
        return tuple(
            _table(con, name, kind)
            for name, kind in self._names
            if any(fnmatchcase(f"main.{name}", pattern) for pattern in patterns)
        )


def _table(con: duckdb.DuckDBPyConnection, name: str, kind: str) -> SourceTable:
    listed = [] if kind == "foreign" else asked(con, _COLUMNS.format(_word(name)))
    key = [column for _, column in sorted((int(pk), column) for column, _, _, pk in listed if pk != "0")]
    references: dict[str, list[tuple[str, str, str]]] = {}
    for number, to, column, to_column in asked(con, _KEYS.format(_word(name))):
        references.setdefault(number, []).append((to, column, to_column))
    return SourceTable(
        schema="main",
        name=name,
        kind=kind,
        columns=tuple(_column(*one, key=key) for one in listed),
        primary_key=tuple(key),
        foreign_keys=tuple(_reference(con, pairs) for pairs in references.values()),
        has_children=False,
        row_security=False,
        readable=True,
        estimated_rows=0,
        bytes=0,
        indexes=tuple(index for (index,) in asked(con, _INDEXES.format(_word(name)))),
        system="sqlite",
    )


def _column(name: str, declared: str, required: str, pk: str, *, key: Sequence[str]) -> SourceColumn:
    base, precision, scale = base_of(declared)
    row_id = key == [name] and declared.upper() == "INTEGER"  # every other key may be null, unless it says otherwise
    return SourceColumn(
        name=name,
        type=declared,
        base=base,
        nullable=required == "0" and not (pk != "0" and row_id),
        precision=precision,
        scale=scale,
    )


def _reference(con: duckdb.DuckDBPyConnection, pairs: Sequence[tuple[str, str, str]]) -> ForeignKey:
    to = pairs[0][0]
    columns = tuple(to_column for _, _, to_column in pairs)
    if None in columns:  # then the key is meant
        listed = asked(con, _COLUMNS.format(_word(to)))
        columns = tuple(column for _, column in sorted((int(pk), column) for column, _, _, pk in listed if pk != "0"))
    return ForeignKey(tuple(column for _, column, _ in pairs), "main", to, columns)


def _select(name: str, listed: Sequence[tuple[str, ...]]) -> str:
    return f"SELECT {', '.join(cell_sql(column) for column, *_ in listed)} FROM {ident(name)}"


def _word(name: str) -> str:
    return text(name)


def _query(sql: str) -> str:
    return f"sqlite_query('src', {text(sql)})"


def asked(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, ...]]:
    """What SQLite itself answers, as texts."""
    return con.execute(f"SELECT * FROM {_query(sql)}").fetchall()
