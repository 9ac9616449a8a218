"""A lake of files as a source: its list of files is fixed at the cut, and none of them may change until its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import BinaryIO

import duckdb

from lakeward.adapters.duck_setup import use_storage
from lakeward.adapters.queried.lake_schema import Alike, Schemas, csv_options
from lakeward.adapters.queried.lake_tables import LakeTable, tables_of
from lakeward.adapters.queried.listing import LakeFile, Listing, S3Listing, check_same, checksum
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact
from lakeward.domain.identity import digest
from lakeward.domain.json_values import value_sql
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.domain.sql import ident, text
from lakeward.errors import SourceError
from lakeward.spec.files import MEMBERS, FilesSpec

PATH = "#path"
_ROWS = "SELECT coalesce(sum(num_rows), 0) FROM parquet_file_metadata([{}])"


class LakeFiles:
    """The files below a folder or a prefix, as tables of the schema ``main``."""

    def __init__(self, listing: Listing, specs: Mapping[str, FilesSpec], secrets: Sequence[str] = ()) -> None:
        self.label = listing.root
        self.secrets = tuple(secrets)
        self._listing, self._specs, self._schemas = listing, specs, Schemas(listing)
        self._sums: dict[tuple[str, str], str] = {}

    @contextmanager
    def fixed(self, con: duckdb.DuckDBPyConnection) -> Iterator[Listed]:
        """The files that are there now, each table a view of its own over them."""
        if isinstance(self._listing, S3Listing):
            use_storage(con, self._listing.access, self.label)
        tables = tables_of(self._listing.files(), self._specs)
        for file in (file for table in tables for file in table.files if file.codec):
            self._checksum(file)  # DuckDB would take one that is cut off for a short one
        groups = {table.name: self._schemas.alike(con, table) for table in tables}
        for table in tables:
            con.execute(f"CREATE VIEW main.{ident(table.name)} AS {view_sql(con, table, groups[table.name])}")
        yield Listed(self._listing, tables, groups, self._checksum)

    def _checksum(self, file: LakeFile) -> str:
        """The sha256 of a file, read whole once for each of its states."""
        key = (file.url, file.state)
        if key not in self._sums:
            self._sums[key] = checksum(self._listing, file)
        return self._sums[key]


class Listed:
    """Tables over a list of files."""

    version = "files"
    alone = False

    def __init__(
        self,
        listing: Listing,
        tables: Sequence[LakeTable],
        groups: Mapping[str, tuple[Alike, ...]],
        checksum_of: Callable[[LakeFile], str],
    ) -> None:
        self._listing, self._tables, self._groups, self._checksum = (
            listing,
            {t.name: t for t in tables},
            groups,
            checksum_of,
        )
        self.snapshot = digest(*(f"{f.key} {f.bytes} {f.state}" for t in tables for f in t.files), length=24)

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Views are seen by every connection."""

    def files(self, table: TablePlan) -> tuple[FileFact, ...]:
        """Every file of a table with its sha256."""
        files = self._tables[table.table].files
        return tuple(FileFact(file.url, 0, file.bytes, self._checksum(file)) for file in files)

    def opened(self, table: TablePlan) -> Iterator[BinaryIO]:
        """Each file's bytes, one after the other."""
        for file in self._tables[table.table].files:
            with closing(self._listing.open(file)) as content:
                yield content

    def check(self) -> None:
        """Whether every file that was listed is there and the same; new ones are the next run's."""
        check_same(self._listing, [file for table in self._tables.values() for file in table.files])

    def describe(self, con: duckdb.DuckDBPyConnection, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """The tables that match, with the columns of all their files."""
        return tuple(
            self._table(con, table)
            for table in self._tables.values()
            if any(fnmatchcase(f"main.{table.name}", pattern) for pattern in patterns)
        )

    def _table(self, con: duckdb.DuckDBPyConnection, table: LakeTable) -> SourceTable:
        rows, adopt = 0, table.spec.adopt == "copy"
        if adopt and (table.format != "parquet" or table.hive or len(self._groups[table.name]) > 1):
            raise SourceError(
                f"{table.name} is to be adopted as it is, which only Parquet files can be that all have the same columns and no partitions.",
                todo=f"Leave `adopt` out under source.files.{table.name}.",
            )
        if table.format == "parquet":
            urls = ", ".join(text(file.url) for file in table.files)
            rows = int(con.execute(_ROWS.format(urls)).fetchall()[0][0])
        return SourceTable(
            schema="main",
            name=table.name,
            kind=table.format,
            columns=tuple(columns_of_all(table, self._groups[table.name])),
            primary_key=(),
            foreign_keys=(),
            has_children=False,
            row_security=False,
            readable=True,
            estimated_rows=rows,
            bytes=sum(file.bytes for file in table.files),
            adopt=adopt,
            system="files",
        )


def columns_of_all(table: LakeTable, groups: Sequence[Alike]) -> Iterator[SourceColumn]:
    """The columns of all files in the order in which they first appear, then the folders' and the record's members."""
    seen: dict[str, SourceColumn] = {}
    for group in groups:
        for column in group.columns:
            first = group.files[0].key
            late = replace(column, nullable=True, comment=f"first in {first}") if groups[0] is not group else column
            seen.setdefault(column.name, late)
    everywhere = {name for name in seen if all(name in {c.name for c in g.columns} for g in groups)}
    yield from (c if c.name in everywhere else replace(c, nullable=True) for c in seen.values())
    yield from (SourceColumn(name, "VARCHAR", "varchar", nullable=True) for name in table.hive)
    for name, kind in table.spec.columns.items() if table.format in {"lines", "json"} else ():
        yield SourceColumn(name, MEMBERS[kind], MEMBERS[kind].lower(), nullable=True)


def view_sql(con: duckdb.DuckDBPyConnection, table: LakeTable, groups: Sequence[Alike]) -> str:
    """One SELECT over all files of a table, with the file of each row as ``PATH``."""
    every = " UNION ALL BY NAME ".join(f"SELECT * FROM {_read(table, group)}" for group in groups)
    if table.format in {"lines", "json"}:
        members = [f"{_member(name, kind)} AS {ident(name)}" for name, kind in table.spec.columns.items()]
        every = f"SELECT {', '.join(('*', *members))} FROM ({every}) WHERE trim(record) <> ''"
    if not table.hive:
        return every
    names = ", ".join(f"{ident(name)} VARCHAR" for name in table.hive)
    con.execute(f"CREATE TABLE main.{ident(f'#folders of {table.name}')} ({ident('#url')} VARCHAR, {names})")
    marks = ", ".join("?" * (len(table.hive) + 1))
    into = f"INSERT INTO main.{ident(f'#folders of {table.name}')} VALUES ({marks})"
    con.executemany(into, [[url, *values] for url, values in table.values.items()])
    return (
        f"SELECT f.*, h.* EXCLUDE ({ident('#url')}) FROM ({every}) AS f "
        f"JOIN main.{ident(f'#folders of {table.name}')} AS h ON f.{ident(PATH)} = h.{ident('#url')}"
    )


def _read(table: LakeTable, group: Alike) -> str:
    urls = ", ".join(text(file.url) for file in group.files)
    common = f"hive_partitioning = false, filename = {text(PATH)}"
    match table.format:
        case "parquet":
            return f"read_parquet([{urls}], {common})"
        case "json":
            return f"(SELECT json AS record, {ident(PATH)} FROM read_json_objects([{urls}], format = 'auto', {common}))"
        case "lines":
            form = "columns = {'record': 'VARCHAR'}, delim = chr(1), quote = '', escape = ''"
            nulls = f"nullstr = '', max_line_size = {_LONGEST}, buffer_size = {2 * _LONGEST}"
            return f"read_csv([{urls}], {form}, header = false, {nulls}, {_STRICT}, {common})"
        case _:
            names = ", ".join(f"{text(column.name)}: 'VARCHAR'" for column in group.columns)
            csv = table.spec.csv
            form = f"columns = {{{names}}}, header = {str(csv.header).lower()}, {csv_options(csv, group.files[0])}"
            nulls = f"nullstr = {text(csv.null)}, allow_quoted_nulls = false"
            return f"read_csv([{urls}], {form}, {nulls}, {_STRICT}, {common})"


_STRICT = "auto_detect = false, strict_mode = true, null_padding = false, ignore_errors = false"
_LONGEST = 16_777_216
"""Bytes of a line of JSON; twice as many are read at once."""


def _member(name: str, kind: str) -> str:
    path = text('$."' + name.replace('"', '\\"') + '"')
    value = value_sql(kind, f"json_type(record, {path})", f"json_extract_string(record, {path})")
    return f"CASE WHEN json_valid(record) THEN {value} END"
