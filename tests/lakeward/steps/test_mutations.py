"""Every kind of mistake, planted in the source and in the lake: found with its exact keys, columns and classes; equal data raises nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import count
from uuid import uuid4

import pytest
from parity_world import AT, World, admin, world

from lakeward.domain.evidence import Finding, Outcome, Verdict
from lakeward.lab import Lab
from lakeward.steps.compare import compare
from lakeward.steps.compare_now import compare_now
from lakeward.steps.drill import drill_all, drill_kpi

SOURCE = """
DROP SCHEMA IF EXISTS parity CASCADE;
CREATE SCHEMA parity;
CREATE TABLE parity.clients (id int PRIMARY KEY, name text, code char(6) NOT NULL, level int);
INSERT INTO parity.clients SELECT i, CASE WHEN i % 9 > 0 THEN 'Zoë ' || i END, 'c' || i % 100, i % 4 FROM generate_series(1, {n} / 10) AS i;
CREATE TABLE parity.bookings (
    id bigint PRIMARY KEY, client_id int NOT NULL REFERENCES parity.clients, status text NOT NULL, country text, booked_at timestamptz,
    due_on date, amount numeric(14,2), weight float8, memo text, paid boolean, token uuid, raw bytea, tags text[], doc jsonb);
INSERT INTO parity.bookings
SELECT i, 1 + i % ({n} / 10), (ARRAY['paid', 'open'])[1 + i % 2], (ARRAY['CH', 'DE', NULL])[1 + i % 3],
    timestamptz '2025-01-01 00:30+01' + i % 200 * interval '17 hours', CASE WHEN i % 7 > 0 THEN date '2025-01-02' + i % 90 END,
    (i * 37 % 1009)::numeric / 100 + 1, i * 0.1, CASE i % 3 WHEN 0 THEN '' WHEN 1 THEN 'memo ' || i END, i % 2 = 0,
    md5(i::text)::uuid, decode(md5(i::text), 'hex'), ARRAY['a' || i % 3, 'b'],
    jsonb_build_object('channel', 'web', 'cost', i % 9 * 1.15, 'odd', i % 5, 'items',
        (SELECT jsonb_agg(jsonb_build_object('sku', 's' || i % 9, 'price', n * 0.5)) FROM generate_series(1, i % 3) n))
FROM generate_series(1, {n}) AS i;
CREATE TABLE parity.visits_plain (page text, at timestamp, cents int);
INSERT INTO parity.visits_plain SELECT 'p' || i % 7, timestamp '2025-02-27 23:00' + i * interval '1 minute', i % 40 FROM generate_series(1, {n}) AS i;
CREATE TABLE parity.empty (id int PRIMARY KEY, note text);
GRANT USAGE ON SCHEMA parity TO lakeward_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA parity TO lakeward_reader;
ANALYZE;
"""
FILE = """
version: 1
migration: parity
pattern: lift_and_shift
source: {connection: retail_source}
target: {connection: lakehouse, namespace: parity_ns}
landing: {path: ./landing}
groups:
  - name: shop
    tables:
      - table: parity.clients
      - table: parity.bookings
        flatten:
          - column: doc
            fields: {channel: string, cost: "decimal(10,2)"}
            children: [{path: items, table: booking_items, fields: {sku: string, price: "decimal(10,2)"}}]
      - table: parity.visits_plain
      - table: parity.empty
kpis:
  - {name: revenue, table: bookings, measure: sum(amount), date: booked_at, dimensions: [status, country]}
  - {name: visits, table: visits_plain, measure: sum(cents), date: at, dimensions: [page]}
  - {name: by_level, table: bookings, measure: sum(amount), date: booked_at, grains: [month], dimensions: [clients.level]}
  - {name: items_sold, table: booking_items, measure: sum(price), date: bookings.booked_at, grains: [month], dimensions: [bookings.clients.level, bookings.status]}
  - {name: per_client, table: bookings, measure: "ratio(sum(amount), count_distinct(client_id))", date: booked_at, grains: [month], dimensions: [country]}
  - name: weight
    table: bookings
    measure: sum(weight * amount)
    date: booked_at
    grains: [month]
    exact: false
    tolerance: {relative: 0.000000000001, owner: Ada, reason: weights are measured}
