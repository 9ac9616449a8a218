"""Columns that are reached by references: how they are called, what is refused, and the same figures from three ways of reckoning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kpi_support import ZURICH, Both, Figures, both, plan_of, reckon, spec, unique, without

from lakeward.domain import kpi
from lakeward.domain.facts import Follower, GroupPlan, ReferencePlan, Windowing
from lakeward.domain.kpi_landing import landing_sql
from lakeward.domain.sql import ident
from lakeward.lab import Lab

TABLES = {
    "orders": {
        "id": "long",
        "client_id": "int",
        "payer_id": "long",
        "shop": "string",
        "town": "string",
        "total": "decimal(14,2)",
        "parent_id": "long",
    },
    "clients": {"id": "long", "country": "string", "rate": "decimal(6,4)", "region": "string", "since": "date"},
    "regions": {"name": "string", "head": "string"},
    "shops": {"name": "string", "town": "string", "opened": "date"},
}
KEYS = {"orders": ("id",), "clients": ("id",), "regions": ("name",), "shops": ("name", "town")}
REFERENCES = (
    ReferencePlan("orders", ("client_id",), "clients", ("id",), "source"),
    ReferencePlan("orders", ("payer_id",), "clients", ("id",), "file"),
    ReferencePlan("orders", ("shop", "town"), "shops", ("name", "town"), "file"),
    ReferencePlan("orders", ("town", "shop"), "shops", ("town", "name"), "source"),
    ReferencePlan("orders", ("parent_id",), "orders", ("id",), "source"),
    ReferencePlan("clients", ("region",), "regions", ("name",), "file"),
)


def group_of(references: Sequence[ReferencePlan] = REFERENCES, **keys: tuple[str, ...]) -> GroupPlan:
    plans = [plan_of(name, columns, key=(KEYS | keys)[name]) for name, columns in TABLES.items()]
    return replace(plans[0], tables=tuple(plan.tables[0] for plan in plans), references=tuple(references))


GROUP = group_of()


@pytest.mark.parametrize(
    ("root", "follows", "name", "said"),
    [
        ("clients", ("client_id",), "client_id.country", ""),
        ("clients", ("payer_id",), "payer_id.client_id.country", "no reference of table clients"),
        (
            "clients",
            ("client_id",),
            "payer_id.country",
            r"orders to clients \(payer_id\) may lead to a row of another window",
        ),
        ("orders", (), "client_id.country", ""),
        ("orders", (), "parent_id.total", r"orders to orders \(parent_id\) may lead to a row of another window"),
    ],
)
def test_a_column_of_another_window_is_refused(root: str, follows: tuple[str, ...], name: str, said: str) -> None:
    followers = (Follower("orders", follows, "clients", ("id",)),) if follows else ()
    group = replace(GROUP, windowing=Windowing(root, "id", "key", "UTC", followers))
    found = spec("count()", table="orders", dimensions=(name,))
    if not said:
        assert kpi.resolve(found, group, ZURICH).reached[name].column.name == "country"
        return
    with pytest.raises(kpi.KpiError, match=said):
        kpi.resolve(found, group, ZURICH)


def resolved(measure: str, **more: object) -> kpi.ResolvedKpi:
    return kpi.resolve(spec(measure, table="orders", **more), GROUP, ZURICH)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("client_id.country", "country"),
        ("payer_id.rate", "rate"),
        ("shops.opened", "opened"),
        ("shop.opened", "opened"),
        ("orders.total", "total"),
        ("parent_id.client_id.regions.head", "head"),
        ('"client_id"."country"', "country"),
    ],
)
def test_a_reference_is_called_by_its_table_or_by_a_column(name: str, column: str) -> None:
    r = resolved("count()", dimensions=(name,))
    assert r.reached[name].column.name == column


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "clients.country",
            "'clients' is ambiguous: 2 references lead from orders by it; write `client_id.country` or `payer_id.country`",
        ),
        ("client_id.contry", "table clients has no column 'contry'. Did you mean `country`?"),
        ("country", "table orders has no column 'country'. clients has it: write `clients.country`."),
        ("shos.opened", "no reference of table orders is called 'shos'. Did you mean `shops` or `shop`?"),
        (
            "client_id.regions.nobody.x",
            "table regions refers to no other table, so there is no 'nobody' to look into; declare",
        ),
    ],
)
def test_what_cannot_be_reached_is_told_with_what_can(name: str, said: str) -> None:
    with pytest.raises(kpi.KpiError) as error:
        resolved("count()", dimensions=(name,))
    assert said in str(error.value)


def test_the_place_of_a_wrong_path_in_a_measure_is_told() -> None:
    with pytest.raises(kpi.KpiError) as error:
        resolved("sum(total * clients.rate)")
    assert error.value.at == len("sum(total * ")


@pytest.mark.parametrize(
    ("group", "said"),
    [
        (
            group_of([ReferencePlan("orders", ("shop",), "shops", ("name",), "file")]),
            "leads to no key (its key is name, town)",
        ),
        (group_of(shops=()), "leads to no key (it has no key)"),
        (group_of([ReferencePlan("orders", ("id",), "shops", ("name",), "source")]), "are not compared exactly"),
    ],
)
def test_a_reference_that_would_double_rows_or_is_not_exact_is_refused(group: GroupPlan, said: str) -> None:
    group = replace(group, references=tuple(r for r in group.references if r.origin == "file" or r.columns == ("id",)))
    with pytest.raises(kpi.KpiError) as error:
        kpi.resolve(spec("count()", table="orders", dimensions=("shops.opened",)), group, ZURICH)
    assert said in str(error.value)


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[Both]:
    with both() as connections:
        for name, columns in TABLES.items():
            connections.create(name, columns)
            connections.duck.execute(f"CREATE OR REPLACE VIEW {ident(kpi.lake_view(name))} AS FROM {ident(name)}")
        yield connections


CLIENTS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["CH", "DE", "", None]),
        st.none() | st.integers(1 - 10**6, 10**6 - 1).map(lambda n: Decimal(n).scaleb(-4)),
        st.sampled_from(["north", "south", "nowhere", None]),
        st.none() | st.dates(),
    ),
    unique_by=lambda row: row[0],
    max_size=4,
)
ORDERS = st.lists(
    st.tuples(
        st.integers(1, 50),
        st.none() | st.integers(1, 6),
        st.none() | st.integers(1, 6),
        st.sampled_from(["a", "A", None]),
        st.sampled_from(["x", "y", None]),
        st.none() | st.integers(-(10**13), 10**13).map(lambda n: Decimal(n).scaleb(-2)),
        st.none() | st.integers(1, 50),
    ),
    unique_by=lambda row: row[0],
    max_size=10,
)
REGIONS = [("north", "Ann"), ("south", None)]
SHOPS = [("a", "x", "2025-01-01"), ("A", "x", None), ("a", "y", "2025-02-03")]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(clients=CLIENTS, orders=ORDERS)
def test_figures_over_joined_tables_are_those_of_plain_loops(
    world: Both, clients: list[tuple[object, ...]], orders: list[tuple[object, ...]]
) -> None:
    filled = {"clients": clients, "orders": orders, "regions": REGIONS, "shops": SHOPS}
    for name, rows in filled.items():
        world.pg.execute(f"TRUNCATE pg_temp.{name}")
        world.duck.execute(f"DELETE FROM {name}")
        world.fill(name, rows)
    r = resolved(
        "sum(total * client_id.rate)",
        date="payer_id.since",
        dimensions=("client_id.regions.head", "payer_id.country", "parent_id.shop"),
        filter=({"column": "client_id.country", "op": "!=", "value": "DE"},),
    )
    named = {name: [dict(zip(TABLES[name], row, strict=True)) for row in rows] for name, rows in filled.items()}
    by = {name: {row[KEYS[name][0]]: row for row in rows} for name, rows in named.items()}
    rows = []
    for order in named["orders"]:
        client, payer = by["clients"].get(order["client_id"], {}), by["clients"].get(order["payer_id"], {})
        if client.get("country") not in {None, "DE"}:
            region, parent = by["regions"].get(client["region"], {}), by["orders"].get(order["parent_id"], {})
            rows.append(
                {
                    "payer_id.since": payer.get("since"),
                    "client_id.regions.head": region.get("head"),
                    "payer_id.country": payer.get("country"),
                    "parent_id.shop": parent.get("shop"),
                    "x": None if order["total"] is None or client["rate"] is None else order["total"] * client["rate"],  # type: ignore[operator]
                }
            )
    source, lake = world.figures(r)
    assert source == reckon(r, rows, lambda row: row["x"])
    assert lake == source
    landing: Figures = unique(world.duck.execute(landing_sql(r)).fetchall())
    assert without(landing) == source


def test_a_composite_reference_joins_by_all_its_columns(world: Both) -> None:
    for name, rows in {
        "shops": SHOPS,
        "orders": [
            (n, None, None, s, t, 1, None) for n, (s, t) in enumerate([("a", "x"), ("A", "x"), ("A", "y"), (None, "x")])
        ],
    }.items():
        world.pg.execute(f"TRUNCATE pg_temp.{name}")
        world.duck.execute(f"DELETE FROM {name}")
        world.fill(name, rows)
    source, lake = world.figures(resolved("count()", date="shops.opened", grains=("day",)))
    assert (
        source
        == lake
        == {
            ("total", None, "", Decimal(4), 4),
            ("day", "2025-01-01", "", Decimal(1), 1),
            ("day", None, "", Decimal(3), 3),
        }
    )
