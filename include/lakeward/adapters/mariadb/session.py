"""How lakeward talks to a MariaDB server: pinned settings, read only, and errors that say what to do without the password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import duckdb
import pymysql

from lakeward.adapters.refusals import FULL, is_full
from lakeward.domain.spelling.mariadb import SESSION
from lakeward.errors import LakeError, LakewardError, SourceError, SourceLostError, redact

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection

Server: TypeAlias = "pymysql.connections.Connection[pymysql.cursors.Cursor]"

LOCK_TIMEOUT = 20
"""Seconds that are waited behind somebody who alters a table; the connection's extra `lock_timeout` says otherwise."""
PATIENCE = timedelta(minutes=10)
"""How long planning may wait for a statement."""
_GRACE = 10
_QUOTED = "sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,ANSI_QUOTES'"
"""As ``SESSION`` says, and double quotes are of names."""
_IDLE = "idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0"
"""A transaction may wait for its turn, however little patience the server has with others."""
_SSL = {"ca": "ca", "cert": "cert", "key": "key"}

_ADVICE = (
    ("Access denied for user", "Check login and password of the connection, and the rights: `lakeward doctor` prints the least GRANTs."),
    ("command denied", "Grant it: `lakeward doctor` prints the least GRANTs."),
    ("Lock wait timeout", "Somebody alters, truncates or drops a table, or a statement runs for long: let that finish, then run the step again."),
    ("max_statement_time", "Raise source.max_snapshot_age or source.readers, or split the group."),
    ("definition has changed", "A table was altered just when the cut's snapshot was taken: run the step again."),
    ("doesn't exist", "Check the names in the migration file; tables are written `database.table`."),
    ("Can't connect", "Check host and port of the connection, and that the server is up."),
    ("Out of range", "A value does not fit the declared type: give it a wider one under `types`."),
)  # fmt: skip
_LOST = ("Lost connection", "gone away", "Can't connect", "Connection reset", "Connection was killed", "Broken pipe")


class Session:
    """Opens connections to one server.

    Extras of the connection: `ssl` (as Airflow has it, with `ca`, `cert`, `key`), `connect_timeout`, `lock_timeout`.
    """

    def __init__(self, connection: Connection) -> None:
        self.database = connection.schema
        host, port = connection.host or "localhost", connection.port or 3306
        self.label = f"{host}:{port}/{connection.schema}" if connection.schema else f"{host}:{port}"
        self._secrets = connection.secrets
        ssl = connection.extra.get("ssl")
        wait = int(str(connection.extra.get("lock_timeout", LOCK_TIMEOUT)))
        self._settings = f"SET SESSION {SESSION}, {_QUOTED}, lock_wait_timeout = {wait}"
        self._given: dict[str, object] = {
            "host": host,
            "port": port,
            "user": connection.login,
            "password": connection.password,
            "database": connection.schema or None,
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": int(str(connection.extra.get("connect_timeout", 10))),
            "ssl": {_SSL[k]: str(v) for k, v in ssl.items() if k in _SSL} if isinstance(ssl, dict) else None,
        }

    def open(self, age: timedelta = PATIENCE) -> Server:
        """A connection with our settings, on which no statement runs for longer than ``age``."""
        seconds = max(1, int(age.total_seconds()))
        with self.errors("connecting"):
            con: Server = pymysql.connect(**self._given, read_timeout=seconds + _GRACE)  # type: ignore[call-overload]
            with con.cursor() as cursor:
                patient = ", ".join(f"{name} = {seconds + _GRACE}" for name in ("wait_timeout", "net_write_timeout"))
                cursor.execute(f"{self._settings}, max_statement_time = {seconds}, {patient}, {_IDLE}")
                cursor.execute("SET SESSION TRANSACTION READ ONLY")
        return con

    @contextmanager
    def connect(self, age: timedelta = PATIENCE) -> Iterator[Server]:
        """As ``open``; closed with the block."""
        con = self.open(age)
        try:
            yield con
        finally:
            with suppress(pymysql.Error):
                con.close()

    def kill(self, thread: int) -> None:
        """End the statement that another of our connections runs."""
        with suppress(LakewardError, pymysql.Error), self.connect() as con, con.cursor() as cursor:
            cursor.execute(f"KILL QUERY {thread}")

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn a driver's error into a SourceError that names the server and what to do, and never the password."""
        try:
            yield
        except (pymysql.Error, duckdb.Error) as error:
            raise self.explain(error, doing) from None

    def explain(self, error: Exception, doing: str) -> LakewardError:
        """The SourceError for a driver's error."""
        said = redact(str(error), self._secrets).strip()
        if is_full(said):
            return LakeError(f"{doing} of {self.label}, a disk has no room: {said}", todo=FULL)
        todo = next((advice for sign, advice in _ADVICE if sign in said), "Look into the server's log.")
        kind = SourceLostError if any(sign in said for sign in _LOST) else SourceError
        return kind(f"{self.label}, {doing}: {said}", todo=todo)