calendar: {time_zone: Europe/Zurich}
"""
Told = tuple[str, tuple[object, ...], str, str]
RUNS = count()
DAY = "(booked_at AT TIME ZONE 'Europe/Zurich')::date"


@pytest.fixture(
    scope="module", params=[1_000, 20_000, pytest.param(200_000, marks=pytest.mark.soak)], ids="{} rows".format
)
def rows(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def shop(lab: Lab, rows: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("mutations"), uuid4().hex, SOURCE.format(n=rows), FILE) as found:
        found.publish(run=f"{next(RUNS):04}")
        yield found


@pytest.fixture
def source(shop: World, rows: int) -> Iterator[None]:
    """Changes of the source are taken back after the test."""
    yield
    with admin() as connection:
        connection.execute(SOURCE.format(n=rows))


def told(findings: Sequence[Finding]) -> set[Told]:
    return {(f.table, f.key, f.column, f.kind) for f in findings}


def now(shop: World) -> tuple[tuple[Verdict, ...], tuple[Finding, ...]]:
    verdicts = compare_now(shop.plan, shop.ports, AT)
    return verdicts, tuple(f for _, found in drill_all(shop.plan, verdicts, shop.ports, now=True) for f in found)


def pairs(statement: str) -> tuple[int, int]:
    with admin() as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return int(str(row[0])), int(str(row[1]))


def test_equal_data_raises_nothing(shop: World) -> None:
    for verdicts in (compare(shop.plan, "shop", shop.ports, AT), compare_now(shop.plan, shop.ports, AT)):
        assert [v.summary for v in verdicts if v.outcome is not Outcome.PASS] == []
        assert {v.subject for v in verdicts if v.kind == "rows"} == {
            *("clients", "bookings", "booking_items", "visits_plain", "empty")
        }


def test_every_mistake_in_single_rows_of_the_source(shop: World, rows: int, source: None) -> None:
    same = "a.status = b.status AND a.country = b.country AND a.id < b.id AND a.id > 300"
    day, day2 = DAY.replace("booked", "a.booked"), DAY.replace("booked", "b.booked")
    join = f"SELECT min(a.id), max(b.id) FROM parity.bookings a JOIN parity.bookings b ON {same}"
    in_day = pairs(f"{join} AND {day} = {day2} GROUP BY {day} ORDER BY 1 LIMIT 1")
    statements: dict[str, set[Told]] = {
        "UPDATE parity.bookings SET amount = amount + 0.01 WHERE id = 7": {
            ("bookings", (7,), "amount", "changed_value")
        },
        f"UPDATE parity.bookings SET amount = amount + CASE id WHEN {in_day[0]} THEN 1 ELSE -1 END WHERE id IN {in_day}": {
            ("bookings", (n,), "amount", "changed_value") for n in in_day
        },
        "UPDATE parity.bookings SET amount = amount + CASE id WHEN 200 THEN 5 ELSE -5 END WHERE id IN (200, 202)": {
            ("bookings", (n,), "amount", "changed_value") for n in (200, 202)
        },
        "UPDATE parity.bookings SET amount = amount + CASE id WHEN 81 THEN 5 ELSE -5 END WHERE id IN (81, 141)": {
            ("bookings", (n,), "amount", "changed_value") for n in (81, 141)
        },
        "DELETE FROM parity.bookings WHERE id = 13": {
            ("bookings", (13,), "", "extra"),
            ("booking_items", (13, 0), "", "extra"),
        },
        "INSERT INTO parity.bookings (id, client_id, status, booked_at) VALUES (9000001, 3, 'open', '2025-03-01')": {
            ("bookings", (9000001,), "", "missing")
        },
        "INSERT INTO parity.bookings SELECT 9000002, client_id, status, country, booked_at, due_on, amount FROM parity.bookings WHERE id = 21": {
            ("bookings", (9000002,), "", "missing")
        },
        # 23:30 in Zurich comes to lie after midnight there; 23:30 in UTC does so in UTC, on the same day in Zurich
        "UPDATE parity.bookings SET booked_at = booked_at + interval '1 day' WHERE id = 24": {
            ("bookings", (24,), "booked_at", "shifted_period")
        },
        "UPDATE parity.bookings SET booked_at = booked_at + interval '1 second' WHERE id = 25": {
            ("bookings", (25,), "booked_at", "changed_value")
        },
        "UPDATE parity.bookings SET due_on = due_on - 1 WHERE id = 26": {
            ("bookings", (26,), "due_on", "shifted_period")
        },
        "UPDATE parity.bookings SET status = 'lost' WHERE id = 27": {
            ("bookings", (27,), "status", "shifted_dimension")
        },
        "UPDATE parity.bookings SET client_id = 1 WHERE id = 28": {
            ("bookings", (28,), "client_id", "shifted_dimension")
        },
        "UPDATE parity.bookings SET memo = NULL WHERE id = 30": {("bookings", (30,), "memo", "encoding")},
        "UPDATE parity.bookings SET memo = '' WHERE id = 32": {("bookings", (32,), "memo", "encoding")},
        "UPDATE parity.clients SET name = name || ' ' WHERE id = 33": {("clients", (33,), "name", "encoding")},
        "UPDATE parity.clients SET name = normalize(name, NFD) WHERE id = 34": {("clients", (34,), "name", "encoding")},
        "UPDATE parity.clients SET code = 'c' WHERE id = 35": {("clients", (35,), "code", "changed_value")},
        "UPDATE parity.bookings SET weight = weight::real WHERE id = 36": {("bookings", (36,), "weight", "type")},
        "UPDATE parity.bookings SET paid = NOT paid WHERE id = 37": {("bookings", (37,), "paid", "changed_value")},
        "UPDATE parity.bookings SET token = gen_random_uuid() WHERE id = 38": {
            ("bookings", (38,), "token", "changed_value")
        },
        "UPDATE parity.bookings SET raw = raw || '\\x00' WHERE id = 39": {("bookings", (39,), "raw", "changed_value")},
        "UPDATE parity.bookings SET tags = ARRAY['b', 'a1'] WHERE id = 40": {
            ("bookings", (40,), "tags", "changed_value")
        },
        "UPDATE parity.bookings SET doc = doc || '{\"odd\": 77}' WHERE id = 41": {
            ("bookings", (41,), "doc_undeclared", "changed_value")
        },
        "UPDATE parity.bookings SET doc = doc || '{\"channel\": null}' WHERE id = 42": {
            ("bookings", (42,), column, "changed_value") for column in ("doc_channel", "doc_shape", "doc_undeclared")
        },
        "UPDATE parity.bookings SET doc = jsonb_set(doc, '{items,0,price}', '0.51') WHERE id = 43": {
            ("booking_items", (43, 0), "price", "changed_value"),
            ("bookings", (43,), "doc_undeclared", "changed_value"),
        },
        "UPDATE parity.visits_plain SET cents = cents + 1 WHERE page = 'p3' AND at = '2025-02-27 23:03'": {
            ("visits_plain", (), "", "missing"),
            ("visits_plain", (), "", "extra"),
        },
        "INSERT INTO parity.empty VALUES (1, 'no longer')": {("empty", (1,), "", "missing")},
    }
    with admin() as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount in {1, 2}
    verdicts, found = now(shop)
    assert told(found) == set().union(*statements.values())
    for verdict in verdicts:
        if verdict.kind == "rows" and verdict.failed:
            asked = re.search(r"(\d+) quer", verdict.summary)
            assert asked
            assert int(asked[1]) <= 3 + math.log2(rows)


def test_an_offsetting_pair_in_a_day_is_what_a_plain_sum_would_have_missed(shop: World, source: None) -> None:
    same = f"SELECT min(id), max(id) FROM parity.bookings GROUP BY {DAY}, status, country HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    one, other = pairs(same)
    with admin() as connection:
        connection.execute(f"UPDATE parity.bookings SET amount = amount + 0.01 WHERE id = {one}")
        connection.execute(f"UPDATE parity.bookings SET amount = amount - 0.01 WHERE id = {other}")
    verdicts, found = now(shop)
    revenue = next(v for v in verdicts if v.subject == "revenue")
    assert {f.kind for f in revenue.findings} == {"offsetting"}
    assert f"{revenue.failed} of them in rows that a plain sum would have missed" in revenue.summary
    assert told(found) == {("bookings", (n,), "amount", "changed_value") for n in (one, other)}
    (alone,) = compare_now(shop.plan, shop.ports, AT, kpis=["revenue"])
    behind = drill_all(shop.plan, [alone], shop.ports, now=True)[0][1]
    assert {(f.key, f.column, f.kpis) for f in behind} == {((n,), "amount", ("revenue",)) for n in (one, other)}


def test_chunks_that_the_source_lost_or_doubled(shop: World, rows: int, source: None) -> None:
    lost = range(rows // 2, rows // 2 + rows // 50)
    doubled = range(1, rows // 100)
    with admin() as connection:
        connection.execute(f"DELETE FROM parity.bookings WHERE id BETWEEN {lost[0]} AND {lost[-1]}")
        connection.execute(
            "INSERT INTO parity.bookings SELECT id + 8000000, client_id, status, country, booked_at, due_on, amount "
            f"FROM parity.bookings WHERE id BETWEEN {doubled[0]} AND {doubled[-1]}"
        )
        connection.execute(
            "INSERT INTO parity.visits_plain SELECT * FROM parity.visits_plain WHERE at < '2025-02-27 23:30'"
        )
    _, found = now(shop)
    of = {table: [f for f in found if f.table == table] for table in ("bookings", "visits_plain")}
    assert told(of["bookings"]) == {("bookings", (n,), "", "extra") for n in lost} | {
        ("bookings", (n + 8000000,), "", "missing") for n in doubled
    }
    assert [f.times for f in of["visits_plain"]] == [1] * 29
    assert {f.key[0] for f in found if f.table == "booking_items"} == {n for n in lost if n % 3}


def test_mistakes_in_the_lake(shop: World, rows: int) -> None:
    chunk = range(rows // 2, rows // 2 + rows // 50)
    bookings = f"""
    SELECT * REPLACE (CASE WHEN id = 7 THEN amount + 0.01 WHEN id IN (200, 81) THEN amount + 5 WHEN id IN (202, 141) THEN amount - 5
        ELSE amount END AS amount, CASE WHEN id = 24 THEN booked_at + INTERVAL 1 DAY ELSE booked_at END AS booked_at,
        CASE WHEN id = 27 THEN 'lost' ELSE status END AS status, CASE WHEN id = 28 THEN 1 ELSE client_id END AS client_id,
        CASE WHEN id = 30 THEN NULL ELSE memo END AS memo, CASE WHEN id = 36 THEN weight::FLOAT ELSE weight END AS weight,
        CASE WHEN id = 38 THEN replace(tags, ',', ' ,  ') ELSE tags END AS tags)
    FROM rows WHERE id NOT BETWEEN {chunk[0]} AND {chunk[-1]} AND id <> 13 UNION ALL SELECT * FROM rows WHERE id BETWEEN 50 AND 59"""
    clients = "SELECT * REPLACE (CASE WHEN id = 33 THEN name || ' ' WHEN id = 34 THEN replace(name, 'ë', 'e\u0308') ELSE name END AS name, "
    clients += "CASE WHEN id = 35 THEN rtrim(code) ELSE code END AS code) FROM rows"
    expected = {
        *(("bookings", (n,), "amount", "changed_value") for n in (7, 81, 141, 200, 202)),
        ("bookings", (24,), "booked_at", "shifted_period"),
        ("bookings", (27,), "status", "shifted_dimension"),
        ("bookings", (28,), "client_id", "shifted_dimension"),
        ("bookings", (30,), "memo", "encoding"),
        ("bookings", (36,), "weight", "type"),
        *(("bookings", (n,), "", "missing") for n in (13, *chunk)),
        *(("bookings", (n,), "", "duplicated") for n in range(50, 60)),
        *(("clients", (33 + n,), name, "encoding") for n, name in enumerate(("name", "name", "code"))),
        ("visits_plain", (), "", "duplicated"),
    }
    visits = "SELECT * FROM rows UNION ALL (SELECT * FROM rows WHERE cents = 5 LIMIT 1)"
    shop.publish({"bookings": bookings, "clients": clients, "visits_plain": visits}, f"{next(RUNS):04}")
    try:
        verdicts = compare(shop.plan, "shop", shop.ports, AT)
        found = [f for _, listed in drill_all(shop.plan, verdicts, shop.ports, now=False) for f in listed]
        assert told(found) == expected
        assert {f.leg for f in found} == {"landing-lake"}
        assert told(now(shop)[1]) == expected
    finally:
        shop.publish(run=f"{next(RUNS):04}")


def drilled(shop: World, *, at_cut: bool) -> set[Told]:
    """What a joined figure leads to by itself, without the verdicts on whole tables."""
    if at_cut:
        verdict = next(v for v in compare(shop.plan, "shop", shop.ports, AT) if v.subject == "by_level")
    else:
        (verdict,) = compare_now(shop.plan, shop.ports, AT, kpis=["by_level"])
    assert verdict.outcome is Outcome.FAIL
    return told(drill_kpi(shop.plan, verdict, shop.ports, now=not at_cut, cells=2))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE parity.clients SET level = NULL WHERE id = 5", ("clients", (5,), "level", "shifted_dimension")),
        (
            "UPDATE parity.bookings SET client_id = client_id + 1 WHERE id = 32",
            ("bookings", (32,), "client_id", "shifted_dimension"),
        ),
    ],
)
def test_a_joined_figure_leads_to_the_row_that_moved(shop: World, source: None, statement: str, expected: Told) -> None:
    with admin() as connection:
        connection.execute(statement)
    assert drilled(shop, at_cut=False) == {expected}
    verdicts, found = now(shop)
    assert told(found) == {expected}
    assert {v.subject for v in verdicts if v.failed} == {"by_level", "items_sold", expected[0]} | (
        {"per_client"} if expected[0] == "bookings" else set()
    )
    assert {name for f in found for name in f.kpis} >= {"by_level", "items_sold"}


def test_a_row_that_others_refer_to_is_lost_in_the_lake(shop: World) -> None:
    shop.publish({"clients": "SELECT * FROM rows WHERE id <> 5"}, f"{next(RUNS):04}")
    try:
        assert drilled(shop, at_cut=True) == drilled(shop, at_cut=False) == {("clients", (5,), "", "missing")}
    finally:
        shop.publish(run=f"{next(RUNS):04}")


def test_a_ratio_fails_though_its_quotient_stays(shop: World, source: None) -> None:
    with admin() as connection:
        connection.execute("UPDATE parity.bookings SET client_id = 1, amount = 0 WHERE id IN (31, 32)")
    (verdict,) = compare_now(shop.plan, shop.ports, AT, kpis=["per_client"])
    assert verdict.outcome is Outcome.FAIL
    assert re.search(r"[\d.]+ / \d+ = [\d.]+ over \d+ and \d+ rows against", verdict.summary)
    behind = drill_all(shop.plan, [verdict], shop.ports, now=True)[0][1]
    assert {f.key for f in behind} == {(31,), (32,)}


def test_floats_may_differ_by_the_tolerance_and_no_more(shop: World, source: None) -> None:
    with admin() as connection:
        connection.execute("UPDATE parity.bookings SET weight = weight * 1.000000000000001 WHERE id = 31")
    (verdict,) = compare_now(shop.plan, shop.ports, AT, kpis=["weight"])
    assert verdict.outcome is Outcome.PASS
    assert (
        "equal within 0.000000000001 of the larger figure: not exact, tolerated by Ada (weights are measured)"
        in verdict.summary
    )
    with admin() as connection:
        connection.execute("UPDATE parity.bookings SET weight = weight * 1.001 WHERE id = 31")
    (verdict,) = compare_now(shop.plan, shop.ports, AT, kpis=["weight"])
    assert verdict.outcome is Outcome.FAIL
    assert "tolerated by Ada" in verdict.summary
    assert told(drill_all(shop.plan, [verdict], shop.ports, now=True)[0][1]) == {
        ("bookings", (31,), "weight", "changed_value")
    }


def test_a_column_that_the_source_has_widened(shop: World, source: None) -> None:
    with admin() as connection:
        connection.execute("ALTER TABLE parity.clients ALTER level TYPE bigint")
    verdicts, found = now(shop)
    assert [(f.table, f.key, f.column, f.kind, f.types) for f in found] == [
        ("clients", (), "level", "type", ("bigint", "int"))
    ]
    assert {v.subject for v in verdicts if v.outcome is Outcome.FAIL} == {"clients"}
