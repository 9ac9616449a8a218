"""What the planner makes of a table and what the file says of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lakeward.domain.facts import TablePlan
from lakeward.domain.faults import FaultsError
from lakeward.domain.planning import plan_table
from lakeward.domain.references import plan_references
from lakeward.domain.source_facts import ForeignKey, SourceColumn, SourceTable
from lakeward.errors import SpecError
from lakeward.spec.models import GroupSpec, TableSpec


def column(name: str, base: str = "int8", *, nullable: bool = True, category: str = "plain") -> SourceColumn:
    return SourceColumn(name=name, type=base, base=base, nullable=nullable, category=category)


def table(name: str = "Orders", **more: object) -> SourceTable:
    facts: dict[str, object] = {
        "schema": "public",
        "name": name,
        "kind": "table",
        "columns": (
            column("id", nullable=False),
            column("customer_id"),
            column("at", "timestamptz"),
            column("doc", "jsonb"),
        ),
        "primary_key": ("id",),
        "foreign_keys": (),
        "has_children": False,
        "row_security": False,
        "readable": True,
        "estimated_rows": 10,
        "bytes": 8192,
    }
    return SourceTable(**(facts | more))  # type: ignore[arg-type]


def plan(spec: dict[str, object], source: SourceTable | None = None, sample: Sequence[str | None] = ()) -> TablePlan:
    return plan_table(
        TableSpec.model_validate({"table": "public.Orders"} | spec), source or table(), lambda _, __: sample
    )


def test_names_types_and_keys() -> None:
    main = plan({"rename": {"id": "order_id"}}).lake[0]
    assert main.name == "orders"
    assert [(c.name, c.type, c.required) for c in main.columns] == [
        ("order_id", "long", True),
        ("customer_id", "long", False),
        ("at", "timestamptz", False),
        ("doc", "json", False),
    ]
    assert main.key == ("order_id",)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"key": ["idd"]}, "did you mean id"),
        ({"mask": {"emial": "hash"}}, "no column 'emial'"),
        ({"rename": {"x": "y"}}, "no column 'x'"),
        ({"types": {"custmer_id": "long"}}, "did you mean customer_id"),
        ({"drop": ["nope"]}, "no column matches"),
        ({"filter": [{"column": "status", "value": 1}]}, "no column 'status'"),
        ({"partition": ["month(id)"]}, "month does not go with column 'id'"),
        ({"partition": ["truncate(4, at)"]}, "truncate does not go with column 'at'"),
        ({"partition": ["hour(customer)"]}, "no column 'customer'"),
        ({"rename": {"at": "moment"}, "partition": ["month(at)"]}, "in the lake the column is 'moment'"),
        ({"sort": ["-atx"]}, "did you mean at"),
        ({"rename": {"customer_id": "ID"}}, "would be called"),
        ({"flatten": [{"column": "doc", "fields": {"a": "long", "a.b": "long"}}]}, "overlap"),
        ({"flatten": [{"column": "doc", "fields": {"a": "binary"}}]}, "no form of binary"),
        (
            {"flatten": [{"column": "doc", "fields": {"a": "long"}, "prefix": "", "rename": {"a": "at"}}]},
            "would be called",
        ),
        (
            {
                "key": [],
                "flatten": [
                    {"column": "doc", "fields": {}, "children": [{"path": "l", "table": "l", "fields": {"$": "long"}}]}
                ],
            },
            "no key",
        ),
    ],
)
def test_what_the_file_gets_wrong_is_named(spec: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        plan(spec)


def test_everything_that_the_file_gets_wrong_is_named_at_once() -> None:
    spec = {
        "key": ["idd"],
        "filter": [{"column": "status", "value": 1}, {"column": "id", "value": 1}],
        "drop": ["nope"],
        "mask": {"emial": "hash"},
        "types": {"custmer_id": "long", "at": "long"},
        "rename": {"at": "moment"},
        "flatten": [
            {"column": "dok", "fields": {}},
            {
                "column": "doc",
                "fields": {"a": "long"},
                "children": [
                    {"path": "l", "table": "l", "fields": {"$": "long"}, "sort": ["x"], "partition": ["month(value)"]}
                ],
            },
        ],
        "partition": ["month(id)", "moment"],
        "sort": ["-doc_b", "customer_id"],
    }
    with pytest.raises(FaultsError) as caught:
        plan(spec)
    assert sorted(map(str, (t.path for t in caught.value.troubles))) == sorted(
        map(
            str,
            [
                ("key", 0),
                ("filter", 0, "column"),
                ("drop", 0),
                ("mask", "emial"),
                ("types", "custmer_id"),
                ("types", "at"),
                ("flatten", 0, "column"),
                ("partition", 0),
                ("sort", 0),
                ("flatten", 1, "children", 0, "partition", 0),
                ("flatten", 1, "children", 0, "sort", 0),
            ],
        )
    )


def test_what_rests_on_a_faulty_part_is_not_blamed_besides() -> None:
    spec = {
        "types": {"customer_id": "boolean"},
        "flatten": [{"column": "doc", "fields": {"a": "binary"}}],
        "partition": ["customer_id"],
        "sort": ["doc_a"],
    }
    with pytest.raises(FaultsError) as caught:
        plan(spec)
    assert [t.path for t in caught.value.troubles] == [("types", "customer_id"), ("flatten", 0)]


def test_only_indexes_that_do_not_transfer_are_told() -> None:
    assert not any("transfer" in note for note in plan({}).notes)
    assert "1 index does not transfer, and" in " ".join(plan({}, table(indexes=("i",))).notes)
    assert "2 indexes do not transfer, and" in " ".join(plan({}, table(indexes=("i", "j"))).notes)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (table(row_security=True), "row-level security"),
        (table(kind="foreign"), "foreign table"),
        (table(columns=()), "no columns"),
        (table(columns=(column("Id"), column("id")), primary_key=()), "differ by case"),
        (table(columns=(column("a", "aclitem"), column("b", "gtsvector")), primary_key=()), r"'a'.*\n.*'b'"),
    ],
)
def test_what_is_not_carried_is_refused_by_name(source: SourceTable, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        plan({}, source)


def test_missing_rights_are_named() -> None:
    with pytest.raises(SpecError, match=r"grant SELECT on public\.Orders"):
        plan({}, table(readable=False))
    with pytest.raises(SpecError, match="customer_id"):
        plan({}, table(unreadable_columns=("customer_id",)))
    assert plan({"drop": ["customer_id"]}, table(unreadable_columns=("customer_id",))).lake[0].columns[1].name == "at"


def test_flattening_makes_columns_and_child_tables() -> None:
    spec = {
        "flatten": [
            {
                "column": "doc",
                "fields": {"a.b": "decimal(12,2)", '"x.y"': "string"},
                "rename": {"a.b": "amount"},
                "children": [
                    {"path": "items", "table": "order_items", "fields": {"sku": "string", "n": "int"}, "sort": ["sku"]}
                ],
                "maps": [{"path": "attrs", "table": "order_attrs"}],
            }
        ]
    }
    main, items, attrs = plan(spec).lake
    assert [c.name for c in main.columns] == [
        "id",
        "customer_id",
        "at",
        "amount",
        "doc_x_y",
        "doc_shape",
        "doc_undeclared",
    ]
    assert main.column("doc_x_y").path == ("x.y",)
    assert [(c.name, c.role, c.required) for c in items.columns] == [
        ("orders_id", "parent", True),
        ("position", "position", True),
        ("sku", "value", False),
        ("n", "value", False),
        ("shape", "shape", False),
    ]
    assert items.key == ("orders_id", "position")
    assert [c.name for c in attrs.columns] == ["orders_id", "key", "value"]
    assert attrs.key == ("orders_id", "key")


def test_inference_takes_lists_to_child_tables_where_there_is_a_key() -> None:
    sample = ['{"a": 1.25, "tags": ["x"], "items": [{"n": 1}]}', None, '{"a": 10.5, "tags": []}']
    planned = plan({"flatten": [{"column": "doc"}]}, sample=sample)
    assert [t.name for t in planned.lake] == ["orders", "orders_tags", "orders_items"]
    assert planned.lake[0].column("doc_a").type == "decimal(18,2)"
    assert planned.lake[1].column("value").type == "string"
    unkeyed = plan({"flatten": [{"column": "doc"}], "key": []}, sample=sample)
    assert [t.name for t in unkeyed.lake] == ["orders"]
    assert unkeyed.lake[0].column("doc_tags").type == "json"


def test_the_fast_scanner_reads_only_what_it_reads_exactly() -> None:
    assert plan({}).scan
    assert not plan({"mask": {"customer_id": "hash"}}).scan
    assert not plan({"filter": [{"column": "id", "op": ">", "value": 1}]}).scan
    assert not plan({}, table(has_children=True)).scan
    assert not plan({}, table(kind="partitioned", has_children=True)).scan
    assert plan({}, table(kind="view", primary_key=())).scan


def test_references_stay_inside_their_group() -> None:
    orders = table(foreign_keys=(ForeignKey(("customer_id",), "public", "customers", ("id",)),))
    customers = table("customers")
    group = GroupSpec.model_validate({"name": "g", "tables": [{"table": "public.Orders"}]})
    both = (plan({}, orders), plan({"table": "public.customers"}, customers))
    references, notes = plan_references(group, both, (orders, customers), {})
    assert [(r.table, r.columns, r.to, r.to_columns, r.origin) for r in references] == [
        ("orders", ("customer_id",), "customers", ("id",), "source")
    ]
    assert notes == ()
    with pytest.raises(SpecError, match="read at different cuts"):
        plan_references(group, both[:1], (orders,), {"public.customers": "other"})
    alone, notes = plan_references(group, both[:1], (orders,), {})
    assert alone == ()
    assert "not migrated" in notes[0]
