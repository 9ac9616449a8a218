"""What is read of one snapshot: DuckDB writes the rows, MariaDB reckons, both in sessions that see the same."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb
from pymysql.constants import FIELD_TYPE

from lakeward.adapters.duck_setup import connect, load_extension, use_storage
from lakeward.adapters.landing import Tally, copied, of_store
from lakeward.adapters.mariadb.catalog import describe
from lakeward.adapters.mariadb.relay import Relay
from lakeward.adapters.mariadb.session import Server, Session
from lakeward.adapters.mariadb.snapshot import Snapshot
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact, StorageAccess
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.sql import ident, text
from lakeward.errors import SourceError, SourceLostError
from lakeward.ports import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

T = TypeVar("T")
_SETTINGS = """
SET GLOBAL mysql_tinyint1_as_boolean = false; SET GLOBAL mysql_bit1_as_boolean = false; SET GLOBAL mysql_query_timeout_enabled = false;
SET GLOBAL mysql_enable_transactions = false; SET GLOBAL mysql_pool_size = 1; SET GLOBAL mysql_pool_acquire_mode = 'wait';
SET GLOBAL mysql_pool_enable_reaper_thread = false; SET GLOBAL mysql_pool_connection_idle_timeout_millis = 0
"""
"""For every connection of DuckDB's: one of the server for each session, which is kept, and values as they are."""
_DUCK = {"json": "VARCHAR", "string": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "binary": "BLOB", "uuid": "UUID", "timestamptz": "TIMESTAMPTZ"}  # fmt: skip
_AS_IT_IS = frozenset({"int", "long", "float", "double", "boolean", "binary"})
"""Types whose values DuckDB's scanner reads exactly; all others travel as texts."""
_WHOLE = frozenset({FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR})  # fmt: skip
_MOMENTS = {FIELD_TYPE.DATE: "DATE", FIELD_TYPE.DATETIME: "TIMESTAMP", FIELD_TYPE.TIMESTAMP: "TIMESTAMP", FIELD_TYPE.TIME: "TIME"}  # fmt: skip
_BYTES = 63
"""The character set of what is no text."""


