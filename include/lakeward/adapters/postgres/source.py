"""PostgreSQL behind the Source port."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import TupleRow

from lakeward.adapters.postgres.catalog import describe
from lakeward.adapters.postgres.cut import SnapshotReader
from lakeward.adapters.postgres.locks import lock, lock_late, lockable
from lakeward.adapters.postgres.session import Session, milliseconds
from lakeward.domain.facts import TablePlan
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.sql import ident, text
from lakeward.errors import SourceError
from lakeward.ports import CutReader, Horizon, SourceIdentity, SourceLoad

if TYPE_CHECKING:
    import pyarrow as pa

    from lakeward.adapters.connections import Connection

OLDEST = 140000
"""The oldest server that is read, in PostgreSQL's own numbering: infinity in numeric came with 14."""

_OPEN = """
SELECT now() AS at,
  least(now(), min(xact_start) FILTER (WHERE pid <> pg_backend_pid()),
    (SELECT min(prepared) FROM pg_prepared_xacts WHERE database = current_database())) AS oldest,
  count(*) FILTER (WHERE query = '<insufficient privilege>') = 0 AS known
FROM pg_stat_activity WHERE datname = current_database() AND backend_type NOT IN ('autovacuum worker', 'walsender')
"""
"""Now is when this statement's own transaction began: whoever begins later is later than it."""

_GRACE = timedelta(seconds=30)
"""How long a server is waited for that does not end a statement whose time is over."""

_LOAD = """
SELECT count(*) FILTER (WHERE state = 'active' AND application_name <> 'lakeward'), (SELECT max(replay_lag) FROM pg_stat_replication)
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""


class PostgresSource:
    """Read one PostgreSQL database; nothing is ever written to it.

    :param connection: Airflow connection; extras are passed to libpq (``sslmode``, ``sslrootcert``, ...).
    :param readers: parallel readers in the snapshot of a cut.
    :param max_snapshot_age: a cut that has held its snapshot for longer is given up.
    """

    def __init__(
        self, connection: Connection, *, readers: int = 2, max_snapshot_age: timedelta = timedelta(hours=2)
    ) -> None:
        self._session = Session(connection)
        self._readers = readers
        self._max_age = max_snapshot_age

    def identity(self) -> SourceIdentity:
        """Who and what answers; SourceError when nobody does."""
        with self._session.connect() as con:
            row = con.execute("SELECT current_setting('server_version'), current_user, clock_timestamp()").fetchone()
        if row is None:
            raise SourceError(f"{self._session.label} gave no answer about itself.")
        return SourceIdentity(self._session.label, str(row[0]), str(row[1]), row[2])

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """Every table or view that a ``schema.table`` glob matches, sorted by name; system schemas never match."""
        with self._session.connect() as con, self._session.errors("reading the catalog"):
            return describe(con, patterns)

    def sample(self, schema: str, table: str, expression: str, limit: int) -> tuple[str | None, ...]:
        """Up to ``limit`` values of an expression, as text, in the order that the table is stored in."""
        statement = f"SELECT ({expression})::text FROM {ident(schema)}.{ident(table)} LIMIT {limit}"
        with self._session.connect() as con, self._session.errors(f"sampling {schema}.{table}"):
            return tuple(row[0] for row in con.execute(statement.encode()).fetchall())

    def query(self, statement: str) -> pa.Table:
        """Run one SELECT in a read-only transaction of its own."""
        with self.cut() as cut:
            return cut.query(statement)

    def timed(self, statement: str, limit: timedelta) -> float:
        """Seconds that one SELECT takes until its last row is fetched, read only; SourceError when they are more than the limit."""
        with self._session.connect(limit + _GRACE) as con, self._session.errors("timing a report"):
            con.execute(f"SET LOCAL statement_timeout = {milliseconds(limit)}".encode())
            began = time.monotonic()
            with con.cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)".encode()) as rows:
                for _ in rows:
                    pass
            return time.monotonic() - began

    def horizon(self) -> Horizon:
        """The server's clock, and when the oldest transaction began that is open: also of those that have written nothing yet."""
        with self._session.connect() as con, self._session.errors("looking for open transactions"):
            row = con.execute(_OPEN).fetchone()
        if row is None:
            raise SourceError(f"{self._session.label} gave no answer about open transactions.")
        return Horizon(row[0].astimezone(UTC), row[1].astimezone(UTC), bool(row[2]))

    def load(self) -> SourceLoad:
        """Sessions of others that run a statement, and the replica that is furthest behind."""
        with self._session.connect() as con, self._session.errors("looking at the load"):
            row = con.execute(_LOAD).fetchone()
        if row is None:
            raise SourceError(f"{self._session.label} gave no answer about its load.")
        return SourceLoad(int(row[0]), row[1])

    @contextmanager
    def cut(self, tables: Sequence[TablePlan] = ()) -> Iterator[CutReader]:
        """Hold one exported snapshot open for as long as the block lasts, and the tables as they are."""
        with self._session.connect(self._max_age) as holder:
            with self._session.errors("opening a snapshot"):
                self._check_age_of(holder)
                early = lockable(holder, tables) if tables else []
                holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                lock(holder, early)
                row = holder.execute("SELECT pg_export_snapshot(), clock_timestamp()").fetchone()
                lock_late(holder, [t for t in tables if t not in early])
            if row is None:
                raise SourceError(f"{self._session.label} exported no snapshot.")
            with self._read(holder, str(row[0]), row[1]) as reader:
                yield reader

    @contextmanager
    def entered(
        self, holder: psycopg.Connection[TupleRow], snapshot: str, tables: Sequence[TablePlan], position: int
    ) -> Iterator[CutReader]:
        """As ``cut``, in a snapshot that was exported elsewhere, at a position of the change log."""
        with self._session.errors("entering a snapshot"):
            self._check_age_of(holder)
            holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            holder.execute(f"SET TRANSACTION SNAPSHOT {text(snapshot)}".encode())
            row = holder.execute("SELECT clock_timestamp()").fetchone()
            lock_late(holder, tables)
        if row is None:
            raise SourceError(f"{self._session.label} does not tell the time.")
        with self._read(holder, snapshot, row[0], position) as reader:
            yield reader

    def _check_age_of(self, holder: psycopg.Connection[TupleRow]) -> None:
        if holder.info.server_version < OLDEST:
            raise SourceError(
                f"{self._session.label} runs PostgreSQL {holder.info.server_version // 10000}.",
                todo="PostgreSQL 14 or newer is needed.",
            )

    @contextmanager
    def _read(
        self, holder: psycopg.Connection[TupleRow], snapshot: str, at: datetime, position: int = 0
    ) -> Iterator[CutReader]:
        with tempfile.TemporaryDirectory(prefix="lakeward-") as spill:
            reader = SnapshotReader(
                self._session,
                snapshot=snapshot,
                taken_at=at.astimezone(UTC),
                deadline=datetime.now(UTC) + self._max_age,
                readers=self._readers,
                spill=spill,
                holder=holder,
                position=position,
            )
            try:
                yield reader
            finally:
                reader.close()
        with self._session.errors("making sure that the cut's snapshot was held to the end"):
            holder.execute("SELECT")
