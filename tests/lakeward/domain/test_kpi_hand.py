"""SELECTs written by hand: what may stand in them, and that both give figures like any other KPI's rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import duckdb
import psycopg
import pytest
from kpi_support import ZURICH, Both, both, plan_of, spec
from test_kpi_joins import GROUP, TABLES

from lakeward.domain import kpi
from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import Windowing
from lakeward.domain.kpi_hand import check_side, read
from lakeward.domain.sql import ident
from lakeward.lab import Lab

SOURCE = """
WITH big AS (SELECT id, client_id, total FROM pg_temp.orders WHERE total > 0)
SELECT b.client_id AS client, c.country, c.since, b.total * 2 AS doubled -- and a comment
FROM big b LEFT JOIN pg_temp.clients AS c ON c.id = b.client_id
"""
LAKE = """
SELECT o.client_id AS client, country, since, CASE WHEN o.total IS NULL THEN NULL ELSE o.total + o.total END AS doubled
FROM orders o LEFT JOIN clients ON clients.id = o.client_id WHERE o.total > 0
"""
COLUMNS = {"client": "int", "country": "string", "since": "date", "doubled": "decimal(16,2)"}


def written(measure: str = "sum(doubled)", source: str = SOURCE, lake: str = LAKE, **more: object) -> kpi.ResolvedKpi:
    sql = {"source": source, "lake": lake, "columns": more.pop("columns", COLUMNS)}
    found = spec(measure, table="orders", sql=sql, **more)
    troubles = list(kpi.kpi_troubles(found, GROUP, ZURICH))
    if troubles:
        raise kpi.KpiError(f"{troubles[0].path} {troubles[0].reason}")
    return kpi.resolve(found, GROUP, ZURICH)


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[Both]:
    with both() as connections:
        for name, columns in TABLES.items():
            connections.create(name, columns)
            connections.duck.execute(f"CREATE OR REPLACE VIEW {ident(kpi.lake_view(name))} AS FROM {ident(name)}")
        connections.fill("clients", [(1, "CH", None, None, "2025-01-31"), (2, None, None, None, None)])
        rows = [
            (1, 1, None, None, None, "1.50", None),
            (2, 2, None, None, None, "2.25", None),
            (3, 9, None, None, None, "-4", None),
            (4, None, None, None, None, "4", None),
        ]
        connections.fill("orders", rows)
        yield connections


def test_figures_of_both_texts_are_compared_like_any_other(world: Both) -> None:
    r = written(
        date="since", grains=("month",), dimensions=("country",), filter=({"column": "client", "op": "!=", "value": 7},)
    )
    source, lake = world.figures(r)
    assert source == lake
    assert ("month", "2025-01-01", "d1", "CH", Decimal("3.00"), 1) in source
    assert ("total", None, "", None, Decimal("7.50"), 2) in source
    assert [table.name for _, table in r.tables] == ["orders", "clients"]


@pytest.mark.parametrize("side", ["source", "lake"])
@pytest.mark.parametrize(
    "value",
    [
        "total * 0.001",
        "CAST(total AS text)",
        "since",
    ],
)
def test_a_value_that_is_not_of_its_declared_type_is_an_error(world: Both, side: str, value: str) -> None:
    schema = "pg_temp." if side == "source" else ""
    text = f"SELECT 1 AS client, country, since, {value} AS doubled FROM {schema}orders JOIN {schema}clients ON clients.id = client_id"
    r = written(**{side: text})
    with pytest.raises((psycopg.Error, duckdb.Error)):
        (world.source if side == "source" else world.lake)(r)


@pytest.mark.parametrize("side", ["source", "lake"])
@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM {orders}",
        "SELECT 1 AS client; DROP TABLE {orders}",
        "INSERT INTO {orders} SELECT * FROM {orders}",
        "WITH gone AS (DELETE FROM {orders} RETURNING id) SELECT id AS client FROM gone",
        "SELECT total AS doubled INTO other FROM {orders}",
        "SELECT total AS doubled FROM {orders} FOR UPDATE",
        "SELECT pg_sleep(10) AS client FROM {orders}",
        "SELECT pg_read_file('/etc/passwd') AS country FROM {orders}",
        "SELECT random() AS doubled FROM {orders}",
        "SELECT now() AS since FROM {orders}",
        "SELECT nextval('s') AS client FROM {orders}",
        "SELECT set_config('a', 'b', true) AS country FROM {orders}",
        "SELECT pg_catalog.pg_sleep(1) AS client FROM {orders}",
        "SELECT * FROM {orders}",
        "SELECT total / 3 AS doubled FROM {orders}",
        "SELECT total AS doubled FROM {orders} ORDER BY id LIMIT 1",
        "SELECT sum(total) OVER () AS doubled FROM {orders}",
        "SELECT client AS client FROM dblink('x', 'y') AS t(client int)",
        "SELECT a AS client FROM generate_series(1, 5) AS t(a)",
        "SELECT total AS doubled FROM read_parquet('/tmp/x')",
        "SELECT total AS doubled FROM '/tmp/x.parquet'",
        "SELECT usename AS country FROM pg_catalog.pg_user",
        "SELECT total AS doubled FROM secret.orders",
        "SELECT total AS doubled FROM other_db.pg_temp.orders",
        "WITH orders AS (SELECT 1 AS total) SELECT total AS doubled FROM {orders}",
        "WITH pg_user AS (SELECT usename AS country FROM pg_user) SELECT country FROM pg_user",
        "SELECT u.usename AS country FROM {orders} o JOIN (WITH pg_user AS (SELECT 1 AS x) SELECT x FROM pg_user) z ON true JOIN pg_user u ON true",
        'WITH "/tmp/x.csv" AS (SELECT country FROM "/tmp/x.csv") SELECT country FROM "/tmp/x.csv"',
        "SELECT o.row_to_json AS country FROM {orders} o",
        "SELECT o.computed AS country FROM {orders} o",
        "SELECT {orders}.computed AS country FROM {orders}",
        "SELECT main.orders.computed AS country FROM {orders}",
        "SELECT o AS country FROM {orders} o",
        "SELECT country FROM {orders} o(country)",
        "SELECT xmin AS client FROM {orders}",
        "WITH RECURSIVE a AS (SELECT 1 AS client UNION ALL SELECT client + 1 FROM a) SELECT client FROM a",
        "SELECT CAST('x' AS regclass) AS country FROM {orders}",
        "SELECT CAST(total AS double precision) AS doubled FROM {orders}",
        "SELECT (SELECT version()) AS country FROM {orders}",
        "COPY {orders} TO '/tmp/x'",
        "EXPLAIN ANALYZE SELECT 1",
        "SET a = 1",
        "ATTACH '/tmp/x'",
        "SELECT",
        "not sql at all (",
    ],
)
def test_what_is_no_plain_select_of_the_groups_tables_is_refused(side: str, text: str) -> None:
    given = {name: kind for name, kind in COLUMNS.items() if re.search(rf"\b(AS|SELECT) {name}\b", text)} or COLUMNS
    good = f"SELECT {', '.join(f'NULL AS {name}' for name in given)}"
    refused = {"source": good, "lake": good, "columns": given}
    refused[side] = text.replace("{orders}", "pg_temp.orders" if side == "source" else "orders")
    with pytest.raises(kpi.KpiError, match=rf"^\('sql', '{side}'\) sql\.{side}") as error:
        written("count()", **refused)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        'SELECT o."Net Total" AS net FROM "Sales"."Order" o',
        'SELECT "Order"."Net Total" AS net FROM "Sales"."Order" WHERE "Net Total" > 3',
        'WITH x(net) AS (SELECT "Net Total" FROM "Sales"."Order") SELECT net FROM x',
        'SELECT a."Net Total" AS net FROM "Sales"."Order" a JOIN "Sales"."Order" b USING ("Net Total")',
        'SELECT sum("Net Total") AS net FROM "Sales"."Order" o WHERE EXISTS (SELECT 1 FROM "Sales"."Order" i WHERE i."Net Total" = o."Net Total")',
    ],
)
def test_names_that_are_quoted_are_found(text: str) -> None:
    group = plan_of("orders", {"Net Total": "decimal(14,2)"}, schema="Sales")
    group = replace(group, tables=(replace(group.tables[0], table="Order"),))
    sql = {"source": text, "lake": 'SELECT "net total" AS net FROM orders', "columns": {"net": "decimal(14,2)"}}
    assert not list(kpi.kpi_troubles(spec("sum(net)", table="orders", sql=sql), group, ZURICH))


def test_a_masked_column_is_not_read_at_the_source() -> None:
    orders = GROUP.tables[0]
    masked = tuple(replace(c, mask="hash") if c.source == "town" else c for c in orders.columns)
    group = replace(GROUP, tables=(replace(orders, columns=masked, dropped=("left",)), *GROUP.tables[1:]))
    text = "SELECT o.town AS town FROM pg_temp.orders o WHERE o.left = 'yes'"
    sql = {"source": text, "lake": "SELECT town FROM orders", "columns": {"town": "string"}}
    found = spec("count()", table="orders", sql=sql)
    assert not list(
        kpi.kpi_troubles(found, replace(group, tables=(replace(orders, dropped=("left",)), *group.tables[1:])), ZURICH)
    )
    (trouble,) = kpi.kpi_troubles(found, group, ZURICH)
    assert trouble.path == ("sql", "source")
    assert "town; only columns of the group's tables may be read, by name, and none that is masked" in trouble.reason


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"columns": COLUMNS | {"doubled": "double"}},
            "doubled is double; a column is a whole number, decimal, string",
        ),
        (
            {"columns": COLUMNS | {"other": "int"}},
            "sql.source gives client, country, since, doubled, but `columns` declares client, country, since, doubled, other",
        ),
        ({"measure": "sum(dubled)"}, "`sql.columns` declares no 'dubled'. Did you mean `doubled`?"),
        ({"measure": "sum(country)"}, "'country' is of type string"),
        ({"dimensions": ("clients.country",)}, "`sql.columns` declares no 'clients.country'"),
    ],
)
def test_measure_and_dimensions_are_over_the_declared_columns(more: dict[str, object], said: str) -> None:
    with pytest.raises(kpi.KpiError) as error:
        written(**more)  # type: ignore[arg-type]
    assert said in str(error.value)


def test_whole_tables_are_not_compared_with_windows() -> None:
    sql = {"source": SOURCE, "lake": LAKE, "columns": COLUMNS}
    windowed = replace(GROUP, windowing=Windowing("orders", "id", "key", "UTC", ()))
    found = list(kpi.kpi_troubles(spec("sum(doubled)", table="orders", sql=sql), windowed, ZURICH))
    assert [t.path for t in found] == [("sql", "source"), ("sql", "lake")]
    assert all("window by window; write the figure as a `measure`" in t.reason for t in found)


def test_columns_that_a_text_names_are_known_by_the_lakes_names() -> None:
    named = {"clients": {"id", "country", "since"}, "orders": {"id", "client_id", "total"}}
    assert {t: set(c) for t, c in read(SOURCE, "source", GROUP).columns.items()} == named
    lake = read(LAKE, "lake", GROUP).columns
    assert {t: set(c) for t, c in lake.items()} == {**named, "orders": {"client_id", "total"}}
    assert written().entering("orders") == {"id", "client_id", "total"}
    nested = "SELECT 1 AS client FROM pg_temp.orders WHERE EXISTS (SELECT 1 FROM pg_temp.clients c WHERE c.id = client_id AND c.since IS NULL)"
    assert read(nested, "source", GROUP).columns == {"orders": {"client_id"}, "clients": {"id", "since"}}


def test_mariadb_is_refused_by_name_since_it_casts_without_an_error() -> None:
    maria = replace(GROUP, tables=tuple(replace(t, dialect=Dialect.MARIADB) for t in GROUP.tables))
    sql = spec("count()", table="orders", sql={"source": SOURCE, "lake": LAKE, "columns": COLUMNS}).sql
    assert sql
    with pytest.raises(kpi.KpiError, match="MariaDB can't tell a value"):
        check_side(sql, "source", maria)
