"""The log as it is streamed: whole transactions, spooled table by table until a batch is full."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import psycopg
from psycopg import pq
from psycopg.rows import TupleRow

from lakeward.adapters.postgres import pgoutput
from lakeward.adapters.postgres.session import Session
from lakeward.adapters.postgres.spool import Spool
from lakeward.adapters.postgres.typed import Typing
from lakeward.domain.changes import ChangeBatch, Limits, key_columns, spelled, spooled_columns
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileSet
from lakeward.domain.sql import ident, text
from lakeward.errors import SourceError, SourceLostError

_KEEPALIVE, _BEGIN, _COMMIT, _RELATION, _TRUNCATE, _INSERT, _DELETE, _NEW = b"kBCRTIDN"
_ROWS = frozenset(b"IUD")
HUNG_UP = 10.0
"""Seconds that a server may take to notice that a reader is gone."""
_ALIVE = 10.0
"""Seconds between signs of life; servers wait for 60."""


class PostgresStream:
    """A replication connection that is open; others cannot read from the slot meanwhile."""

    def __init__(self, session: Session, slot: str, tables: Sequence[TablePlan], since: int, folder: Path) -> None:
        self._session, self._slot, self._since, self._folder = session, slot, since, folder
        self._plans = {(t.schema, t.table): t for t in tables}
        self._typing = Typing(session, folder)
        self._spools: dict[int, Spool] = {}
        self._names: dict[str, Spool] = {}
        self._confirmed = since
        self._head = 0
        self._seq = 0
        self._within: pgoutput.Begin | None = None
        self._held: bytes | None = None
        self._lock, self._over = threading.Lock(), threading.Event()

    def __enter__(self) -> Self:
        from lakeward.adapters.postgres.slot import replicating

        self._open = replicating(self._session)
        self._con: psycopg.Connection[TupleRow] = self._open.__enter__()
        start = (
            f"START_REPLICATION SLOT {ident(self._slot)} LOGICAL {spelled(self._since)} "
            f"(proto_version '1', publication_names {text(ident(self._slot))})"
        )
        until = time.monotonic() + HUNG_UP
        while said := self._refused(start):
            if "is active" not in said or time.monotonic() > until:
                self._open.__exit__(None, None, None)
                busy = "Another run reads from it: wait for its end."
                raise SourceError(
                    f"{self._session.label}: the slot {self._slot} can't be read: {said}",
                    todo=busy if "is active" in said else "Look into the server's log.",
                )
            time.sleep(0.2)
        self._con.pgconn.nonblocking = 1
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()
        return self

    def _refused(self, start: str) -> str:
        """Ask for the log; why the server does not give it, or nothing."""
        answer = self._con.pgconn.exec_(start.encode())
        if answer.status == pq.ExecStatus.COPY_BOTH:
            return ""
        return answer.error_message.decode(errors="replace").strip() or "no reason was given"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._beating.join()
        for spool in self._names.values():
            spool.discard()
        self._typing.close()
        self._open.__exit__(kind, error, trace)

    def confirm(self, position: int) -> None:
        """Tell the server that what was committed before is kept."""
        self._confirmed = max(self._confirmed, position)
        self._tell()

    def typed(self, table: TablePlan, rows: FileSet, folder: Path, columns: Sequence[str] = ()) -> FileSet:
        """Rows of text cast by the server."""
        return self._typing.typed(table, rows, folder, columns)

    def refused(self, table: TablePlan, rows: FileSet) -> Sequence[tuple[int, str, str]]:
        """Rows that hold what a guard finds and no policy answers."""
        return self._typing.refused(table, rows)

    def read(self, limits: Limits, until: int = 0) -> ChangeBatch:
        """The next batch."""
        batch = _Batch(self._since, limits)
        while self._take_one(batch, until):
            pass
        end = batch.until
        if until and (self._held or self._head >= until):
            end = until
        elif not batch.transactions and not self._held:
            end = max(end, self._head)
        changed = {name: spool.finish() for name, spool in self._names.items()}
        self._since = end
        return ChangeBatch(
            since=batch.since,
            until=end,
            transactions=batch.transactions,
            changes=batch.changes,
            first_at=batch.first_at,
            last_at=batch.last_at,
            tables={name: found for name, found in changed.items() if found.events or found.emptied},
        )

    def _take_one(self, batch: _Batch, until: int) -> bool:
        """Wait for a message and take it; whether the batch goes on. It always does within a transaction."""
        left = batch.left
        if self._within is None and (batch.full or left <= 0):
            return False
        data, self._held = self._held or self._next(left), None
        if data is None:
            pass
        elif data[0] == _KEEPALIVE:
            self._head, wanted = pgoutput.keepalive(data)
            if wanted:
                self._tell()
        else:
            message = pgoutput.payload(data)
            if until and message[0] == _BEGIN and pgoutput.begin(message).position >= until:
                self._held = data  # of the next batch
                return False
            self._take(message, batch)
        return self._within is not None or not until or self._head < until

    def _next(self, wait: float) -> bytes | None:
        """The next message, waited for at most so long; None when there is none."""
        pgconn = self._con.pgconn
        with self._session.errors("reading the change log"):
            with self._lock:
                size, data = pgconn.get_copy_data(1)
            if size == 0:
                select.select([pgconn.socket], [], [], min(wait, 1.0))
                with self._lock:
                    pgconn.consume_input()
                    size, data = pgconn.get_copy_data(1)
        if size < 0:
            with self._lock:
                answer = pgconn.get_result()
            said = answer.error_message.decode(errors="replace").strip() if answer else ""
            raise SourceLostError(
                f"{self._session.label}: the change log of slot {self._slot} ended: {said or 'the connection was closed'}.",
                todo="The step can be run again; it goes on where the lake is.",
            )
        return bytes(data) if size else None

    def _take(self, data: bytes, batch: _Batch) -> None:
        """One message of the plugin: a change of a row, or what stands around it."""
        kind = data[0]
        batch.bytes += len(data)
        if kind in _ROWS:
            if spool := self._spools.get(pgoutput.oid_of(data)):
                self._change(kind, data, spool, self._step(batch))
        elif kind == _BEGIN:
            self._within = pgoutput.begin(data)
            batch.begin()
        elif kind == _COMMIT:
            batch.commit(self._within, pgoutput.commit_end(data))
            self._within = None
        elif kind == _RELATION:
            self._describe(pgoutput.relation(data))
        elif kind == _TRUNCATE:
            for oid in pgoutput.truncated(data):
                if oid in self._spools:
                    self._step(batch)
                    self._spools[oid].truncate()

    def _change(self, kind: int, data: bytes, spool: Spool, seq: int) -> None:
        spool.weigh(len(data))
        if kind == _INSERT:
            spool.insert(seq, pgoutput.row(data, 6)[0])
        elif kind == _DELETE:
            spool.delete(seq, pgoutput.row(data, 6)[0])
        else:
            old, at = (None, 5) if data[5] == _NEW else pgoutput.row(data, 6)
            spool.update(seq, old, pgoutput.row(data, at + 1)[0])

    def _step(self, batch: _Batch) -> int:
        """The next place in the log; one is left free behind it."""
        batch.changes += 1
        self._seq += 2
        return self._seq

    def _describe(self, relation: pgoutput.Relation) -> None:
        """A table as it is from here on; SourceError when that is not what was planned."""
        plan = self._plans.get((relation.schema, relation.table))
        if plan is None:
            return
        self._typing.check(plan, relation)
        if plan.name not in self._names:
            stem = self._folder / f"{plan.name}-{uuid4().hex[:12]}"
            self._names[plan.name] = Spool(plan.name, spooled_columns(plan), key_columns(plan), stem)
        self._names[plan.name].describe(relation)
        self._spools[relation.oid] = self._names[plan.name]

    def _beat(self) -> None:
        """Show signs of life while a batch is worked on."""
        while not self._over.wait(_ALIVE):
            try:
                self._tell()
            except psycopg.Error:
                return  # the next read says what is the matter

    def _tell(self) -> None:
        with self._lock:
            self._con.pgconn.put_copy_data(pgoutput.status(self._confirmed))
            self._con.pgconn.flush()


class _Batch:
    """What a batch has so far."""

    def __init__(self, since: int, limits: Limits) -> None:
        self.since = self.until = since
        self.transactions = self.changes = self.bytes = 0
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self._limits, self._began, self._patience = limits, time.monotonic(), limits.wait

    @property
    def left(self) -> float:
        """Seconds until the batch is over."""
        return max(0.0, self._began + self._patience.total_seconds() - time.monotonic())

    @property
    def full(self) -> bool:
        """Whether it ends with the next commit."""
        return self.changes >= self._limits.changes or self.bytes >= self._limits.bytes

    def begin(self) -> None:
        """A transaction begins; the time that a batch may take is counted from the first one."""
        if not self.transactions:
            self._began, self._patience = time.monotonic(), self._limits.time

    def commit(self, began: pgoutput.Begin | None, end: int) -> None:
        """A transaction is whole."""
        self.transactions += 1
        self.until = end
        if began:
            self.first_at = self.first_at or began.at
            self.last_at = began.at
