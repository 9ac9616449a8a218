"""One snapshot, many readers: every statement here sees the source as it was at one instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
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

MEMORY = "512MB"
"""Of DuckDB while it reads and lands rows."""
_PAGE = 8192
_MIN_SHARE = 4096
"""Pages (32 MB) below which a table is not shared out among readers."""

_SLOTS = 4096
"""More than a page has rows."""

_LISTED = 64
"""Width up to which the spaces of a padded column are looked up."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of a table between two places, a place being a page's number times ``_SLOTS`` and one's in the page; and where they are written."""

    url: str
    only: str
    low: int | None = None
    high: int | None = None

    def sql(self, table: TablePlan) -> str:
        """The SELECT."""
        terms = [f"({self.only})"] if self.only else []
        terms += [
            f"ctid {comparison} '({place // _SLOTS},{place % _SLOTS})'::tid"
            for comparison, place in ((">=", self.low), ("<", self.high))
            if place is not None
        ]
        return _scan(table) if self.scans(table) else _select(table, " AND ".join(terms))

    def scans(self, table: TablePlan) -> bool:
        """Whether DuckDB's scanner reads it, in parallel; else it is one stream."""
        return table.scan and not self.only and self.low is None and self.high is None


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
        position: int = 0,
    ) -> None:
        self._session = session
        self._holder = holder
        self._deadline = deadline
        self._readers = readers
        self.snapshot = snapshot
        self.taken_at = taken_at
        self.position = position
        # Who asks for a stream of one task computes it in a thread of its own: if a worker of DuckDB's did, the asker would spin till it is done.
        self._streams, self._scans = (self._attached(threads, spill) for threads in (1, readers))

    def _attached(self, threads: int, spill: str) -> duckdb.DuckDBPyConnection:
        duck = connect(MEMORY, threads, spill)
        load_extension(duck, "postgres_scanner")
        with self._session.errors("connecting"):
            limited = self._session.limited(self._deadline - datetime.now(UTC))
            duck.execute(f"ATTACH {text(limited)} AS src (TYPE postgres, READ_ONLY)")
        return duck

    def close(self) -> None:
        """Let go of every connection."""
        self._streams.close()
        self._scans.close()

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """What the catalog tells in the snapshot."""
        with self._session.errors("reading the catalog"):
            return describe(self._holder, patterns)

    def files(self, _: TablePlan) -> tuple[FileFact, ...]:
        """A server's tables are no files of anybody's."""
        return ()

    def query(self, sql: str) -> pa.Table:
        """Run one SELECT of ours and hand out its (small) result."""
        with self._open(self._streams) as con, self._session.errors("taking figures"):
            return con.execute(f"SELECT * FROM postgres_query('src', {text(sql)})").to_arrow_table()

    def export(self, sql: str, url: str, access: StorageAccess) -> tuple[FileFact, ...]:
        """Write the rows of one SELECT of ours as Parquet files below ``url``."""
        if "://" not in url:
            Path(url).mkdir(parents=True, exist_ok=True)
        with self._open(self._streams) as con:
            use_storage(con, access, url)
            with self._session.errors("taking fingerprints"), of_store(access, url):
                return copied(con, f"SELECT * FROM postgres_query('src', {text(sql)})", url)

    def land(
        self, table: TablePlan, url: str, access: StorageAccess, progress: Progress, only: str = ""
    ) -> tuple[FileFact, ...]:
        """Write the table's rows as Parquet files below ``url``; ``only`` those that fulfil a condition of ours."""
        parts, done = self._shares(table, _Part(url, only)), Tally(table, progress)
        with ThreadPoolExecutor(len(parts)) as pool:
            landed = [pool.submit(self._copy, table, part, access, done) for part in parts]
            return tuple(file for future in landed for file in future.result())

    def _shares(self, table: TablePlan, whole: _Part) -> list[_Part]:
        """The table's pages shared out among the readers; DuckDB's scanner does that by itself."""
        if whole.only or table.scan or not table.ctid or (pages := self._pages(table)) < _MIN_SHARE:
            return [whole]
        edges = [pages * n // self._readers * _SLOTS for n in range(1, self._readers)]
        ranges = zip([None, *edges], [*edges, None], strict=True)
        return [_Part(f"{whole.url}/part{n}", "", low, high) for n, (low, high) in enumerate(ranges)]

    def _pages(self, table: TablePlan) -> int:
        size = f"SELECT pg_relation_size({text(f'{ident(table.schema)}.{ident(table.table)}')}::regclass) AS bytes"
        return int(self.query(size).column("bytes")[0].as_py()) // _PAGE

    def _copy(self, table: TablePlan, part: _Part, access: StorageAccess, done: Tally) -> tuple[FileFact, ...]:
        """Write a part; in halves, and these in halves, where its values are too large to be read 2,048 rows at a time."""
        if "://" not in part.url:
            Path(part.url).mkdir(parents=True, exist_ok=True)
        with self._open(self._scans if part.scans(table) else self._streams) as con:
            use_storage(con, access, part.url)
            with self._session.errors(f"reading {table.label}"), of_store(access, part.url), done.watching(con):
                try:
                    return copied(con, part.sql(table), part.url)
                except duckdb.OutOfMemoryException:
                    if not (halves := self._halves(table, part)):
                        raise
        return tuple(file for half in halves for file in self._copy(table, half, access, done))

    def _halves(self, table: TablePlan, part: _Part) -> list[_Part]:
        """Two parts of a part; none of one row, nor of what has no places."""
        if not table.ctid:
            return []
        low, high = part.low or 0, part.high or self._pages(table) * _SLOTS
        middle = (low + high) // 2
        if middle <= low:
            return []
        first, second = replace(part, url=f"{part.url}/a", high=middle), replace(part, url=f"{part.url}/b", low=middle)
        return [first, second]

    @contextmanager
    def _open(self, duck: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection inside the snapshot; the server ends its statements when the snapshot has grown too old."""
        left = self._deadline - datetime.now(UTC)
        if left <= timedelta(0):
            raise self._too_old()
        con = duck.cursor()
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
    if column.pad == 1:
        return f"CASE WHEN {name} = '' THEN ' ' ELSE {name} END"
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
