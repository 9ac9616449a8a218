"""KPIs in the source's terms become the same KPIs in the lake's, through renames, flattening, lists and references."""

from __future__ import annotations

import pytest

from lakeward.domain import kpi
from lakeward.domain.facts import GroupPlan, ReferencePlan, TablePlan
from lakeward.domain.planning import plan_table
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.spec.models import CalendarSpec, KpiSpec, TableSpec

PAYLOAD = {
    "column": "payload",
    "prefix": "",
    "fields": {"channel": "string", "shipping.cost": "decimal(10,2)", '"odd.key"': "string"},
    "rename": {"shipping.cost": "freight"},
    "children": [
        {
            "path": "items",
            "table": "order_items",
            "fields": {"sku": "string", "id": "long", "price.net": "decimal(10,2)"},
        }
    ],
    "maps": [{"path": "fees", "table": "order_fees", "value": "decimal(10,2)"}],
}


BASES = {"bigint": "int8", "numeric": "numeric", "date": "date", "jsonb": "jsonb", "text": "text"}


def planned(label: str, columns: dict[str, str], **more: object) -> TablePlan:
    made = [
        SourceColumn(c, t, BASES[t.partition("(")[0]], nullable=c != "id", precision=14, scale=2)
        for c, t in columns.items()
    ]
    source = SourceTable("public", label, "table", tuple(made), ("id",), (), False, False, True, 0, 0)
    return plan_table(TableSpec.model_validate({"table": f'public."{label}"'} | more), source, lambda *_: ())


ORDERS = planned(
    "Orders",
    {"id": "bigint", "total": "numeric(14,2)", "buyer": "bigint", "at.day": "date", "payload": "jsonb"},
    rename={"total": "total_amount", "buyer": "customer_id"},
    flatten=[PAYLOAD],
)
PEOPLE = planned("People", {"id": "bigint", "land": "text"}, name="customers", rename={"land": "country"})
GROUP = GroupPlan(
    "shop",
    "0" * 16,
    (ORDERS, PEOPLE),
    (
        ReferencePlan("orders", ("customer_id",), "customers", ("id",), "source"),
        ReferencePlan("order_items", ("orders_id",), "orders", ("id",), "parent"),
    ),
    0.01,
)


def carried(table: str, measure: str, **more: object) -> KpiSpec:
    spec = KpiSpec.model_validate({"name": "figure", "table": table, "measure": measure, "terms": "source"} | more)
    found, troubles = kpi.lake_terms(spec, GROUP)
    assert not troubles
    assert kpi.resolve(found, GROUP, CalendarSpec()).spec == found
    return found


def test_renames_paths_and_references_are_carried_into_the_lakes_names() -> None:
    found = carried(
        "orders",
        "sum(total * payload.shipping.cost - total)",
        date="at.day",
        dimensions=("payload.channel", 'payload."odd.key"', "buyer.land"),
        filter=({"column": "People.land", "value": "CH"},),
    )
    assert found.terms == "lake"
    assert found.measure == "sum(total_amount * freight - total_amount)"
    assert found.date == "at.day"
    assert found.dimensions == ("channel", "odd_key", "customers.country")
    assert found.filter[0].column == "customers.country"


@pytest.mark.parametrize(
    ("table", "name", "lake"),
    [
        ("order_items", "payload.items.sku", "sku"),
        ("order_items", "sku", "sku"),
        ("order_items", "id", "orders_id"),
        ("order_items", "payload.items.id", "id"),
        ("order_items", "price.net", "price_net"),
        ("order_items", "position", "position"),
        ("order_items", "Orders.total", "orders.total_amount"),
        ("order_items", "Orders.buyer.land", "orders.customers.country"),
        ("order_fees", "payload.fees", "value"),
        ("order_fees", "key", "key"),
    ],
)
def test_rows_of_lists_and_maps_are_named_by_whole_paths_or_from_the_item(table: str, name: str, lake: str) -> None:
    assert carried(table, "count()", dimensions=(name,)).dimensions == (lake,)


def test_a_reference_comes_before_a_path_of_the_source() -> None:
    """A document called as a table is: the lake's name for what is in it is another, the reference is the path."""
    fields = {"column": "customers", "fields": {"country": "string"}}
    orders = planned("orders", {"id": "bigint", "buyer": "bigint", "customers": "jsonb"}, flatten=[fields])
    people = planned("customers", {"id": "bigint", "country": "text"})
    named = ReferencePlan("orders", ("buyer",), "customers", ("id",), "source")
    group = GroupPlan("shop", "0" * 16, (orders, people), (named,), 0.01)
    spec = KpiSpec.model_validate(
        {"name": "figure", "table": "orders", "measure": "count()", "dimensions": ["customers.country"]}
    )
    assert kpi.resolve(spec, group, CalendarSpec()).reached["customers.country"].table.name == "customers"
    found, _ = kpi.lake_terms(spec.model_copy(update={"terms": "source"}), group)
    assert found.dimensions == ("customers_country",)


@pytest.mark.parametrize(
    ("terms", "measure", "said", "at"),
    [
        (
            "source",
            "sum(total_amount)",
            "no column 'total_amount' that orders is made of. That is the lake's name; the source calls it `total`.",
            4,
        ),
        ("source", "sum(total * freight)", "That is the lake's name; the source calls it `payload.shipping.cost`.", 12),
        ("source", "count(payload_shape)", "It is made while flattening; the source has no such column.", 6),
        ("source", "sum(totl)", "Did you mean `total`?", 4),
        (
            "lake",
            "sum(total)",
            "table orders has no column 'total'. That is the source's name; the lake calls it `total_amount` (or write `terms: source`).",
            4,
        ),
        ("lake", "sum(payload.shipping.cost)", "That is the source's name; the lake calls it `freight`", 4),
    ],
)
def test_what_names_nothing_is_told_with_its_counterpart(terms: str, measure: str, said: str, at: int) -> None:
    spec = KpiSpec.model_validate({"name": "figure", "table": "orders", "measure": measure, "terms": terms})
    found, troubles = kpi.lake_terms(spec, GROUP)
    trouble = (troubles or list(kpi.kpi_troubles(found, GROUP, CalendarSpec())))[0]
    assert said in trouble.reason
    assert (trouble.path, trouble.at) == (("measure",), at)
