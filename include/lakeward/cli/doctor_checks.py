"""What `lakeward doctor` looks at, one system each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from lakeward.cli.doctor import SKEW_FAILS, SKEW_WARNS, Check
from lakeward.cli.session import now
from lakeward.domain.sql import ident

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection
    from lakeward.domain.source_facts import SourceTable
    from lakeward.ports import ObjectStore

_NAMED = 5


def look_at_source(connection: Connection, tables: str, grants: list[str]) -> Iterator[Check]:
    """Version, clock, tables that can be read, row security; the GRANTs go to ``grants``."""
    from lakeward.adapters.postgres import PostgresSource

    source = PostgresSource(connection)
    before = now()
    who = source.identity()
    yield Check("reached", "ok", f"{who.label} as {who.user}")
    yield _clock(who.clock, before)
    with source.cut() as cut:
        yield Check("snapshot", "ok", f"PostgreSQL {who.server_version} exports snapshots ({cut.snapshot})")
    found = source.describe([tables])
    grants += _grants(who.user, found, who.label)
    if not found:
        yield Check("tables", "fail", f"no table matches {tables}", f"GRANT USAGE ON SCHEMA ... TO {ident(who.user)};")
        return
    yield _rights(found)
    if hidden := [t.label for t in found if t.row_security]:
        todo = f"ALTER ROLE {ident(who.user)} BYPASSRLS; or leave them out."
        yield Check("row security", "warn", f"may hide rows of {_some(hidden)}", todo)
    yield from _keyless(found)


def look_at_mariadb(connection: Connection, tables: str, grants: list[str]) -> Iterator[Check]:
    """Version, clock, tables that can be read and have a snapshot, and whether several sessions may share one."""
    from lakeward.adapters.mariadb import MariaDbSource

    source = MariaDbSource(connection)
    before = now()
    who = source.identity()
    yield Check("reached", "ok", f"{who.label} as {who.user}, {who.server_version}")
    yield _clock(who.clock, before)
    found = source.describe([tables])
    user = "@".join(f"'{part}'" for part in who.user.split("@"))
    names = sorted({t.schema for t in found} or {connection.schema or "..."})
    grants += [f"-- {who.label}", *(f"GRANT SELECT ON {_backticked(name)}.* TO {user};" for name in names)]
    grants += [f"GRANT RELOAD ON *.* TO {user}; -- for an instant at the beginning of each cut"]
    with source.snapshot() as cut:
        shared = cut.readers > 1
        told = "several sessions share one" if shared else "one session reads alone"
        todo = "" if shared else "GRANT RELOAD, or be content with one reader: several must begin while nobody commits."
        yield Check("snapshot", "ok" if shared else "warn", f"{told} ({cut.snapshot})", todo)
    if not found:
        yield Check("tables", "fail", f"no table matches {tables}", "Run the GRANTs below.")
        return
    yield _rights(found)
    if others := [f"{t.label} ({t.kind})" for t in found if t.kind != "table"]:
        yield Check(
            "engines",
            "warn",
            f"without a snapshot: {_some(others)}",
            "ALTER TABLE ... ENGINE = InnoDB; or leave them out.",
        )
    yield from _keyless(found)


def _rights(found: Sequence[SourceTable]) -> Check:
    unreadable = [t.label for t in found if not t.readable or t.unreadable_columns]
    readable = len(found) - len(unreadable)
    return Check(
        "rights",
        "warn" if readable and unreadable else "fail" if unreadable else "ok",
        f"{readable} of {len(found)} tables can be read" + (f", not {_some(unreadable)}" if unreadable else ""),
        "Run the GRANTs below, or leave these tables out." if unreadable else "",
    )


def _backticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def look_at_place(connection: Connection, tables: str) -> Iterator[Check]:
    """Whether a source that DuckDB queries can be opened, and what is in it."""
    from lakeward.adapters.open import kind_of, open_source
    from lakeward.spec.models import SourceSpec

    spec = SourceSpec.model_validate({"kind": kind_of(connection), "connection": connection.conn_id})
    source = open_source(spec, lambda _: connection)
    who = source.identity()
    yield Check("reached", "ok", f"{who.label} as {who.user}, {who.server_version}")
    with source.cut() as cut:
        found = cut.describe([tables])
        yield Check("snapshot", "ok", f"held open, read only ({cut.snapshot})")
    outcome = "ok" if found else "fail"
    yield Check("tables", outcome, f"{len(found)} tables", "" if found else f"No table matches {tables}.")
    yield from _keyless(found)


def _keyless(found: Sequence[SourceTable]) -> Iterator[Check]:
    if names := [t.label for t in found if not t.primary_key and t.kind in {"table", "partitioned"}]:
        todo = "Declare `key` in the migration file if there is one."
        yield Check("keys", "warn", f"no primary key: {_some(names)}", todo)


def look_at_catalog(connection: Connection, namespace: str) -> Iterator[Check]:
    """Whether the catalog answers, and what it can do."""
    from lakeward.adapters.iceberg import IcebergLake, properties_from

    properties = properties_from(connection)
    lake = IcebergLake(properties, namespace, "", 128_000_000)
    with closing(lake):
        found = lake.check()
    yield Check(
        "reached", "ok", f"{found.pop('catalog', 'rest')} catalog at {connection.host or properties.get('uri', '')}"
    )
    together = found.pop("multi_table_commit", "no") == "yes"
    yield Check(
        "multi-table commit",
        "ok" if together else "warn",
        "a group lands in one transaction" if together else "not offered: a group's tables are committed one by one",
        "" if together else "Readers that follow the group's pointer still see one cut; readers of `main` may not.",
    )
    yield Check("namespace", "ok", f"{namespace}: {found.get('namespace', 'unknown')}")


def look_at_store(connection: Connection, landing: str) -> Iterator[Check]:
    """Read, write, list, delete, and whether conditional writes hold; the pointer stands on them."""
    from lakeward.adapters.objects import S3Store

    with closing(S3Store(landing, connection)) as store:
        store.check()
        yield Check("reached", "ok", f"{landing} at {store.access.endpoint or 'AWS'}")
        yield from conditional_writes(store)


def conditional_writes(store: ObjectStore) -> Iterator[Check]:
    """Try them on a small object of our own, which is taken away again."""
    key = f"doctor/{uuid4().hex}"
    try:
        first, second = store.put_new(key, b"1"), store.put_new(key, b"2")
        found = store.get(key)
        moved = bool(found) and store.put_if(key, b"3", found[1] if found else "")
        stale = bool(found) and store.put_if(key, b"4", found[1] if found else "")
        listed = key in {name for name, _ in store.list("doctor/")}
        content = store.get(key)
    finally:
        store.delete([key])
    held = first and not second and moved and not stale and content is not None and content[0] == b"3"
    yield Check(
        "conditional writes",
        "ok" if held else "fail",
        "If-None-Match and If-Match hold" if held else "the store ignores conditions: two writers could both win",
        "" if held else "Use a store that honours them (AIStor, S3): manifests and pointers depend on it.",
    )
    yield Check("list and delete", "ok" if listed else "fail", "work" if listed else "a written object is not listed")


def _clock(theirs: datetime, before: datetime) -> Check:
    after = now()
    skew = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    outcome = "ok" if skew < SKEW_WARNS else "warn" if skew < SKEW_FAILS else "fail"
    todo = "" if outcome == "ok" else "Set both clocks by NTP: cuts and signatures carry the time."
    return Check("clock", outcome, f"{skew:.1f} s apart", todo)


def _grants(user: str, tables: tuple[SourceTable, ...], label: str) -> list[str]:
    database = label.rpartition("/")[2]
    lines = [f"-- {label}", f"GRANT CONNECT ON DATABASE {ident(database)} TO {ident(user)};"]
    for schema in sorted({t.schema for t in tables}):
        lines.append(f"GRANT USAGE ON SCHEMA {ident(schema)} TO {ident(user)};")
        names = ", ".join(f"{ident(schema)}.{ident(t.name)}" for t in tables if t.schema == schema)
        lines.append(f"GRANT SELECT ON {names} TO {ident(user)};")
    return lines


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
