"""The retail source: the same for the same number, readable by the reader alone, its sums right to the cent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg
import pytest

from lakeward.lab import Lab, LabError
from lakeward.lab.seed import TABLES, contents, fill

PRODUCTS = (40, "18777389840772964302")
ZURICH = ZoneInfo("Europe/Zurich")


def in_database(lab: Lab, database: str) -> str:
    return lab.env()["LAKEWARD_LAB_POSTGRES"].rpartition("/")[0] + f"/{database}"


@pytest.fixture(scope="module")
def reader(lab: Lab) -> Iterator[psycopg.Connection]:
    source = json.loads(lab.env()["AIRFLOW_CONN_RETAIL_SOURCE"])
    with psycopg.connect(
        host=source["host"],
        port=source["port"],
        user=source["login"],
        password=source["password"],
        dbname=source["schema"],
        autocommit=True,
    ) as connection:
        yield connection


@pytest.fixture(scope="module")
def other(lab: Lab) -> Iterator[str]:
    """A database of our own to seed as we like."""
    with psycopg.connect(lab.env()["LAKEWARD_LAB_POSTGRES"], autocommit=True) as admin:
        admin.execute("CREATE DATABASE seed_trial")
        yield in_database(lab, "seed_trial")
        admin.execute("DROP DATABASE seed_trial WITH (FORCE)")


def test_the_same_number_gives_the_same_rows(other: str) -> None:
    seen = []
    for orders in (300, 120, 300):
        rows = fill(other, orders)
        with psycopg.connect(other) as connection:
            found = contents(connection)
        assert rows == {table: count for table, (count, _) in found.items()}
        assert rows["orders"] == orders
        seen.append(found)
    assert seen[0] == seen[2] != seen[1]
    # Known from the first time: a change of the seed has to be meant.
    assert seen[0]["products"] == PRODUCTS


def test_seeding_again_does_nothing_unless_a_row_was_changed(other: str) -> None:
    told: list[tuple[str, int, int]] = []
    fill(other, 120)
    fill(other, 120, lambda *step: told.append(step))
    assert told == []
    with psycopg.connect(other) as connection:
        before = contents(connection)
        connection.execute("UPDATE orders SET total = total + 0.01 WHERE id = 60")
    fill(other, 120, lambda *step: told.append(step))
    assert ("orders", 120, 120) in told
    with psycopg.connect(other) as connection:
        assert contents(connection) == before


def test_nonsense_is_refused(lab: Lab) -> None:
    with pytest.raises(LabError, match="-1 orders"):
        lab.seed(orders=-1)


def test_tables_in_use_are_not_waited_for_without_end(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakeward.lab.seed._SESSION", "SET LOCAL lock_timeout = '50ms'")
    fill(other, 120)
    with psycopg.connect(other) as busy:
        busy.execute("SELECT count(*) FROM orders")
        with pytest.raises(LabError, match="in use by others"):
            fill(other, 130)
    with psycopg.connect(other) as connection:
        assert contents(connection)["orders"][0] == 120


def test_the_lab_is_seeded(lab: Lab, reader: psycopg.Connection) -> None:
    counts = {}
    for table in TABLES:
        row = reader.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        counts[table] = row[0]
    assert counts["orders"] >= 1000
    assert lab.seed(orders=counts["orders"], progress=lambda *step: pytest.fail(f"seeded again: {step}")) == counts


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders SELECT 0, customer_id, status, ordered_at, NULL, total, currency, payload FROM orders LIMIT 1",
        "UPDATE customers SET name = ''",
        "DELETE FROM payments",
        "TRUNCATE payments",
        "DROP TABLE payments",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "SET default_transaction_read_only = off; UPDATE products SET price = 0",
    ],
)
def test_the_reader_can_only_read(reader: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(statement)


def test_totals_are_the_sum_of_their_parts(reader: psycopg.Connection) -> None:
    rows = reader.execute("SELECT id, total, payload::text FROM orders").fetchall()
    paid = dict(reader.execute("SELECT order_id, sum(amount) FROM payments GROUP BY 1").fetchall())
    for number, total, text in rows:
        payload = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        lines = (i["quantity"] * i["unit_price"] - i.get("discount", Decimal(0)) for i in payload.get("items") or [])
        assert sum(lines, payload["shipping"]["cost"]) == total, number
        assert paid.get(number, total) == total, number
    totals = [total for _, total, _ in rows]
    assert min(totals) < 0 < max(totals)
    assert Decimal(0) in totals


def test_the_edges_are_there(reader: psycopg.Connection) -> None:
    instants = {row[0] for row in reader.execute("SELECT ordered_at FROM orders").fetchall()}
    assert min(instants) == datetime(2025, 1, 1, tzinfo=ZURICH)
    assert max(instants) == datetime(2026, 7, 1, tzinfo=ZURICH).astimezone(UTC) - timedelta(microseconds=1)
    changes = {
        i.astimezone(ZURICH).utcoffset() for i in instants if i.astimezone(ZURICH).date().isoformat() == "2025-10-26"
    }
    assert changes == {timedelta(hours=1), timedelta(hours=2)}
    shapes = "SELECT DISTINCT coalesce(jsonb_typeof(payload -> %s), 'missing') FROM orders"
    assert {row[0] for row in reader.execute(shapes, ["items"])} == {"array", "null", "missing"}
    assert {row[0] for row in reader.execute(shapes, ["coupon"])} == {"object", "null", "missing"}
    months = reader.execute(
        "SELECT count(DISTINCT date_trunc('month', ordered_at, 'Europe/Zurich')) FROM orders"
    ).fetchone()
    assert months == (18,)
    odd = reader.execute(
        "SELECT count(*) FILTER (WHERE shipped_on IS NULL) > 0, count(*) FILTER (WHERE payload -> 'items' = '[]') > 0"
        " FROM orders"
    ).fetchone()
    assert odd == (True, True)
    empty = reader.execute(
        "SELECT bool_or(email = ''), bool_or(name ~ '[^[:ascii:]]'), bool_or(profile IS NULL), bool_or(credit_limit IS NULL)"
        " FROM customers"
    ).fetchone()
    assert empty == (True, True, True, True)
