"""One snapshot in several sessions: each begins its transaction while nobody may commit, which takes an instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pymysql

from lakeward.adapters.mariadb.session import Server, Session
from lakeward.domain.facts import TablePlan
from lakeward.domain.sql import ident
from lakeward.errors import SourceError

_BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
_AT = "SHOW STATUS LIKE 'binlog_snapshot_%'"
_DENIED = 1227
"""The server's number for a right that is missing."""
_WAIT = 10
"""Seconds that writers may be kept waiting behind a statement that runs for long."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Sessions that see the same, and one that holds the tables as they are and reads the catalog."""

    holder: Server
    readers: tuple[Server, ...]
    name: str
    taken_at: datetime


@contextmanager
def opened(session: Session, tables: Sequence[TablePlan], readers: int, age: timedelta) -> Iterator[Snapshot]:
    """A snapshot for so many readers; for one alone, where the role has no right to RELOAD."""
    with ExitStack() as stack:
        holder = stack.enter_context(session.connect(age))
        ends = [stack.enter_context(session.connect(age)) for _ in range(readers)]
        with session.errors("opening a snapshot"):
            _hold(holder, tables)
            with _still(session, needed=readers > 1) as still:
                ends = ends if still else ends[:1]
                places = {_begun(end) for end in ends}
                taken_at = datetime.now(UTC)
        if len(places) != 1:
            raise SourceError(f"{session.label}: two sessions saw different states.", todo="Run the step again.")
        yield Snapshot(holder, tuple(ends), places.pop() or f"{taken_at:%Y-%m-%dT%H:%M:%S.%fZ}", taken_at)


@contextmanager
def _still(session: Session, *, needed: bool) -> Iterator[bool]:
    """Let nobody commit, where that is needed and permitted: tells whether."""
    if not needed:
        yield False
        return
    with session.connect() as locker:
        held = _locked(session, locker)
        yield held
        if held:
            _asked(locker, "UNLOCK TABLES")


def _locked(session: Session, locker: Server) -> bool:
    """Whether nobody can commit until ``UNLOCK TABLES``."""
    try:
        _asked(locker, f"SET SESSION lock_wait_timeout = {_WAIT}")
        _asked(locker, "FLUSH TABLES WITH READ LOCK")
    except pymysql.Error as error:
        if error.args and error.args[0] == _DENIED:
            return False
        raise session.explain(error, "waiting for an instant without writers") from None
    return True


def _begun(end: Server) -> str:
    """Begin; where the snapshot lies in the server's binary log, if it writes one."""
    _asked(end, _BEGIN)
    return ":".join(str(value) for _, value in _asked(end, _AT) if value)


def _hold(holder: Server, tables: Sequence[TablePlan]) -> None:
    """Who has read of a table in an open transaction keeps others from altering, emptying or dropping it.

    A table that is gone is left to whoever compares the catalog with the plan.
    """
    _asked(holder, "START TRANSACTION READ ONLY")
    for table in tables:
        try:
            _asked(holder, f"SELECT 1 FROM {ident(table.schema)}.{ident(table.table)} LIMIT 0")
        except pymysql.err.ProgrammingError as error:
            if error.args[0] != pymysql.constants.ER.NO_SUCH_TABLE:
                raise


def _asked(end: Server, sql: str) -> Sequence[tuple[object, ...]]:
    with end.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
