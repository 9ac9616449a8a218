"""KPIs put on tables: types, scales and filters are checked, and what is wrong is named with what was meant."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from kpi_support import ZURICH, plan_of, spec

from lakeward.domain import kpi
from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, LandedColumn, TablePlan
from lakeward.spec.models import CalendarSpec, Filter

COLUMNS = {
    "id": "long",
    "amount": "decimal(14,2)",
    "rate": "decimal(38,20)",
    "weight": "double",
    "note": "string",
    "on": "date",
    "at": "timestamptz",
    "local": "timestamp",
    "opens": "time",
    "ref": "uuid",
    "paid": "boolean",
    "raw": "binary",
    "doc": "json",
}
FACTS = plan_of("facts", COLUMNS)


def resolved(measure: str, **more: object) -> kpi.ResolvedKpi:
    return kpi.resolve(spec(measure, **more), FACTS, ZURICH)


@pytest.mark.parametrize(
    ("measure", "scale"),
    [
        ("sum(amount)", 2),
        ("sum(amount * amount)", 4),
        ("sum(amount * 0.081 - id)", 5),
        ("sum(-amount + rate)", 20),
        ("avg(id)", 0),
        ("min(rate)", 20),
        ("count(amount * 1.5)", 0),
        ("count_distinct(rate)", 0),
        ("max(at)", None),
        ("min(note)", None),
        ("count(doc)", 0),
    ],
)
def test_the_scale_of_a_value_is_exact(measure: str, scale: int | None) -> None:
    assert resolved(measure).scale == scale


@pytest.mark.parametrize(
    ("measure", "more", "said"),
    [
        ("sum(amout)", {}, "no column 'amout'. Did you mean `amount`? Its columns are id, amount, "),
        ("sum(weight)", {}, "declare the column as decimal(p,s) under types"),
        ("avg(weight * 2)", {}, "declare the column as decimal(p,s) under types"),
        ("max(weight)", {}, "declare the column as decimal(p,s) under types"),
        ("sum(note)", {}, "'note' is of type string; only int, long and decimal"),
        ("sum(paid)", {}, "'paid' is of type boolean"),
        ("count_distinct(doc)", {}, "'doc', which is of type json, is not exact"),
        ("sum(rate * rate)", {}, "40 digits after the point; 38 is the most"),
        ("count(rate * rate)", {}, "40 digits after the point"),
        ("count()", {"date": "note"}, "it must be a date, timestamp or timestamptz"),
        ("count()", {"date": "when"}, "no column 'when'"),
        ("count()", {"date": "on", "grains": ()}, "no grain"),
        ("count()", {"dimensions": ("weight",)}, "dimension 'weight' is of type double"),
        ("count()", {"dimensions": ("raw",)}, "dimension 'raw' is of type binary"),
        ("count()", {"dimensions": ("note", "note")}, "named twice"),
        ("count()", {"table": "fact"}, "no lake table 'fact'. Did you mean `facts`?"),
        ("count()", {"filter": ({"column": "nte"},)}, "no column 'nte'. Did you mean `note`"),
        ("count()", {"filter": ({"column": "note", "value": 5},)}, "5 is no value of its type string"),
        ("count()", {"filter": ({"column": "id", "value": "5"},)}, "'5' is no value of its type long"),
        ("count()", {"filter": ({"column": "paid", "value": 1},)}, "1 is no value of its type boolean"),
        (
            "count()",
            {"filter": ({"column": "on", "value": "2025-02-30"},)},
            "'2025-02-30' is no value of its type date",
        ),
        ("count()", {"filter": ({"column": "on", "value": "2025-02-03 10:00"},)}, "is no value of its type date"),
        (
            "count()",
            {"filter": ({"column": "local", "value": "2025-02-03T10:00Z"},)},
            "is no value of its type timestamp",
        ),
        ("count()", {"filter": ({"column": "ref", "value": "abc"},)}, "'abc' is no value of its type uuid"),
        ("count()", {"filter": ({"column": "weight", "value": 1},)}, "double can't be compared exactly"),
        ("count()", {"filter": ({"column": "note", "op": "is null", "value": "x"},)}, "takes no value"),
        ("count()", {"filter": ({"column": "note"},)}, "null compares with nothing"),
        ("count()", {"filter": ({"column": "note", "value": ["a"]},)}, "takes one value, not a list"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(measure: str, more: dict[str, object], said: str) -> None:
    with pytest.raises(kpi.KpiError, match=r"^KPI figure: ") as error:
        resolved(measure, **more)
    assert said in str(error.value)


def test_an_unknown_column_in_a_measure_has_its_place() -> None:
    with pytest.raises(kpi.KpiError) as error:
        resolved("sum(amount * prize)")
    assert error.value.at == len("sum(amount * ")


def test_filters_take_the_type_of_their_column() -> None:
    filters = [
        {"column": "on", "op": ">=", "value": "2025-01-02"},
        {"column": "at", "op": "<", "value": "2025-07-01"},
        {"column": "at", "op": ">", "value": "2025-01-01T00:00+00:00"},
        {"column": "local", "op": "in", "value": ["2025-07-01", "2025-07-01 10:30"]},
        {"column": "opens", "op": "<", "value": "09:30"},
        {"column": "amount", "op": "=", "value": Decimal("1.50")},
        {"column": "ref", "op": "=", "value": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"},
        {"column": "weight", "op": "is null"},
    ]
    found = [f.value for f in resolved("count()", filter=filters).filters]
    assert found == [
        date(2025, 1, 2),
        datetime(2025, 6, 30, 22, tzinfo=UTC),  # midnight in the calendar's zone
        datetime(2025, 1, 1, tzinfo=UTC),
        (datetime(2025, 7, 1), datetime(2025, 7, 1, 10, 30)),  # noqa: DTZ001
        "09:30:00.000000",
        Decimal("1.50"),
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        None,
    ]


def test_what_flattening_makes_has_no_figure_at_the_source() -> None:
    table = LakeTable("t", (LakeColumn("doc_shape", "string", False, "shape", "doc"),), ())
    landed = (LandedColumn("doc", "json", "jsonb", '"doc"', native=True, nullable=True),)
    group = GroupPlan("g", "c", (TablePlan("s", "t", (), landed, (), (table,), True, True, 0),), (), 0)
    with pytest.raises(kpi.KpiError, match="made while flattening"):
        kpi.resolve(spec("count(doc_shape)", table="t"), group, CalendarSpec())


def test_columns_are_those_that_enter_the_figure_each_once() -> None:
    r = resolved(
        "sum(amount * id + amount)", date="at", dimensions=("note",), filter=[Filter(column="note", value="x")]
    )
    assert r.columns == ("amount", "id", "at", "note")
    assert kpi.figure_columns(r) == (
        ("grain", "string"),
        ("period", "string"),
        ("dims", "string"),
        ("d1", "string"),
        ("value", "decimal(38,2)"),
        ("n", "long"),
        ("fp", "decimal(38,0)"),
    )
