"""Derived rules, refusals, and how rules read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from lakeward.domain.facts import LakeColumn, LakeTable, ReferencePlan
from lakeward.domain.rules import Value, all_rules, check_rule, derive_rules, describe, describe_reference, exact_args
from lakeward.spec.rules import Rule


def column(name: str, kind: str = "long", role: str = "value", *, required: bool = False) -> LakeColumn:
    return LakeColumn(name, kind, required, role, name)


def rule(expect: str, **args: Value) -> Rule:
    return Rule(expect=f"expect_{expect}", args=args)


ORDERS = LakeTable(
    "orders",
    (
        column("id", required=True),
        column("customer_id", required=True),
        column("total", "decimal(12,2)"),
        column("country", "string"),
        column("ordered_on", "date"),
        column("ordered_at", "timestamptz"),
        column("noted_at", "timestamp"),
        column("paid", "boolean"),
        column("at_time", "time"),
    ),
    ("id",),
)
LINES = LakeTable(
    "order_lines",
    (column("orders_id", role="parent"), column("position", role="position"), column("sku", "string")),
    (),
    kind="list",
)


def said(rules: tuple[Rule, ...]) -> list[str]:
    return [describe(one) for one in rules]


def test_rules_follow_from_key_and_not_null_columns() -> None:
    assert said(derive_rules(ORDERS)) == ["id is unique", "id is not null", "customer_id is not null"]


def test_a_compound_key_is_unique_together() -> None:
    table = LakeTable("t", (column("a"), column("b")), ("a", "b"))
    assert said(derive_rules(table)) == ["a, b together are unique", "a is not null", "b is not null"]


def test_a_child_names_its_parent_once_per_place() -> None:
    parent = ReferencePlan("order_lines", ("orders_id",), "orders", ("id",), "parent")
    assert said(derive_rules(LINES, (parent,))) == [
        "orders_id, position together are unique",
        "orders_id is not null",
        "position is at least 0",
    ]


def test_a_table_without_a_key_has_no_rule_on_one() -> None:
    assert derive_rules(LakeTable("log", (column("line", "string"),), ())) == ()
    orphanless = LakeTable("tags", (column("position", role="position"),), (), kind="list")
    assert said(derive_rules(orphanless)) == ["position is at least 0"]


def test_other_references_ask_for_no_value() -> None:
    reference = ReferencePlan("orders", ("total",), "orders", ("id",), "file")
    assert derive_rules(ORDERS, (reference,)) == derive_rules(ORDERS)


def test_the_files_own_wording_of_a_rule_wins() -> None:
    own = Rule(expect="expect_column_values_to_be_unique", args={"column": "id"}, severity="warn", why="known doubles")
    table = LakeTable(ORDERS.name, ORDERS.columns, ORDERS.key, rules=(own,))
    assert said(all_rules(table)) == ["id is not null", "customer_id is not null", "id is unique"]
    assert all_rules(table)[-1].severity == "warn"


GOOD = [
    rule("column_values_to_be_between", column="total", min_value=0, max_value=Decimal("9.99")),
    rule("column_values_to_be_between", column="ordered_on", min_value=date(2020, 1, 1)),
    rule("column_values_to_be_between", column="ordered_at", min_value=datetime(2020, 1, 1, tzinfo=UTC)),
    rule("column_values_to_be_between", column="noted_at", min_value=date(2020, 1, 1)),
    rule("column_values_to_be_in_set", column="country", value_set=("CH", "DE"), mostly=Decimal("0.99")),
    rule("column_values_to_match_regex", column="country", regex="^[A-Z]{2}$"),
    rule("column_pair_values_a_to_be_greater_than_b", column_A="ordered_at", column_B="ordered_at", or_equal=True),
    rule("table_row_count_to_be_between", min_value=1),
    rule("column_values_to_not_be_null", column="at_time"),
]

BAD = [
    (
        rule("column_values_to_be_betwen", column="total"),
        "no expectation .* did you mean 'expect_column_values_to_be_b",
    ),
    (rule("query_results_to_match_comparison"), "there is no expectation"),
    (Rule(expect="expect_unexpected_rows", args={"unexpected_rows_query": "SELECT 1"}), "there is no expectation"),
    (rule("column_values_to_be_unique", colum="id"), "no argument 'colum'; did you mean 'column'"),
    (rule("column_values_to_be_unique"), r"the argument 'column' \(a column\) is missing"),
    (rule("column_values_to_be_unique", column="ID"), "no column 'ID'"),
    (rule("column_values_to_be_unique", column="custmer_id"), "did you mean 'customer_id'. of orders"),
    (rule("column_values_to_be_between", column="country", min_value=1), "orders.country is of type string"),
    (rule("column_values_to_be_between", column="total"), "give min_value, max_value, or both"),
    (rule("column_values_to_be_between", column="total", min_value=2, max_value=1), "min_value 2 is greater than"),
    (rule("column_values_to_be_between", column="total", min_value="0"), "min_value '0' does not compare .* decimal"),
    (rule("column_values_to_be_between", column="total", min_value=True), "does not compare"),
    (rule("column_values_to_be_between", column="total", min_value=0, mostly=2), "mostly must be a share"),
    (rule("column_values_to_be_between", column="total", min_value=0, strict_min=1), "strict_min must be true or"),
    (rule("column_values_to_be_between", column="ordered_on", min_value="2020-01-01"), "without quotes"),
    (rule("column_values_to_be_between", column="ordered_at", min_value=date(2020, 1, 1)), "with its offset"),
    (
        rule("column_values_to_be_between", column="noted_at", min_value=datetime(2020, 1, 1, tzinfo=UTC)),
        "without offset",
    ),
    (rule("column_values_to_be_in_set", column="country", value_set=()), "value_set must be a list that is not empty"),
    (rule("column_values_to_be_in_set", column="country", value_set=("CH", 1)), "value_set '1' does not compare"),
    (rule("column_values_to_match_regex", column="country", regex="("), "must be a regular expression"),
    (rule("column_values_to_match_regex", column="country", regex="(?!a)b"), "must be a regular expression"),
    (rule("compound_columns_to_be_unique", column_list=("id",)), "two columns or more"),
    (rule("compound_columns_to_be_unique", column_list="id"), "two columns or more"),
    (rule("table_row_count_to_equal", value=-1), "a whole number, 0 or more"),
    (rule("column_values_to_be_unique", column="id", unexpected_rows_query="x"), "no argument 'unexpected_rows_query'"),
]


@pytest.mark.parametrize("one", GOOD, ids=describe)
def test_a_good_rule_is_let_through(one: Rule) -> None:
    check_rule(one, ORDERS)


@pytest.mark.parametrize(("one", "message"), BAD, ids=range(len(BAD)))
def test_a_bad_rule_is_refused(one: Rule, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_rule(one, ORDERS)


def test_a_date_is_midnight_where_the_column_holds_times() -> None:
    one = rule("column_values_to_be_between", column="noted_at", min_value=date(2020, 1, 2))
    assert exact_args(one, ORDERS)["min_value"] == datetime(2020, 1, 2)  # noqa: DTZ001


def test_rules_read_as_sentences() -> None:
    between = rule(
        "column_values_to_be_between", column="total", min_value=Decimal("0E+2"), max_value=9, strict_max=True
    )
    assert describe(between) == "total is at least 0 and below 9"
    some = rule("column_values_to_be_in_set", column="country", value_set=("CH", "DE"), mostly=Decimal("0.9"))
    assert describe(some) == "country is one of CH, DE, for 0.9 of the rows at least"
    pair = rule("column_pair_values_a_to_be_greater_than_b", column_A="a", column_B="b", or_equal=True)
    assert describe(pair) == "a is not less than b"
    braces = rule("column_values_to_match_regex", column="{x}", regex="a{2}")
    assert describe(braces) == "{x} matches a{2}"
    assert describe_reference(("a", "b"), "t", ("c", "d")) == "a, b names a row of t (c, d)"
