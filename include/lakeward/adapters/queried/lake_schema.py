"""What columns each file has; late ones and changed types are told by file and name, and so is what DuckDB does not read exactly."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import duckdb

from lakeward.adapters.queried.columns import columns_of
from lakeward.adapters.queried.lake_tables import LakeTable
from lakeward.adapters.queried.listing import LakeFile, Listing, begin
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import text
from lakeward.errors import SourceError
from lakeward.spec.files import CsvSpec

_SCHEMA = "SELECT name, num_children, type, converted_type, precision, logical_type FROM parquet_schema({})"
_BOM = {"utf-8": "utf-8-sig"}
_NANO_UTC, _NANO_TIME = "TimestampType(isAdjustedToUTC=1", "TimeType("


@dataclass(frozen=True, slots=True)
class Alike:
    """Files that have the same columns in the same order."""

    columns: tuple[SourceColumn, ...]
    files: tuple[LakeFile, ...]


class Schemas:
    """Columns of files, each looked at once."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._seen: dict[tuple[str, str], tuple[SourceColumn, ...]] = {}

    def alike(self, con: duckdb.DuckDBPyConnection, table: LakeTable) -> tuple[Alike, ...]:
        """A table's files by their columns, in the order of the files.

        :raises SourceError: a column has another type in another file, or is called as a folder's.
        """
        found: dict[tuple[SourceColumn, ...], list[LakeFile]] = {}
        for file in table.files:
            key = (file.url, file.state)
            if key not in self._seen:
                self._seen[key] = tuple(_look(con, self._listing, table, file))
            found.setdefault(self._seen[key], []).append(file)
        groups = tuple(Alike(columns, tuple(files)) for columns, files in found.items())
        _check(table, groups)
        return groups


def _look(con: duckdb.DuckDBPyConnection, listing: Listing, table: LakeTable, file: LakeFile) -> Iterator[SourceColumn]:
    match table.format:
        case "parquet":
            inexact = dict(_inexact(con.execute(_SCHEMA.format(text(file.url))).fetchall()))
            for column in columns_of(con, f"read_parquet({text(file.url)}, hive_partitioning = false)"):
                odd = inexact.get(column.name)
                yield replace(column, type=odd, base="inexact", exact="") if odd else column
        case "csv":
            for name in csv_names(listing, table, file):
                yield SourceColumn(name, "VARCHAR", "varchar", nullable=True)
        case _:
            yield SourceColumn("record", "JSON", "json", nullable=False)


def csv_names(listing: Listing, table: LakeTable, file: LakeFile) -> Sequence[str]:
    """What the columns of a CSV file are called; SourceError when that can't be told."""
    spec = table.spec.csv
    if not spec.header:
        return spec.columns
    first = io.StringIO(begin(listing, file).decode(_BOM.get(spec.encoding, spec.encoding), "replace"), newline="")
    quote = {"quotechar": spec.quote} if spec.quote else {"quoting": csv.QUOTE_NONE}
    names = next(csv.reader(first, delimiter=delimiter_of(spec, file), **quote), [])
    if not names or not all(names) or len({name.lower() for name in names}) != len(names):
        raise SourceError(
            f"{file.url}: its first line does not name its columns, each once: {', '.join(names) or 'it is empty'}.",
            todo=f"Mend it, or say `csv: {{header: false, columns: [...]}}` under source.files.{table.name}.",
        )
    return names


def delimiter_of(spec: CsvSpec, file: LakeFile) -> str:
    """A tab in files that say so by their name."""
    return "\t" if spec.delimiter == "," and ".tsv" in file.key.rpartition("/")[2].lower() else spec.delimiter


def csv_options(spec: CsvSpec, file: LakeFile) -> str:
    """Options of DuckDB's reader."""
    delimiter = text(delimiter_of(spec, file))
    return f"delim = {delimiter}, quote = {text(spec.quote)}, escape = {text(spec.quote)}, encoding = {text(spec.encoding)}"


def _inexact(
    rows: Sequence[tuple[str, int | None, str | None, str | None, int | None, str | None]],
) -> Iterator[tuple[str, str]]:
    """Top columns of a Parquet file that hold, at any depth, what DuckDB rounds without a word."""
    at = 1  # after the root
    for _ in range(rows[0][1] or 0):
        name, left = rows[at][0], 1
        while left:
            _, children, kind, converted, precision, logical = rows[at]
            left += (children or 0) - 1
            nano = "NanoSeconds()" in (logical or "") and (_NANO_UTC in str(logical) or _NANO_TIME in str(logical))
            if kind == "INT96":
                yield name, "INT96"
            elif converted == "DECIMAL" and (precision or 0) > 38:
                yield name, f"DECIMAL of {precision} digits"
            elif nano:
                yield name, f"{'instant' if _NANO_UTC in str(logical) else 'time'} in nanoseconds"
            at += 1


def _check(table: LakeTable, groups: Sequence[Alike]) -> None:
    seen: dict[str, tuple[SourceColumn, LakeFile]] = {}
    for group in groups:
        for column in group.columns:
            first, file = seen.setdefault(column.name, (column, group.files[0]))
            if first.type != column.type:
                raise SourceError(
                    f"{table.name}: column {column.name!r} is {first.type} in {file.key} and {column.type} in {group.files[0].key}.",
                    todo="Write one of them anew, or make two tables of them under `source.files`.",
                )
            if column.name.lower() in {name.lower() for name in table.hive}:
                raise SourceError(
                    f"{table.name}: {column.name!r} is a column of {group.files[0].key} and a folder's name too.",
                    todo=f"Write `hive: false` under source.files.{table.name}: then the column counts.",
                )
