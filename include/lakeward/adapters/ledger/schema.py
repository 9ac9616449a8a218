"""Opening the database: its engine, and its tables brought to the newest revision by whoever comes first."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from lakeward.errors import LakeError, redact

BUSY = 30.0
"""Seconds that a writer waits for another one."""

LOCK = 0x1A4E3A8D
"""Number of the advisory lock under which PostgreSQL's tables are migrated."""


def open_engine(url: URL) -> Engine:
    """An engine whose tables are of the newest revision.

    :raises LakeError: unreachable, refused, or written by a newer lakeward.
    """
    backend = url.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise LakeError(f"The ledger can't be kept in {backend}.", todo="Use SQLite or PostgreSQL.")
    try:
        with told(url, "open"):
            return _open_sqlite(url) if backend == "sqlite" else _open_postgres(url)
    except CommandError as error:
        raise LakeError(
            f"The ledger at {shown(url)} was written by another version of lakeward: {error}.",
            todo="Use the newest lakeward that ever opened this ledger.",
        ) from None


def shown(url: URL) -> str:
    """The URL without its password."""
    return url.render_as_string(hide_password=True)


@contextmanager
def told(url: URL, doing: str) -> Iterator[None]:
    """Turn the driver's errors into LakeError, without the password."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise LakeError(
            f"The ledger at {shown(url)} did not let us {doing}: {redact(' '.join(cause), [str(url.password or '')])}.",
            todo="Check the connection `lakeward_ledger`, or the folder LAKEWARD_HOME when there is none.",
        ) from None


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise LakeError("A ledger in SQLite needs a file.", todo="Use MemoryLedger for one that is forgotten.")
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    # No pool: a connection never outlives the call, so that forked workers share none.
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY})
    event.listen(engine, "connect", _leave_transactions_to_us)
    event.listen(engine, "begin", _begin)
    # Switching to WAL is refused at once, not waited for, while another process has the file open.
    with path.with_name(f"{path.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with closing(sqlite3.connect(path, timeout=BUSY)) as plain:
            plain.execute("PRAGMA journal_mode=WAL")
        with engine.execution_options(writes=True).begin() as connection:
            _upgrade(connection)
    return engine


def _open_postgres(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        _upgrade(connection)
    return engine


def _leave_transactions_to_us(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    """Writers take their place at once: a reader that wants to write later may be refused without waiting."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _upgrade(connection: Connection) -> None:
    """Bring the tables to the newest revision, in the transaction of the connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    there = MigrationContext.configure(connection, opts={"version_table": "lakeward_version"}).get_current_heads()
    if set(there) != set(scripts.get_heads()):
        command.upgrade(config, "head")
