"""The retail source: the same rows for the same number of orders, made by set-based SQL in the database itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from lakeward.lab.postgres import FREEZER, READER
from lakeward.lab.processes import LabError

Progress = Callable[[str, int, int], None]
TABLES = ("customers", "products", "orders", "payments")
_CHUNK = 20_000
_SESSION = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL lock_timeout = '30s'"
_FINISH = """
CREATE INDEX orders_customer_id ON orders (customer_id);
CREATE INDEX orders_ordered_at ON orders (ordered_at);
CREATE INDEX payments_order_id ON payments (order_id);
ANALYZE customers, products, orders, payments;
"""


def fill(uri: str, orders: int, progress: Progress | None = None) -> dict[str, int]:
    """Make the retail tables anew in one transaction, unless they hold exactly these rows already.

    :param uri: libpq URI of a superuser, in the retail database.
    :param progress: called with table, rows done, rows in all (for payments: of orders).
    :return: rows by table.
    """
    if not 1 <= orders <= 100_000_000:
        raise LabError(f"{orders} orders can't be seeded", todo="give a number from 1 to 100000000")
    report = progress or (lambda _table, _done, _total: None)
    try:
        with psycopg.connect(uri) as connection, connection.transaction():
            connection.execute(_SESSION)
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('lakeward seed'))")
            if kept := _kept(connection, orders):
                return kept
            _create(connection, orders, report)
            found = contents(connection)
            note = json.dumps({"seed": _edition(), "orders": orders, "contents": found})
            connection.execute(sql.SQL("COMMENT ON SCHEMA public IS {}").format(sql.Literal(note)))
            return {table: rows for table, (rows, _) in found.items()}
    except psycopg.errors.LockNotAvailable as error:
        raise LabError("the retail tables are in use by others", todo="end what reads them, then seed again") from error
    except psycopg.OperationalError as error:
        raise LabError(
            f"the retail source can't be seeded: {error}", todo="look into the lab's postgres.log"
        ) from error


def contents(connection: psycopg.Connection) -> dict[str, tuple[int, str]]:
    """Rows and an order-independent checksum of every retail table."""
    found: dict[str, tuple[int, str]] = {}
    for table in TABLES:
        query = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {} AS t"
        row = connection.execute(sql.SQL(query).format(sql.Identifier("public", table))).fetchone()
        assert row is not None  # noqa: S101 - an aggregate has one row
        found[table] = (int(row[0]), str(row[1]))
    return found


def _kept(connection: psycopg.Connection, orders: int) -> dict[str, int] | None:
    """Rows by table when the last seed was this one and nobody has changed a row since."""
    row = connection.execute(
        "SELECT obj_description('public'::regnamespace), to_regclass('public.payments')"
    ).fetchone()
    if not row or not row[0] or not row[1] or not row[0].startswith("{"):
        return None
    note = json.loads(row[0])
    if note.get("seed") != _edition() or note.get("orders") != orders:
        return None
    found = contents(connection)
    same = {table: list(content) for table, content in found.items()} == note["contents"]
    return {table: rows for table, (rows, _) in found.items()} if same else None


def _create(connection: psycopg.Connection, orders: int, report: Progress) -> None:
    connection.execute(_text("tables"))
    sizes = {
        "customers": max(20, orders // 5),
        "products": min(2_000, max(40, orders // 50)),
        "orders": orders,
        "payments": orders,  # made from the orders, and counted by them
    }
    for table, total in sizes.items():
        report(table, 0, total)
        for first in range(1, total + 1, _CHUNK):
            last = min(total, first + _CHUNK - 1)
            connection.execute(_text(table), {"first": first, "last": last} | sizes)
            report(table, last, total)
    connection.execute(_FINISH)
    connection.execute(_text("hooks"))
    freezer = sql.Identifier(FREEZER)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA hooks TO {}").format(freezer))
    connection.execute(sql.SQL("GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA hooks TO {}").format(freezer))
    reader = sql.Identifier(READER)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(reader))
    tables = sql.SQL(", ").join(sql.Identifier("public", table) for table in TABLES)
    connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(tables, reader))


def _text(name: str) -> bytes:
    return (Path(__file__).parent / f"seed_{name}.sql").read_bytes()


def _edition() -> str:
    """Changes when the statements do, so that an older seed is made anew."""
    return hashlib.sha256(b"".join(_text(name) for name in ("tables", "hooks", *TABLES))).hexdigest()[:12]
