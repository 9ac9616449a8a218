"""KPIs over several tables, by the command line: what is refused with its line, and a difference that leads to the row behind it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from conftest import Run, Source

TABLES = (
    "CREATE TABLE people (id bigint PRIMARY KEY, land text, code text UNIQUE)",
    "INSERT INTO people SELECT i, (ARRAY['CH', 'DE', NULL])[1 + i % 3], 'p' || i FROM generate_series(1, 40) i",
    "CREATE TABLE orders (id bigint PRIMARY KEY, buyer bigint REFERENCES people, payer bigint REFERENCES people, code text, ordered_at timestamptz, total numeric(12,2), weight float8)",
    (
        "INSERT INTO orders SELECT i, NULLIF(1 + i % 40, 7), 1 + i % 5, 'p' || i % 50, timestamptz '2025-01-01' + i * interval '9 hours', i * 1.01, i * 0.1 "
        "FROM generate_series(1, 400) i"
    ),
)
FILE = """
version: 1
migration: {name}
pattern: lift_and_shift
source: {{connection: {conn}}}
target: {{connection: lakehouse, namespace: {name}}}
landing: {{path: ./landing}}
groups:
  - name: sales
    tables:
      - {{table: people, name: customers, rename: {{land: country}}}}
      - {{table: orders, rename: {{total: net}}}}
    references:
      - {{table: orders, columns: [code], to: customers, to_columns: [code]}}
kpis:
  - {{name: revenue, table: orders, measure: sum(net), date: ordered_at}}
"""
GOOD = """
  - name: by_hand
    table: orders
    sql:
      source: SELECT p.land AS country, o.total FROM orders o JOIN people p ON p.id = o.payer WHERE p.land IS NOT NULL
      lake: SELECT country, net AS total FROM orders JOIN customers ON customers.id = payer WHERE country IS NOT NULL
      columns: {country: string, total: "decimal(12,2)"}
    measure: sum(total)
    dimensions: [country]
  - {name: by_country, table: orders, terms: source, measure: sum(total), date: ordered_at, grains: [month], dimensions: [buyer.land]}
  - {name: per_buyer, table: orders, measure: "ratio(sum(net), count_distinct(buyer))", dimensions: [payer.country]}
  - name: tonnage
    table: orders
    measure: sum(weight)
    exact: false
    tolerance: {absolute: 0.000001, owner: Ada, reason: weights are measured}
"""
BAD = {
    "dimensions: [customers.country]": "'customers' is ambiguous: 3 references lead from orders by it; write `code.country` or `buyer.country` or `payer.country`",
    "dimensions: [code.country]": "the reference of orders to customers (code) leads to no key (its key is id)",
    "dimensions: [buyer.land]": "table customers has no column 'land'. That is the source's name; the lake calls it `country`",
    "date: shops.opened": "no reference of table orders is called 'shops'. It refers to customers",
    "filter: [{column: payer.contry, value: CH}]": "Did you mean `country`?",
    "terms: source, dimensions: [buyer.country]": "That is the lake's name; the source calls it `land`",
    "exact: true, grains: [], measure: sum(weight)": "or write `exact: false` and `tolerance: {absolute: 0.01",
    "measure: sum(code)": "'code' is of type string; only int, long and decimal columns",
}


@pytest.fixture(scope="module")
def tables(source: Source) -> Source:
    source.execute(*TABLES)
    return source


@pytest.fixture
def shop(tables: Source, tmp_path: Path, home: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(FILE.format(name=f"kpis{uuid4().hex[:8]}", conn=tables.conn))
    return path


def test_what_cannot_be_reached_is_refused_with_its_line(cli: Run, shop: Path) -> None:
    text = shop.read_text()
    figures = [
        f"  - {{name: k{n}, table: orders, {part}{'' if 'measure' in part else ', measure: count()'}}}\n"
        for n, part in enumerate(BAD)
    ]
    shop.write_text(text + "".join(figures))
    done = cli("plan", shop)
    assert done.exit_code == 2, done.output
    first = len(text.splitlines()) + 1
    for n, said in enumerate(BAD.values()):
        assert re.search(rf"{re.escape(str(shop))}:{first + n}:\d+: KPI k{n}: [^\n]*{re.escape(said)}", done.stderr), (
            said,
            done.stderr,
        )
    assert f"{len(BAD)} problems" in done.stderr


def test_a_customer_who_moved_is_named_by_the_figure_over_orders(cli: Run, shop: Path, tables: Source) -> None:
    shop.write_text(
        shop.read_text().replace(
            "    references:\n      - {table: orders, columns: [code], to: customers, to_columns: [code]}\n", ""
        )
        + GOOD
    )
    assert cli("run", shop).exit_code in {0, 3}
    equal = cli("parity", shop)
    assert equal.exit_code == 0, equal.output
    verdicts = {v["subject"]: v for v in json.loads(cli("parity", shop, "--json").stdout)["verdicts"]}
    assert "not exact, tolerated by Ada (weights are measured)" in verdicts["tonnage"]["summary"]
    assert "by SQL written by hand (sha256 " in verdicts["by_hand"]["summary"]
    tables.execute("UPDATE people SET land = 'IT' WHERE id = 9")
    try:
        for narrowed in ((), ("--kpi", "by_country")):
            done = cli("parity", shop, "--drill", "--json", *narrowed)
            assert done.exit_code == 1, done.output
            (found,) = json.loads(done.stdout)["findings"]
            assert (found["table"], found["key"], found["column"]) == ("customers", [9], "country")
            assert (found["class"], found["source"], found["target"]) == ("shifted_dimension", "IT", "CH")
            assert "by_country" in found["kpis"]
    finally:
        tables.execute("UPDATE people SET land = 'CH' WHERE id = 9")
    tables.execute("UPDATE orders SET total = total + 1 WHERE payer = 3 AND id = 2")
    try:
        done = cli("parity", shop, "--drill", "--json", "--kpi", "by_hand")
        assert done.exit_code == 1, done.output
        (found,) = json.loads(done.stdout)["findings"]
        assert (found["table"], found["key"], found["column"], found["kpi"]) == ("orders", [2], "net", "by_hand")
    finally:
        tables.execute("UPDATE orders SET total = total - 1 WHERE payer = 3 AND id = 2")


def test_each_figure_can_be_reckoned_without_lakeward(cli: Run, shop: Path, tables: Source) -> None:
    text = shop.read_text()
    shop.write_text(text[: text.index("    references:")] + text[text.index("kpis:") :] + GOOD)
    printed = cli("plan", shop, "--sql", "postgres").stdout
    selects = dict(re.findall(r"-- (\w+): [^\n]*\n(SELECT.*?);\n", printed, re.DOTALL))
    assert set(selects) == {"revenue", "by_country", "per_buyer", "tonnage"}
    assert "-- KPI by_hand: its SELECTs are written by hand in the file" in printed
    with psycopg.connect(tables.uri) as connection:
        rows = connection.execute(selects["revenue"].encode()).fetchall()
        assert sum(row[1] for row in rows) == sum(Decimal(n) for n in range(1, 401)) * Decimal("1.01")
        assert {row[1] for row in connection.execute(selects["by_country"].encode()).fetchall()} == {"CH", "DE", None}
    assert "count(DISTINCT" in cli("plan", shop, "--sql", "spark").stdout.replace("COUNT", "count")
    refused = cli("plan", shop, "--sql", "sqlite").stdout
    assert "-- KPI revenue: ordered_at is an instant, and SQLite knows no time zones" in refused
    assert "Name one of postgres, mysql, sqlite, duckdb, spark." in cli("plan", shop, "--sql", "oracle").stderr
