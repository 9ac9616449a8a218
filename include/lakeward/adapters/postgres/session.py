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

from lakeward.adapters.postgres.silence import hang_up_on, hung_up_after
from lakeward.adapters.refusals import FULL, is_full
from lakeward.errors import LakeError, LakewardError, SourceError, SourceLostError, redact

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "on",
    "row_security": "off",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
}
"""Pinned, so that a value's text does not depend on the role or the server, and that no policy hides rows: it is an error then.

Not lc_monetary, which says how many decimals a stored amount has: money is read as numeric under the server's own."""

LOCK_TIMEOUT = 20_000
"""Milliseconds that are waited behind somebody who alters a table; the connection's extra `lock_timeout` says otherwise."""

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

_KEEPALIVE = {"keepalives_idle": 60, "keepalives_interval": 15, "keepalives_count": 4, "tcp_user_timeout": 120_000}
"""A server that is gone is noticed within two minutes, also while nothing is sent; extras of the connection say otherwise."""

PATIENCE = timedelta(minutes=10)
"""How long planning may wait for a statement."""

_ADVICE = (
    (
        "Out of Memory Error",
        "Its rows are too large for the memory of extraction: lower `max_value` of its flatten rules, or `drop` the column.",
    ),
    ("password authentication failed", "Check login and password of the connection."),
    ('ERROR:  snapshot "', "The session that held the cut's snapshot has ended; the step can be run again."),
    ("SET TRANSACTION SNAPSHOT", "The session that held the cut's snapshot has ended; the step can be run again."),
    ("does not exist", "Check the names in the migration file and the connection's database."),
    ("row-level security", "Use a role with BYPASSRLS, or one that owns the table: else it may not see every row."),
    ("permission denied", "Grant it: `lakeward doctor` prints the least GRANTs."),
    ("Connection refused", "Check host and port of the connection, and that the server is up."),
    ("could not translate host name", "Check the connection's host."),
    ("failed to resolve host", "Check the connection's host."),
    ("no pg_hba.conf entry", "Let this host in by pg_hba.conf, or set `sslmode` in the connection's extra."),
    ("during recovery", "Point the connection at the primary: a standby exports no snapshot."),
    ("Connection reset", "The network or the server went away; the step can be run again."),
    ("timeout expired", "Check host and port of the connection, and the network between; the step can be run again."),
    ("server closed the connection", "The server went away; the step can be run again."),
    (
        "lock timeout",
        "Somebody alters, truncates or drops a table, or waits to: let that finish, then run the step again.",
    ),
    ("the connection is closed", "The server ended the session; the step can be run again."),
    ("connection to server was lost", "The server went away; the step can be run again."),
    ("starting up", "The server is starting; the step can be run again in a moment."),
    ("replication slots are in use", "Raise max_replication_slots of the server, or drop slots that nobody reads."),
    (
        "requires wal_level",
        "Set wal_level = logical and restart the server: its log is not complete enough to be read.",
    ),
    (
        "permission denied to use replication",
        "Let a superuser run: ALTER ROLE ... REPLICATION, for the connection's role.",
    ),
    ("shutting down", "The server is being stopped; run the step again when it is back."),
    ("No space left on device", "A disk is full: make room where the message says, then run the step again."),
    (
        "invalid memory alloc request",
        "A value is too large for the server itself to turn into text; drop or mend it at the source.",
    ),
    ("terminating connection", "The server ended the session; the step can be run again."),
    ("out of range", "A value does not fit the declared type: give it a wider one under `types`."),
    (
        "invalid input syntax for type",
        "A value is not of the type that is asked of it: mend it at the source, or declare another one (under `types`, or the KPI's `sql.columns`).",
    ),
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


def milliseconds(age: timedelta) -> int:
    """What ``statement_timeout`` takes: at least 1 (0 is without end), at most what fits into 32 bits."""
    return min(max(1, int(age.total_seconds() * 1000)), 2**31 - 1)


class Session:
    """Opens connections to one database for psycopg and for DuckDB alike."""

    def __init__(self, connection: Connection) -> None:
        self._secrets = (connection.password,)
        port = connection.port or 5432
        database = connection.schema or "postgres"
        self.label = f"{connection.host or 'localhost'}:{port}/{database}"
        extras = {k: str(v) for k, v in connection.extra.items() if k in _LIBPQ_EXTRAS}
        self._own = {"lock_timeout": str(int(str(connection.extra.get("lock_timeout", LOCK_TIMEOUT))))}
        self._parameters = (
            extras
            | {
                "host": connection.host or "localhost",
                "port": str(port),
                "dbname": database,
                "user": connection.login or "",
                "password": connection.password or "",
                "connect_timeout": str(connection.extra.get("connect_timeout", 10)),
                "application_name": "lakeward",
            }
            | {name: str(connection.extra.get(name, usual)) for name, usual in _KEEPALIVE.items()}
        )

    def conninfo(self, **settings: str) -> str:
        """What libpq connects by, the pinned settings included; it holds the password."""
        pinned = _SETTINGS | self._own | settings
        options = " ".join(f"-c {name}={value}" for name, value in pinned.items())
        given = {name: value for name, value in self._parameters.items() if value}
        return conninfo.make_conninfo(**given, options=options)

    def limited(self, age: timedelta) -> str:
        """As ``conninfo``, with no statement running for longer than ``age``."""
        return self.conninfo(statement_timeout=str(milliseconds(age)))

    @contextmanager
    def connect(self, patience: timedelta = PATIENCE) -> Iterator[psycopg.Connection[TupleRow]]:
        """Open a read-only connection; its transaction ends with the block, which is cut off when it takes too long."""
        with self.errors("connecting"):
            con = psycopg.connect(self.conninfo())
        server = con.info.hostaddr, con.info.port
        try:
            with hung_up_after(patience.total_seconds(), lambda: hang_up_on(*server)):
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
        if is_full(said) and "ERROR:" not in said:  # DuckDB, writing the landing or spilling, and not the server
            return LakeError(
                f"{doing} of {self.label}, the landing or the disk for spill files has no room: {said}", todo=FULL
            )
        todo = next((advice for sign, advice in _ADVICE if sign in said), "Look into the server's log.")
        kind = SourceLostError if any(sign in said for sign in _LOST) else SourceError
        return kind(f"{self.label}, {doing}: {said}", todo=todo)