class MariaDbCut:
    """Lands tables and takes figures inside one snapshot; each of its sessions does one thing at a time.

    :param doors: a folder that nobody else may enter, for the sockets at which sessions are lent.
    """

    def __init__(self, session: Session, snapshot: Snapshot, deadline: datetime, spill: str, doors: str) -> None:
        self._session, self._holder, self._deadline = session, snapshot.holder, deadline
        self.snapshot, self.taken_at = snapshot.name, snapshot.taken_at
        self.position = 0
        self._turn = threading.Lock()
        self._free: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._duck = connect("512MB", max(2, len(snapshot.readers)), spill)
        load_extension(self._duck, "mysql_scanner")
        self._duck.execute(_SETTINGS)
        self._relays: dict[str, Relay] = {}
        for n, end in enumerate(snapshot.readers):
            self._lend(f"src{n}", end, Path(doors) / f"s{n}")
        left = max(0.0, (deadline - datetime.now(UTC)).total_seconds())
        self._timer = threading.Timer(left, self._hang_up)
        self._timer.daemon = True
        self._timer.start()

    def _lend(self, name: str, end: Server, path: Path) -> None:
        kill = partial(self._session.kill, end.thread_id())  # type: ignore[no-untyped-call]
        self._relays[name] = Relay(end._sock, path, str(end.server_version), kill)  # type: ignore[attr-defined]
        self._duck.execute(
            f"ATTACH {text(f'host=localhost socket={path} user=lakeward')} AS {name} (TYPE mysql, READ_ONLY)"
        )
        self._free.put(name)

    @property
    def readers(self) -> int:
        """How many sessions share the snapshot."""
        return len(self._relays)

    def close(self) -> None:
        """Let go of every session."""
        self._timer.cancel()
        self._hang_up()
        self._duck.close()

    def _hang_up(self) -> None:
        for relay in self._relays.values():
            relay.close()

    def check(self) -> None:
        """Whether the snapshot, and the tables, were held to the end."""
        if any(relay.lost for relay in self._relays.values()):
            raise SourceLostError(
                f"{self._session.label}: a session that held the cut's snapshot has ended.", todo="Run the step again."
            )
        self._ask_holder("SELECT 1", _fields)

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """What the catalog tells; tables of the cut stay as they are."""
        with self._turn, self._session.errors("reading the catalog"):
            return describe(self._holder, patterns, self._session.database)

    def files(self, _: TablePlan) -> tuple[FileFact, ...]:
        """A server's tables are no files of anybody's."""
        return ()

    def query(self, sql: str) -> pa.Table:
        """Run one SELECT of ours and hand out its (small) result."""
        told = self._typed(sql)
        with self._open() as (con, name), self._session.errors("taking figures"):
            return con.execute(told(name)).to_arrow_table()

    def export(self, sql: str, url: str, access: StorageAccess) -> tuple[FileFact, ...]:
        """Write the rows of one SELECT of ours as Parquet files below ``url``."""
        if "://" not in url:
            Path(url).mkdir(parents=True, exist_ok=True)
        told = self._typed(sql)
        with self._open() as (con, name):
            use_storage(con, access, url)
            with self._session.errors("taking fingerprints"), of_store(access, url):
                return copied(con, told(name), url)

    def land(
        self, table: TablePlan, url: str, access: StorageAccess, progress: Progress, only: str = ""
    ) -> tuple[FileFact, ...]:
        """Write the table's rows as Parquet files below ``url``; ``only`` those that fulfil a condition of ours."""
        if "://" not in url:
            Path(url).mkdir(parents=True, exist_ok=True)
        sent, read = [], []
        for n, column in enumerate(table.columns):
            plain = column.type in _AS_IT_IS
            sent.append(f"{column.expression if plain else f'CAST({column.expression} AS CHAR)'} AS c{n}")
            read.append(
                f"CAST({_zoned(f'c{n}', column.type)} AS {_DUCK.get(column.type, column.type.upper())}) AS {ident(column.source)}"
            )
        inner = f"SELECT {', '.join(sent)} FROM {ident(table.schema)}.{ident(table.table)} {table.where(only)}"
        with self._open() as (con, name):
            use_storage(con, access, url)
            watched = Tally(table, progress).watching(con)
            with self._session.errors(f"reading {table.label}"), of_store(access, url), watched:
                return copied(con, f"SELECT {', '.join(read)} FROM {_asked(name, inner)}", url)

    def _typed(self, sql: str) -> Callable[[str], str]:
        """The SELECT for DuckDB, by the types that the server tells of its columns: decimals and texts travel as texts."""
        sent, read = [], []
        for n, (column, kind, scale, charset) in enumerate(
            self._ask_holder(f"SELECT * FROM ({sql}) AS told LIMIT 0", _fields)
        ):
            name = ident(column)
            plain = (
                kind in _WHOLE
                or kind in {FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE}
                or (kind not in _MOMENTS and kind != FIELD_TYPE.NEWDECIMAL and charset == _BYTES)
            )
            to = f"DECIMAL(38,{scale})" if kind == FIELD_TYPE.NEWDECIMAL else _MOMENTS.get(kind, "VARCHAR")
            sent.append(f"{name if plain else f'CAST({name} AS CHAR)'} AS c{n}")
            read.append(f"{f'c{n}' if plain else f'CAST(c{n} AS {to})'} AS {ident(column)}")
        inner = f"SELECT {', '.join(sent)} FROM ({sql}) AS told"
        return lambda name: f"SELECT {', '.join(read)} FROM {_asked(name, inner)}"

    def _ask_holder(self, sql: str, told: Callable[..., T]) -> T:
        with self._turn, self._session.errors("asking for the types of figures"), self._holder.cursor() as cursor:
            cursor.execute(sql)
            return told(cursor)

    @contextmanager
    def _open(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """A connection of DuckDB's, and the name by which it reaches a session that is free."""
        name = self._free.get()
        try:
            if datetime.now(UTC) >= self._deadline:
                raise self._too_old()
            con = self._duck.cursor()
            try:
                con.execute("SET TimeZone = 'UTC'")
                yield con, name
            except SourceError:
                if datetime.now(UTC) >= self._deadline:
                    raise self._too_old() from None
                if self._relays[name].lost:
                    raise SourceLostError(
                        f"{self._session.label}: the connection broke, and with it the cut's snapshot was lost.",
                        todo="Run the step again when the server is back.",
                    ) from None
                raise
            finally:
                with suppress(duckdb.Error):
                    con.close()
        finally:
            self._free.put(name)

    def _too_old(self) -> SourceError:
        return SourceError(
            f"{self._session.label}: the cut's snapshot, taken at {self.taken_at:%Y-%m-%d %H:%M:%S} UTC, has been open for longer "
            "than source.max_snapshot_age; it was given up so that the server can purge old rows.",
            todo="Raise source.max_snapshot_age or source.readers, or split the group.",
        )


def _fields(cursor: object) -> list[tuple[str, int, int, int]]:
    found = cursor._result.fields  # type: ignore[attr-defined]
    return [(f.name, f.type_code, f.scale, f.charsetnr) for f in found]


def _zoned(name: str, kind: str) -> str:
    return f"({name} || '+00')" if kind == "timestamptz" else name


def _asked(name: str, sql: str) -> str:
    return f"mysql_query({text(name)}, {text(sql)})"
