"""How lakeward talks to a PostgreSQL server: pinned settings, read only, and errors that say what to do without the password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb
import psycopg
from psycopg import conninfo
from psycopg.rows import TupleRow

from lakeward.errors import LakewardError, SourceError, SourceLostError, redact

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
}
"""Pinned, so that a value's text does not depend on the role or the server."""

_LIBPQ_EXTRAS = frozenset(
    {
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "target_session_attrs",
        "gssencmode",
        "channel_binding",
        "hostaddr",
    }
)

_ADVICE = (
    ("password authentication failed", "Check login and password of the connection."),
    ("SET TRANSACTION SNAPSHOT", "The session that held the snapshot is gone; the step can be run again."),
    ("does not exist", "Check the names in the migration file and the connection's database."),
    ("permission denied", "Grant it: `lakeward doctor` prints the least GRANTs."),
    ("Connection refused", "Check host and port of the connection, and that the server is up."),
    ("could not translate host name", "Check the connection's host."),
    ("failed to resolve host", "Check the connection's host."),
    ("no pg_hba.conf entry", "Let this host in by pg_hba.conf, or set `sslmode` in the connection's extra."),
    ("during recovery", "Point the connection at the primary: a standby exports no snapshot."),
    ("server closed the connection", "The server went away; the step can be run again."),
    ("terminating connection", "The server ended the session; the step can be run again."),
    ("out of range", "A value does not fit the declared type: give it a wider one under `types`."),
    ("overflow", "A value does not fit the declared type: give it a wider one under `types`."),
)

_LOST = (
    "server closed the connection",
    "terminating connection",
    "Connection refused",
    "connection to server was lost",
    "no connection to the server",
    "SSL SYSCALL",
    "Connection reset",
    "SET TRANSACTION SNAPSHOT",
)


class Session:
    """Opens connections to one database for psycopg and for DuckDB alike."""

    def __init__(self, connection: Connection) -> None:
        self._secrets = (connection.password,)
        port = connection.port or 5432
        database = connection.schema or "postgres"
        self.label = f"{connection.host or 'localhost'}:{port}/{database}"
        extras = {k: str(v) for k, v in connection.extra.items() if k in _LIBPQ_EXTRAS}
        self._parameters = extras | {
            "host": connection.host or "localhost",
            "port": str(port),
            "dbname": database,
            "user": connection.login or "",
            "password": connection.password or "",
            "connect_timeout": str(connection.extra.get("connect_timeout", 10)),
            "application_name": "lakeward",
        }

    def conninfo(self, **settings: str) -> str:
        """What libpq connects by, the pinned settings included; it holds the password."""
        options = " ".join(f"-c {name}={value}" for name, value in (_SETTINGS | settings).items())
        given = {name: value for name, value in self._parameters.items() if value}
        return conninfo.make_conninfo(**given, options=options)

    def limited(self, age: timedelta) -> str:
        """As ``conninfo``, with no statement running for longer than ``age``."""
        return self.conninfo(statement_timeout=str(max(1, int(age.total_seconds() * 1000))))

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """Open a read-only connection; its transaction ends with the block."""
        with self.errors("connecting"):
            con = psycopg.connect(self.conninfo())
        try:
            yield con
        finally:
            con.close()

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn a driver's error into a SourceError that names the server and what to do, and never the password."""
        try:
            yield
        except (psycopg.Error, duckdb.Error) as error:
            raise self.explain(error, doing) from None

    def explain(self, error: Exception, doing: str) -> LakewardError:
        """The SourceError for a driver's error."""
        said = redact(str(error), self._secrets).strip()
        todo = next((advice for sign, advice in _ADVICE if sign in said), "Look into the server's log.")
        kind = SourceLostError if any(sign in said for sign in _LOST) else SourceError
        return kind(f"{self.label}, {doing}: {said}", todo=todo)
