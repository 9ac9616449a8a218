"""A group's slot and publication: made, looked at, dropped; and cuts whose snapshot is tied to a position of the log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
from psycopg import conninfo
from psycopg.rows import TupleRow

from lakeward.adapters.postgres.session import Session
from lakeward.adapters.postgres.source import PostgresSource
from lakeward.adapters.postgres.stream import HUNG_UP, PostgresStream
from lakeward.domain.changes import SlotState, position, spelled
from lakeward.domain.facts import TablePlan
from lakeward.domain.sql import ident, text
from lakeward.errors import SourceError
from lakeward.ports import CutReader

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection

_STATE = """
SELECT confirmed_flush_lsn::text, pg_current_wal_insert_lsn()::text,
  coalesce(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn), 0)::bigint, active, coalesce(wal_status, '') = 'lost'
FROM pg_replication_slots WHERE slot_name = %s
"""


class PostgresChanges:
    """The change log of one group of a PostgreSQL database.

    :param name: of slot and publication.
    :param folder: where batches are spooled.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        folder: Path,
        *,
        readers: int = 2,
        max_snapshot_age: timedelta = timedelta(hours=2),
    ) -> None:
        self._connection, self._name, self._folder = connection, name, folder
        self._session = Session(connection)
        self._readers, self._max_age = readers, max_snapshot_age

    def source(self, *, lasting: bool) -> TiedSource:
        """The source, whose cuts are tied to a position; ``lasting``: the slot is made anew with each."""
        return TiedSource(
            self._connection,
            readers=self._readers,
            max_snapshot_age=self._max_age,
            slot=self._name if lasting else "",
        )

    def state(self) -> SlotState | None:
        """The slot as it is; None when there is none."""
        with self._session.connect() as con, self._session.errors("looking at the slot"):
            return slot_state(con, self._name)

    @contextmanager
    def stream(self, tables: Sequence[TablePlan], since: int) -> Iterator[PostgresStream]:
        """Read on from a position."""
        found = self.state()
        if found is None or found.lost:
            what = "is gone" if found is None else "was given up by the server, which kept no more WAL for it"
            raise SourceError(
                f"{self._session.label}: the slot {self._name} {what}; changes since {spelled(since)} can't be read any more.",
                todo="Begin anew with `lakeward run --new`: it loads the group once more, and everything is compared.",
            )
        if found.confirmed > since:
            raise SourceError(
                f"{self._session.label}: the slot {self._name} was read by somebody else up to {spelled(found.confirmed)}, "
                f"and the lake has changes up to {spelled(since)} only.",
                todo="Begin anew with `lakeward run --new`: what lies between can't be read any more.",
            )
        with PostgresStream(self._session, self._name, tables, since, self._folder) as stream:
            yield stream


def slot_state(con: psycopg.Connection[TupleRow], name: str) -> SlotState | None:
    """A slot as the server's catalog tells it."""
    row = con.execute(_STATE, (name,)).fetchone()
    con.rollback()
    if row is None:
        return None
    return SlotState(name, position(row[0] or ""), position(row[1]), int(row[2]), bool(row[3]), bool(row[4]))


@contextmanager
def replicating(session: Session) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection that speaks the replication protocol, and SQL too; not read-only, since slots are made by it."""
    with session.errors("connecting for replication"):
        made = conninfo.make_conninfo(session.conninfo(default_transaction_read_only="off"), replication="database")
        con = psycopg.connect(made, autocommit=True)
    try:
        yield con
    finally:
        con.close()


def drop_slot(con: psycopg.Connection[TupleRow], name: str) -> None:
    """Drop a slot if it is there; a reader that has just hung up is waited for."""
    sql = f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = {text(name)} AND active".encode()
    until = time.monotonic() + HUNG_UP
    while con.execute(sql).fetchone() and time.monotonic() < until:
        time.sleep(0.1)
    gone = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = "
    con.execute(f"{gone}{text(name)}".encode())


class TiedSource(PostgresSource):
    """A PostgreSQL source whose cuts are taken where the log of a slot begins.

    Every transaction that was committed before that position is seen by the cut, and no other: the server itself makes sure of it
    when it makes a slot, by waiting for whatever is under way.
    :param slot: made anew with each cut; without one a slot is made that ends with the cut.
    """

    def __init__(
        self, connection: Connection, *, readers: int = 2, max_snapshot_age: timedelta = timedelta(hours=2), slot: str
    ) -> None:
        super().__init__(connection, readers=readers, max_snapshot_age=max_snapshot_age)
        self._slot = slot

    @contextmanager
    def cut(self, tables: Sequence[TablePlan] = ()) -> Iterator[CutReader]:
        """Hold a snapshot open that is tied to a position of the log."""
        name, kind = self._slot or f"lakeward_look_{uuid4().hex[:16]}", "" if self._slot else "TEMPORARY "
        with replicating(self._session) as con, self._session.connect(self._max_age) as holder:
            snapshot, begins = self._make(con, name, kind, tables)
            with self.entered(holder, snapshot, tables, begins) as reader:
                yield reader

    def _make(
        self, con: psycopg.Connection[TupleRow], name: str, kind: str, tables: Sequence[TablePlan]
    ) -> tuple[str, int]:
        """Make the slot; its snapshot, which lasts as long as the connection is left alone, and where its log begins."""
        with self._session.errors(f"making the slot {name}"):
            if self._slot:
                self._publish(con, tables)
                drop_slot(con, name)
            make = f"CREATE_REPLICATION_SLOT {ident(name)} {kind}LOGICAL pgoutput (SNAPSHOT 'export')"
            row = con.execute(make.encode()).fetchone()
        if row is None:
            raise SourceError(f"{self._session.label} exported no snapshot with the slot {name}.")
        return str(row[2]), position(str(row[1]))

    def _publish(self, con: psycopg.Connection[TupleRow], tables: Sequence[TablePlan]) -> None:
        """Make the publication, or see that the one that is there has these tables."""
        wanted = {f"{ident(t.schema)}.{ident(t.table)}" for t in tables}
        name = text(self._slot)
        listed = ", ".join(sorted(wanted))
        make = (
            f"CREATE PUBLICATION {ident(self._slot)} FOR TABLE {listed} "
            "WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)"
        )
        if not con.execute(f"SELECT 1 FROM pg_publication WHERE pubname = {name}".encode()).fetchone():
            try:
                con.execute(make.encode())
            except psycopg.errors.InsufficientPrivilege:
                raise SourceError(
                    f"{self._session.label}: there is no publication {self._slot}, and this role may not make it.",
                    todo=f"Let the owner of the tables run: {make};",
                ) from None
        found = con.execute(
            f"SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = {name}".encode()
        ).fetchall()
        there = {f"{ident(str(schema))}.{ident(str(table))}" for schema, table in found}
        if missing := sorted(wanted - there):
            add = f"ALTER PUBLICATION {ident(self._slot)} ADD TABLE {', '.join(missing)}"
            try:
                con.execute(add.encode())
            except psycopg.errors.InsufficientPrivilege:
                raise SourceError(
                    f"{self._session.label}: the publication {self._slot} lacks {', '.join(missing)}.",
                    todo=f"Let its owner run: {add};",
                ) from None
