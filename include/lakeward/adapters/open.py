"""Everything that a migration file names, opened; what is heavy is imported only here, inside the call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, cast
from urllib.parse import unquote, urlsplit

from lakeward.adapters.connections import Connection, variable
from lakeward.domain.identity import slot_name
from lakeward.domain.signing import UNSIGNED, Signer, signer_of
from lakeward.errors import SpecError
from lakeward.ports import ChangeLog, Freezer, Lake, Ledger, Ports, Source
from lakeward.spec.models import Followed, Freezable, LandingSpec, Migration, SourceSpec, TargetSpec

if TYPE_CHECKING:
    from sqlalchemy import URL

    from lakeward.adapters.iceberg import IcebergLake
    from lakeward.adapters.ledger import SqlLedger
    from lakeward.adapters.objects import LocalStore, S3Store
    from lakeward.adapters.queried.listing import Listing
    from lakeward.adapters.queried.place import Place

Resolve = Callable[[str], Connection]
"""Gives the connection of an id; SpecError when there is none."""

LEDGER = "lakeward_ledger"
"""Connection id of a ledger that several machines share."""

SIGNING = "lakeward_signing"
"""Connection id of the key that signs evidence: its password; extra ``trusted`` lists other public keys."""

MEMORY = "448MB"
THREADS = 2


@contextmanager
def open_ports(spec: Migration, resolve: Resolve, home: Path) -> Iterator[Ports]:
    """Open source, store, engine, lake, ledger and validator of a migration; all are closed at the end.

    The store is looked at here; source, lake and ledger are opened when they are first used.
    DuckDB is given LAKEWARD_MEMORY (default 448MB) and LAKEWARD_THREADS (default 2), and spills into ``home/tmp``.

    :raises LakewardError: a connection does not exist or is of the wrong type; the store is unreachable.
    """
    from lakeward.adapters.duck import DuckEngine
    from lakeward.adapters.expectations import GxValidator

    source = open_source(spec.source, resolve)
    target = _of_type(resolve(spec.target.connection), {"iceberg"}, "target.connection")
    temp = home / "tmp"
    temp.mkdir(parents=True, exist_ok=True)
    memory, threads = os.environ.get("LAKEWARD_MEMORY", MEMORY), _threads()
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_store(spec.landing, resolve, home)))
        store.check()
        lake = stack.enter_context(_Late(lambda: _lake(target, spec.target)))
        ledger = stack.enter_context(_Late(lambda: open_ledger(resolve, home)))
        yield Ports(
            source=source,
            store=store,
            engine=DuckEngine(threads, memory, temp),
            lake=cast("Lake", lake),
            ledger=cast("Ledger", ledger),
            validator=GxValidator(threads, memory, temp),
            signer=open_signer(resolve),
            log=change_log(spec, resolve, home)
            if isinstance(spec, Followed) and spec.source.kind == "postgres"
            else None,
            timed=getattr(source, "timed", None),
        )


TYPES = {
    "postgres": {"postgres"},
    "mariadb": {"mysql"},
    "duckdb": {"duckdb"},
    "sqlite": {"sqlite"},
    "files": {"aws", "s3", "fs"},
    "iceberg": {"iceberg"},
    "delta": {"aws", "s3", "fs"},
}
"""Types of connections, by kind of source."""


def kind_of(connection: Connection) -> str:
    """The kind of source that a connection leads to; SpecError when it leads to none."""
    for kind, types in TYPES.items():
        if (connection.conn_type or "postgres") in types:
            return kind
    raise SpecError(
        f"Connection `{connection.conn_id}` is of type {connection.conn_type!r}, which is no source.",
        todo=f"Name one of type {', '.join(sorted({t for types in TYPES.values() for t in types}))}.",
    )


def open_source(spec: SourceSpec, resolve: Resolve) -> Source:
    """The system that is read; it is asked for nothing yet."""
    connection = _of_type(resolve(spec.connection), TYPES[spec.kind], "source.connection")
    readers, longest = spec.readers, spec.max_snapshot_age.delta
    if spec.kind == "postgres":
        from lakeward.adapters.postgres import PostgresSource

        return PostgresSource(connection, readers=readers, max_snapshot_age=longest)
    if spec.kind == "mariadb":
        from lakeward.adapters.mariadb import MariaDbSource

        return MariaDbSource(connection, readers=readers, max_snapshot_age=longest)
    from lakeward.adapters.queried.source import QueriedSource

    return QueriedSource(_place(spec, connection), readers=readers, max_snapshot_age=longest)


def _place(spec: SourceSpec, connection: Connection) -> Place:
    if spec.kind == "duckdb":
        from lakeward.adapters.queried.duckdb_file import DuckFile

        return DuckFile(connection)
    if spec.kind == "sqlite":
        from lakeward.adapters.queried.sqlite_file import SqliteFile

        return SqliteFile(connection)
    if spec.kind == "iceberg":
        from lakeward.adapters.queried.iceberg_tables import IcebergTables

        return IcebergTables(connection, spec.path or "")
    if spec.kind == "delta":
        from lakeward.adapters.queried.delta_tables import DeltaTables

        return DeltaTables(_listing(spec, connection), connection.secrets)
    from lakeward.adapters.queried.lake_files import LakeFiles

    return LakeFiles(_listing(spec, connection), spec.files, connection.secrets)


def _listing(spec: SourceSpec, connection: Connection) -> Listing:
    """Where a lake's files lie: `source.path`, below what the connection names."""
    from lakeward.adapters.objects import S3Store
    from lakeward.adapters.queried.listing import LocalListing, S3Listing

    path = spec.path or ""
    if connection.conn_type in {"aws", "s3"}:
        if not path.startswith("s3://"):
            raise SpecError(f"source.path is {path!r}.", todo="Write `s3://bucket/prefix`.")
        return S3Listing(S3Store(path, connection))
    folder = Path(str(connection.extra.get("path") or "/")) / path
    if path.startswith("s3://") or not folder.is_absolute() or folder == Path("/"):
        raise SpecError(
            f"source.path {path!r} leads to no folder through connection `{connection.conn_id}` of type fs.",
            todo='Give the connection an absolute path, as {"conn_type": "fs", "extra": {"path": "/data"}}.',
        )
    return LocalListing(folder)


