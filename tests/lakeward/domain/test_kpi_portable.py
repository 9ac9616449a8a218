"""KPIs as plain SELECTs: the same figures where they are run, the same query where they are only read back, and what is refused by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

import duckdb
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kpi_support import ZURICH, Both, both, plan_of, spec
from test_kpi_joins import GROUP, TABLES

from lakeward.domain import kpi
from lakeward.domain.facts import LakeTable
from lakeward.domain.kpi_portable import Engine, portable_sql
from lakeward.lab import Lab

FIGURES = {
    "sum": (
        "sum(total * client_id.rate - total)",
        {"date": "payer_id.since", "dimensions": ("client_id.region", "town")},
    ),
    "count": (
        "count()",
        {
            "dimensions": ("client_id.regions.head",),
            "filter": ({"column": "shop", "op": "in", "value": ["a", "b'\\"]},),
        },
    ),
    "ratio": ("ratio(sum(total), count_distinct(client_id))", {"dimensions": ("shop",)}),
    "highest": ("max(client_id.rate)", {"filter": ({"column": "client_id.country", "op": "!=", "value": "DE"},)}),
    "whole": (
        "sum(client_id * client_id - 3)",
        {"date": "payer_id.since", "dimensions": ("client_id.country", "shops.town")},
    ),
    "dated": (
        "avg(id)",
        {
            "date": "shops.opened",
            "filter": (
                {"column": "payer_id.since", "op": ">=", "value": date(2025, 1, 1)},
                {"column": "town", "op": "is not null"},
            ),
        },
    ),
}


def resolved(measure: str, **more: object) -> kpi.ResolvedKpi:
    return kpi.resolve(spec(measure, table="orders", **more), GROUP, ZURICH)


def place(table: LakeTable) -> tuple[str, str]:
    return "main", table.name


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[Both]:
    with both() as connections:
        for name, columns in TABLES.items():
            connections.create(name, columns)
        yield connections


@pytest.fixture(scope="module")
def small() -> Iterator[sqlite3.Connection]:
    """SQLite, whose columns hold what is put into them."""
    connection = sqlite3.connect(":memory:")
    for name, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({', '.join(f'{c} {t}' for c, t in columns.items())})")
    yield connection
    connection.close()


SOME = st.none() | st.integers(1, 6)
ORDERS = st.lists(
    st.tuples(
        st.integers(1, 50),
        SOME,
        SOME,
        st.sampled_from(["a", "A", "b'\\", None]),
        st.sampled_from(["x", "y", None]),
        st.none() | st.integers(-(10**13), 10**13).map(lambda n: Decimal(n).scaleb(-2)),
        SOME,
    ),
    unique_by=lambda row: row[0],
    max_size=12,
)
CLIENTS = [
    (1, "CH", Decimal("0.0810"), "north", "2025-01-01"),
    (2, "DE", Decimal("-1.5"), "south", None),
    (3, "CH", None, "nowhere", "2024-02-29"),
    (4, None, Decimal(1), None, "2025-01-01"),
]
REGIONS = [("north", "Ann"), ("south", None)]
SHOPS = [("a", "x", "2025-01-01"), ("A", "x", None), ("a", "y", "2025-02-03")]


def cells(r: kpi.ResolvedKpi, figures: Sequence[tuple[object, ...]]) -> set[tuple[object, ...]]:
    """The finest cells of our own figures, as the plain SELECT gives them."""
    full = ",".join(f"d{n + 1}" for n in range(len(r.spec.dimensions)))
    grain, at = ("day", 1) if r.spec.date else ("total", 3)
    return {
        (*([row[1]] if r.spec.date else []), *row[3:-1]) for row in figures if (row[0], row[2]) == (grain, full) and at
    }


def plain(rows: Sequence[tuple[object, ...]]) -> set[tuple[object, ...]]:
    def word(value: object) -> object:
        return value.isoformat() if isinstance(value, date) else Decimal(value) if isinstance(value, int) else value

    return {tuple(word(value) for value in row) for row in rows}


@pytest.mark.parametrize("name", FIGURES)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(orders=ORDERS)
def test_plain_selects_give_the_figures_that_we_give(
    world: Both, small: sqlite3.Connection, name: str, orders: list[tuple[object, ...]]
) -> None:
    for table, rows in {"orders": orders, "clients": CLIENTS, "regions": REGIONS, "shops": SHOPS}.items():
        world.pg.execute(f"TRUNCATE pg_temp.{table}")
        world.duck.execute(f"DELETE FROM {table}")
        small.execute(f"DELETE FROM {table}")
        world.fill(table, rows)
        words = [[str(v) if isinstance(v, Decimal) else v for v in row] for row in rows]
        small.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(TABLES[table]))})", words)
    measure, more = FIGURES[name]
    r = resolved(measure, **more)
    ours = plain(cells(r, world.pg.execute(kpi.source_sql(r)).fetchall()))
    assert plain(world.pg.execute(portable_sql(r, Engine.POSTGRES, place)).fetchall()) == ours
    assert plain(world.duck.execute(portable_sql(r, Engine.DUCKDB, place)).fetchall()) == ours
    if name in {"count", "whole", "dated"}:
        assert plain(small.execute(portable_sql(r, Engine.SQLITE, place)).fetchall()) == ours


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("engine", Engine)
def test_what_is_rendered_is_read_back_as_the_same(name: str, engine: Engine) -> None:
    """MySQL and Spark are not run here."""
    measure, more = FIGURES[name]
    try:
        text = portable_sql(resolved(measure, **more), engine, place)
    except kpi.KpiError:
        assert engine is Engine.SQLITE
        return
    (tree,) = sqlglot.parse(text, dialect=engine.value)
    assert tree is not None
    assert tree.sql(dialect=engine.value, pretty=True) == text
    assert isinstance(tree, sqlglot.exp.Select)


COLUMNS = {
    "id": "long",
    "day": "timestamptz",
    "amount": "decimal(20,2)",
    'odd"`name': "int",
    "big": "long",
    "weight": "double",
}


@pytest.mark.parametrize(
    ("engine", "measure", "more", "said"),
    [
        (Engine.SQLITE, "sum(amount)", {}, "sum(amount) has decimals, which SQLite holds as floats"),
        (Engine.SQLITE, "sum(big * big)", {}, "may leave the 64 bits"),
        (Engine.SQLITE, "count()", {"date": "day"}, "SQLite knows no time zones"),
        (Engine.SQLITE, "count()", {"filter": ({"column": "amount", "value": 5},)}, "holds as floats"),
        (Engine.SPARK, "sum(amount * amount)", {}, "may need 41 digits, spark has 38"),
        (Engine.DUCKDB, "sum(amount * amount)", {}, "may need 41 digits, duckdb has 38"),
        (Engine.MYSQL, "sum(amount * amount * amount * amount)", {}, "may need 83 digits, mysql has 65"),
    ],
)
def test_what_would_be_rounded_without_a_word_is_refused(
    engine: Engine, measure: str, more: dict[str, object], said: str
) -> None:
    r = kpi.resolve(spec(measure, **more), plan_of("facts", COLUMNS), ZURICH)
    with pytest.raises(kpi.KpiError, match=r"^KPI figure: ") as error:
        portable_sql(r, engine, place)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (Engine.POSTGRES, """CAST("r"."day" AT TIME ZONE 'Europe/Zurich' AS DATE)"""),
        (Engine.MYSQL, "CAST(CONVERT_TZ(`r`.`day`, '+00:00', 'Europe/Zurich') AS DATE)"),
        (Engine.DUCKDB, """CAST("r"."day" AT TIME ZONE 'Europe/Zurich' AS DATE)"""),
        (Engine.SPARK, "CAST(FROM_UTC_TIMESTAMP(`r`.`day`, 'Europe/Zurich') AS DATE)"),
    ],
)
def test_days_are_those_of_the_calendar_and_names_are_quoted(engine: Engine, said: str) -> None:
    r = kpi.resolve(spec('sum("odd""`name")', date="day"), plan_of("facts", COLUMNS, schema="s'x"), ZURICH)
    text = portable_sql(r, engine, place)
    assert said in text
    assert ('"odd""`name"' if engine in {Engine.POSTGRES, Engine.DUCKDB} else '`odd"``name`') in text


def test_a_float_is_a_double_everywhere() -> None:
    tolerance = {"absolute": 1, "owner": "Ada", "reason": "x"}
    r = kpi.resolve(spec("sum(weight * 2)", exact=False, tolerance=tolerance), plan_of("facts", COLUMNS), ZURICH)
    with duckdb.connect() as duck:
        duck.execute("CREATE TABLE facts AS SELECT 0.25::DOUBLE AS weight")
        assert duck.execute(portable_sql(r, Engine.DUCKDB, place)).fetchall() == [(0.5, 1)]
