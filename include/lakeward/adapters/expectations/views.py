"""Staged files as DuckDB views, and the keys of failing rows as Parquet files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from lakeward.adapters.duck_setup import alive, use_storage
from lakeward.domain.duck import duck_type
from lakeward.domain.file_facts import FileFact, FileSet
from lakeward.domain.sql import ident, text

FIRST = 20
"""So many failing keys are named in a result; the file has all of them."""


def create_views(con: duckdb.DuckDBPyConnection, inputs: Mapping[str, FileSet]) -> dict[str, str]:
    """One view per table, under a name that needs no quoting anywhere; table to view."""
    names = {table: f"rows_{number}" for number, table in enumerate(sorted(inputs))}
    for table, files in inputs.items():
        for url in files.urls:
            use_storage(con, files.access, url)
        con.execute(f"CREATE VIEW {names[table]} AS {_select(con, names[table], files)}")
    return names


def keep_rows(con: duckdb.DuckDBPyConnection, sql: str, params: Sequence[object], url: str) -> FileFact:
    """Write what the SQL selects as one Parquet file, in bounded memory; duckdb.Error when it can't be done."""
    if "://" not in url:
        Path(url).parent.mkdir(parents=True, exist_ok=True)
    options = "FORMAT parquet, COMPRESSION zstd, RETURN_STATS"
    found = con.execute(f"COPY ({sql}) TO {text(url)} ({options})", list(params)).fetchone()
    return FileFact(url, rows=int(found[1]) if found else 0, bytes=int(found[2]) if found else 0)


def first_rows(con: duckdb.DuckDBPyConnection, url: str, keys: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
    """The first rows of such a file in the order of their columns, as ``key=1, line=2 (price=-3.00)``."""
    columns = list(dict.fromkeys([*keys, *values]))
    chosen = ", ".join(f"{ident(c)}::VARCHAR" for c in columns)
    order = ", ".join(ident(c) for c in columns)
    rows = con.execute(f"SELECT {chosen} FROM read_parquet({text(url)}) ORDER BY {order} LIMIT {FIRST}").fetchall()
    return tuple(_told(dict(zip(columns, row, strict=True)), keys) for row in rows)


def _told(row: Mapping[str, str | None], keys: Sequence[str]) -> str:
    said = {name: f"{name}={'null' if value is None else value}" for name, value in row.items()}
    key = ", ".join(said[name] for name in keys)
    rest = ", ".join(said[name] for name in said if name not in keys)
    return f"{key} ({rest})" if key and rest else key or rest


def _select(con: duckdb.DuckDBPyConnection, name: str, files: FileSet) -> str:
    if files.urls:
        return f"SELECT r.* FROM {alive(con, name, files)}"
    columns = ", ".join(f"NULL::{duck_type(kind)} AS {ident(name)}" for name, kind in files.columns)
    return f"SELECT {columns} WHERE false"
