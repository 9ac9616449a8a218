"""One snapshot, many readers: every statement here sees the source as it was at one instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import psycopg
from psycopg.rows import TupleRow

from lakeward.adapters.duck_setup import connect, load_extension, use_storage
from lakeward.adapters.landing import Tally, copied, of_store
from lakeward.adapters.postgres.catalog import describe
from lakeward.adapters.postgres.session import Session, milliseconds
from lakeward.domain.facts import LandedColumn, TablePlan
from lakeward.domain.file_facts import FileFact, StorageAccess
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.sql import ident, text
from lakeward.errors import SourceError
from lakeward.ports import Progress

if TYPE_CHECKING:
    import pyarrow as pa

_PAGE = 8192
_MIN_SHARE = 4096
"""Pages (32 MB) below which a table is not shared out among readers."""

_LISTED = 64
"""Width up to which the spaces of a padded column are looked up."""


class SnapshotReader:
    """Lands tables and takes figures inside one exported snapshot."""

    def __init__(
        self,
        session: Session,
        *,
        snapshot: str,
        taken_at: datetime,
        deadline: datetime,
        readers: int,
        spill: str,
        holder: psycopg.Connection[TupleRow],
    ) -> None:
        self._session = session
        self._holder = holder
        self._deadline = deadline
        self._readers = readers
        self.snapshot = snapshot
        self.taken_at = taken_at
        self._duck = connect("512MB", readers, spill)
        load_extension(self._duck, "postgres_scanner")
        with session.errors("connecting"):
            limited = session.limited(deadline - datetime.now(UTC))
            self._duck.execute(f"ATTACH {text(limited)} AS src (TYPE postgres, READ_ONLY)")

    def close(self) -> None:
        """Let go of every connection."""
        self._duck.close()

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """What the catalog tells in the snapshot."""
        with self._session.errors("reading the catalog"):
            return describe(self._holder, patterns)

    def files(self, _: TablePlan) -> tuple[FileFact, ...]:
        """A server's tables are no files of anybody's."""
        return ()

    def query(self, sql: str) -> pa.Table:
        """Run one SELECT of ours and hand out its (small) result."""
        with self._open() as con, self._session.errors("taking figures"):
            return con.execute(f"SELECT * FROM postgres_query('src', {text(sql)})").to_arrow_table()

    def export(self, sql: str, url: str, access: StorageAccess) -> tuple[FileFact, ...]:
        """Write the rows of one SELECT of ours as Parquet files below ``url``."""
        if "://" not in url:
            Path(url).mkdir(parents=True, exist_ok=True)
        with self._open() as con:
            use_storage(con, access, url)
            with self._session.errors("taking fingerprints"), of_store(access, url):
                return copied(con, f"SELECT * FROM postgres_query('src', {text(sql)})", url)

    def land(
        self, table: TablePlan, url: str, access: StorageAccess, progress: Progress, only: str = ""
    ) -> tuple[FileFact, ...]:
        """Write the table's rows as Parquet files below ``url``; ``only`` those that fulfil a condition of ours."""
        parts = [(_scan(table), url)] if table.scan else self._shares(table, url)
        parts = [(_select(table, only), url)] if only else parts
        done = Tally(table, progress)
        for _, to in parts:
            if "://" not in to:
                Path(to).mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(len(parts)) as pool:
            landed = [pool.submit(self._copy, table, sql, to, access, done) for sql, to in parts]
            return tuple(file for future in landed for file in future.result())

    def _shares(self, table: TablePlan, url: str) -> list[tuple[str, str]]:
        """The table's pages shared out among the readers, each with a SELECT and a folder of its own."""
        pages = 0
        if table.ctid:
            size = self.query(
                f"SELECT pg_relation_size({text(f'{ident(table.schema)}.{ident(table.table)}')}::regclass) AS bytes"
            )
            pages = size.column("bytes")[0].as_py() // _PAGE
        count = self._readers if pages >= _MIN_SHARE else 1
        if count == 1:
            return [(_select(table, ""), url)]
        edges = [pages * n // count for n in range(1, count)]
        ranges = zip([None, *edges], [*edges, None], strict=True)
        return [(_select(table, _pages(low, high)), f"{url}/part{n}") for n, (low, high) in enumerate(ranges)]

    def _copy(self, table: TablePlan, sql: str, url: str, access: StorageAccess, done: Tally) -> tuple[FileFact, ...]:
        with self._open() as con:
            use_storage(con, access, url)
            with self._session.errors(f"reading {table.label}"), of_store(access, url), done.watching(con):
                return copied(con, sql, url)

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection inside the snapshot; the server ends its statements when the snapshot has grown too old."""
        left = self._deadline - datetime.now(UTC)
        if left <= timedelta(0):
            raise self._too_old()
        con = self._duck.cursor()
        try:
            con.execute("SET TimeZone = 'UTC'")
            with self._session.errors("entering the cut's snapshot"):
                con.execute("BEGIN TRANSACTION")
                for setting in (
                    f"SET TRANSACTION SNAPSHOT {text(self.snapshot)}",
                    f"SET LOCAL statement_timeout = {milliseconds(left)}",
                ):
                    con.execute(f"CALL postgres_execute('src', {text(setting)})")
            yield con
        except SourceError:
            if datetime.now(UTC) >= self._deadline:
                raise self._too_old() from None
            raise
        finally:
            with suppress(duckdb.Error):  # when the server is gone, closing an open transaction ends the whole process
                con.execute("ROLLBACK")
            con.close()

    def _too_old(self) -> SourceError:
        return SourceError(
            f"{self._session.label}: the cut's snapshot, taken at {self.taken_at:%Y-%m-%d %H:%M:%S} UTC, has been open for longer "
            "than source.max_snapshot_age; it was given up so that vacuum can go on.",
            todo="Raise source.max_snapshot_age or source.readers, or split the group.",
        )


def _scan(table: TablePlan) -> str:
    columns = ", ".join(f"{_scanned(c)} AS {ident(c.source)}" for c in table.columns)
    return f"SELECT {columns} FROM src.{ident(table.schema)}.{ident(table.table)}"


def _scanned(column: LandedColumn) -> str:
    name = ident(column.source)
    if column.pad:
        return _padded(name, column.pad)
    return f"{name}::VARCHAR" if column.type in {"string", "json"} else name


def _padded(name: str, width: int) -> str:
    """A ``char(n)`` with its padding, which the scanner trims; looking the spaces up takes half the time of ``rpad``."""
    if width > _LISTED:
        return f"rpad({name}, {width}, ' ')"
    spaces = ", ".join(text(" " * (width - length)) for length in range(width + 1))
    return f"{name} || [{spaces}][length({name}) + 1]"


def _select(table: TablePlan, extra: str) -> str:
    """The source's own SELECT, with exact expressions, wrapped for DuckDB."""
    columns = ", ".join(f"{c.expression} AS {ident(c.source)}" for c in table.columns)
    inner = f"SELECT {columns} FROM {ident(table.schema)}.{ident(table.table)} {table.where(extra)}"
    return f"SELECT * FROM postgres_query('src', {text(inner)})"


def _pages(low: int | None, high: int | None) -> str:
    terms = [f"ctid >= '({low},0)'::tid"] if low is not None else []
    if high is not None:
        terms.append(f"ctid < '({high},0)'::tid")
    return " AND ".join(terms)