def change_log(spec: Followed, resolve: Resolve, home: Path) -> Callable[[str], ChangeLog]:
    """Gives the change log of a group."""
    from lakeward.adapters.postgres import PostgresChanges

    source = _of_type(resolve(spec.source.connection), {"postgres"}, "source.connection")

    def of(group: str) -> ChangeLog:
        return PostgresChanges(
            source,
            slot_name(spec.migration, group),
            home / "tmp",
            readers=spec.source.readers,
            max_snapshot_age=spec.source.max_snapshot_age.delta,
        )

    return of


class _Closable(Protocol):
    def close(self) -> None:
        """Give up what is held."""


class _Late:
    """A port that is opened when it is first used, and closed if it was: its libraries take seconds to import."""

    def __init__(self, make: Callable[[], _Closable]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> _Closable:
        return self._make()

    def __getattr__(self, name: str) -> object:
        return getattr(self._made, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "_made" in vars(self):
            self._made.close()


def _lake(connection: Connection, target: TargetSpec) -> IcebergLake:
    from lakeward.adapters.iceberg import IcebergLake, properties_from

    return IcebergLake(properties_from(connection), target.namespace, target.table_prefix, target.file_size.bytes)


def open_store(landing: LandingSpec, resolve: Resolve, home: Path) -> S3Store | LocalStore:
    """The object store that a landing names; a folder that begins with ``./`` lies inside ``home``."""
    from lakeward.adapters.objects import LocalStore, S3Store

    if landing.path.startswith("s3://"):
        if landing.connection is None:
            raise SpecError(
                f"landing.path is {landing.path}, but landing.connection names no connection.",
                todo="Name the id of an Airflow connection of type `aws`.",
            )
        return S3Store(landing.path, _of_type(resolve(landing.connection), {"aws", "s3"}, "landing.connection"))
    if landing.path.startswith("file://"):
        return LocalStore(unquote(urlsplit(landing.path).path))
    folder = Path(os.path.normpath(home / landing.path))
    if landing.path.startswith(".") and not folder.is_relative_to(os.path.normpath(home)):
        raise SpecError(f"landing.path {landing.path} leads out of LAKEWARD_HOME.", todo="Write an absolute path.")
    return LocalStore(folder)


def open_ledger(resolve: Resolve, home: Path) -> SqlLedger:
    """The ledger of the connection ``lakeward_ledger`` (PostgreSQL), else SQLite at ``home/ledger.db``."""
    from sqlalchemy import URL

    from lakeward.adapters.ledger import SqlLedger

    connection = _if_there(resolve, LEDGER)
    if connection is None:
        return SqlLedger(URL.create("sqlite", database=str(home / "ledger.db")))
    return SqlLedger(ledger_url(_of_type(connection, {"postgres"}, LEDGER)))


def open_signer(resolve: Resolve) -> Signer:
    """The key of the connection ``lakeward_signing`` and the keys that it trusts; without the connection, neither."""
    connection = _if_there(resolve, SIGNING)
    return signer_of(connection.password, connection.extra.get("trusted", ())) if connection else UNSIGNED


def open_freezer(spec: Migration, resolve: Resolve) -> Freezer | None:
    """What keeps writers out of the source, if the migration file names it."""
    from lakeward.adapters.freezer import HttpFreezer, ProcedureFreezer

    how = spec.freeze if isinstance(spec, Freezable) else None
    if how is None:
        return None
    kind, types = (HttpFreezer, {"http", "https"}) if how.kind == "http" else (ProcedureFreezer, {"postgres"})
    return kind(_of_type(resolve(how.connection), types, "freeze.connection"), how)


def _if_there(resolve: Resolve, conn_id: str) -> Connection | None:
    """A connection that need not be there; one that is there and can't be read is an error, for going on would hide that."""
    try:
        return resolve(conn_id)
    except SpecError:
        if os.environ.get(variable(conn_id)):
            raise
        return None


def ledger_url(connection: Connection) -> URL:
    """The URL of a PostgreSQL connection; extras that libpq knows (``sslmode``, ...) go along."""
    from sqlalchemy import URL

    return URL.create(
        "postgresql+psycopg",
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host or None,
        port=connection.port,
        database=connection.schema or None,
        query={k: str(v) for k, v in connection.extra.items() if k.startswith("ssl") and isinstance(v, str | int)},
    )


def _of_type(connection: Connection, types: set[str], place: str) -> Connection:
    """The connection; SpecError when it says that it is of another type."""
    if connection.conn_type and connection.conn_type not in types:
        raise SpecError(
            f"Connection `{connection.conn_id}` ({place}) is of type {connection.conn_type!r}.",
            todo=f"It must be of type {' or '.join(sorted(types))}.",
        )
    return connection


def _threads() -> int:
    given = os.environ.get("LAKEWARD_THREADS", str(THREADS))
    if not given.isdigit() or int(given) < 1:
        raise SpecError(f"LAKEWARD_THREADS is {given!r}.", todo="Set it to a number of threads, as 2.")
    return int(given)
