"""MariaDB behind the Source port."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lakeward.adapters.mariadb.catalog import describe
from lakeward.adapters.mariadb.cut import MariaDbCut
from lakeward.adapters.mariadb.session import Session
from lakeward.adapters.mariadb.snapshot import opened
from lakeward.domain.facts import TablePlan
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.sql import ident
from lakeward.errors import SourceError
from lakeward.ports import CutReader, Horizon, SourceIdentity, SourceLoad

if TYPE_CHECKING:
    import pyarrow as pa

    from lakeward.adapters.connections import Connection

_PATH = 60
"""Characters of a folder's path that leave room for a socket's name: that of a socket has at most 107."""


class MariaDbSource:
    """Read one MariaDB server, or one database of it; nothing is ever written to it.

    :param connection: Airflow connection of type `mysql`.
    :param readers: parallel sessions that share the snapshot of a cut; more than one needs the right RELOAD for an instant.
    :param max_snapshot_age: a cut that has held its snapshot for longer is given up.
    """

    def __init__(
        self, connection: Connection, *, readers: int = 2, max_snapshot_age: timedelta = timedelta(hours=2)
    ) -> None:
        self._session = Session(connection)
        self._readers = readers
        self._max_age = max_snapshot_age

    def identity(self) -> SourceIdentity:
        """Who and what answers; SourceError when nobody does, or another server than MariaDB."""
        with self._session.connect() as con, self._session.errors("asking who it is"), con.cursor() as cursor:
            cursor.execute("SELECT version(), current_user(), utc_timestamp(6)")
            version, user, clock = cursor.fetchone() or ("", "", None)
        if "MariaDB" not in str(version):
            raise SourceError(
                f"{self._session.label} runs {version}, which was not tried.", todo="MariaDB 10.6 or newer is needed."
            )
        return SourceIdentity(self._session.label, str(version), str(user), clock.replace(tzinfo=UTC))

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """Every table or view that a ``database.table`` glob matches, sorted by name; system databases never match."""
        with self._session.connect() as con, self._session.errors("reading the catalog"):
            return describe(con, patterns, self._session.database)

    def sample(self, schema: str, table: str, expression: str, limit: int) -> tuple[str | None, ...]:
        """Up to ``limit`` values of an expression, as text."""
        sql = f"SELECT CAST(({expression}) AS CHAR) FROM {ident(schema)}.{ident(table)} LIMIT {limit}"
        with self._session.connect() as con, self._session.errors(f"sampling {schema}.{table}"), con.cursor() as cursor:
            cursor.execute(sql)
            return tuple(None if value is None else str(value) for (value,) in cursor.fetchall())

    def query(self, sql: str) -> pa.Table:
        """Run one SELECT in a read-only transaction of its own."""
        with self.snapshot((), 1) as cut:
            return cut.query(sql)

    def load(self) -> SourceLoad:
        """Sessions that run a statement, but the one that asks; how far replicas are behind is not looked for."""
        with self._session.connect() as con, self._session.errors("looking at the load"), con.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_running'")
            row = cursor.fetchone()
        if row is None:
            raise SourceError(f"{self._session.label} gave no answer about its load.")
        return SourceLoad(max(0, int(row[1]) - 1), None)

    def horizon(self) -> Horizon:
        """The server's clock; other people's transactions are not looked for."""
        now = self.identity().clock
        return Horizon(now, now, known=False)

    @contextmanager
    def cut(self, tables: Sequence[TablePlan] = ()) -> Iterator[CutReader]:
        """Hold one snapshot in every reader's session for as long as the block lasts, and the tables as they are."""
        with self.snapshot(tables) as cut:
            yield cut

    @contextmanager
    def snapshot(self, tables: Sequence[TablePlan] = (), readers: int = 0) -> Iterator[MariaDbCut]:
        """As ``cut``, with so many readers; default as many as the source was given."""
        with ExitStack() as stack:
            spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="lakeward-"))
            short = None if len(tempfile.gettempdir()) < _PATH else "/tmp"  # noqa: S108 - a folder of its own in it
            doors = stack.enter_context(tempfile.TemporaryDirectory(prefix="lakeward-", dir=short))
            snapshot = stack.enter_context(opened(self._session, tables, readers or self._readers, self._max_age))
            cut = MariaDbCut(self._session, snapshot, datetime.now(UTC) + self._max_age, spill, doors)
            stack.callback(cut.close)
            yield cut
            cut.check()
