"""Every permitted expectation, on DuckDB: one case that passes, one that fails with the rows that it must name."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from lakeward.adapters.expectations import GxValidator
from lakeward.domain.expectations import PERMITTED, Shape
from lakeward.domain.facts import LakeColumn, LakeTable
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.rules import Value
from lakeward.ports import RuleResult, RuleSet, silent
from lakeward.spec.rules import Rule

COLUMNS = {
    "id": "long",
    "name": "string",
    "price": "decimal(12,2)",
    "tax": "decimal(12,2)",
    "ordered": "date",
    "shipped": "date",
    "seen": "timestamptz",
    "noted": "timestamp",
    "paid": "boolean",
    "note": "string",
    "empty": "string",
    "ref": "uuid",
    "weight": "double",
}
ROWS = """
    SELECT * FROM (VALUES
      (1, 'anna',  10.00, 2.00, DATE '2024-01-01', DATE '2024-01-03', TIMESTAMPTZ '2024-01-01 10:00:00.000001+02',
       TIMESTAMP '2024-01-01 00:00:00', true, 'it''s 100%', NULL::VARCHAR, '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::UUID, 0.5),
      (2, 'bob',   20.05, 4.00, DATE '2024-01-02', DATE '2024-01-02', TIMESTAMPTZ '2024-01-02 10:00:00+02',
       TIMESTAMP '2024-01-02 12:00:00', false, 'x:y {z}', NULL, '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::UUID, 1.5),
      (3, 'bob',   30.10, 6.00, DATE '2024-01-03', DATE '2024-01-02', TIMESTAMPTZ '2024-01-03 10:00:00+02',
       TIMESTAMP '2024-01-03 12:00:00', true, NULL, NULL, NULL, NULL)
    ) AS t(id, name, price, tax, ordered, shipped, seen, noted, paid, note, empty, ref, weight)
"""

Case = tuple[str, dict[str, Value], list[str]]
"""An expectation, its arguments, and the keys (or what was found) when it fails; none when it passes."""

CASES: list[Case] = [
    ("expect_column_values_to_not_be_null", {"column": "name"}, []),
    ("expect_column_values_to_not_be_null", {"column": "note"}, ["id=3 (note=null)"]),
    ("expect_column_values_to_be_null", {"column": "empty"}, []),
    ("expect_column_values_to_be_null", {"column": "note"}, ["id=1 (note=it's 100%)", "id=2 (note=x:y {z})"]),
    ("expect_column_values_to_be_unique", {"column": "id"}, []),
    ("expect_column_values_to_be_unique", {"column": "name"}, ["id=2 (name=bob)", "id=3 (name=bob)"]),
    ("expect_column_values_to_be_between", {"column": "price", "min_value": 10, "max_value": Decimal("30.10")}, []),
    ("expect_column_values_to_be_between", {"column": "price", "max_value": Decimal("30.09")}, ["id=3 (price=30.10)"]),
    (
        "expect_column_values_to_be_between",
        {"column": "price", "min_value": 10, "strict_min": True},
        ["id=1 (price=10.00)"],
    ),
    ("expect_column_values_to_be_between", {"column": "ordered", "min_value": date(2024, 1, 1)}, []),
    (
        "expect_column_values_to_be_between",
        {"column": "ordered", "max_value": date(2024, 1, 2)},
        ["id=3 (ordered=2024-01-03)"],
    ),
    (
        "expect_column_values_to_be_between",
        {"column": "seen", "min_value": datetime(2024, 1, 1, 8, 0, 0, 1, tzinfo=UTC)},
        [],
    ),
    (
        "expect_column_values_to_be_between",
        {"column": "seen", "min_value": datetime(2024, 1, 1, 8, 0, 0, 2, tzinfo=UTC)},
        ["id=1 (seen=2024-01-01 08:00:00.000001+00)"],
    ),
    (
        "expect_column_values_to_be_between",
        {"column": "noted", "min_value": date(2024, 1, 1), "strict_min": True},
        ["id=1 (noted=2024-01-01 00:00:00)"],
    ),
    ("expect_column_values_to_be_in_set", {"column": "name", "value_set": ("anna", "bob")}, []),
    ("expect_column_values_to_be_in_set", {"column": "name", "value_set": ("bob", "o'neil")}, ["id=1 (name=anna)"]),
    (
        "expect_column_values_to_be_in_set",
        {"column": "price", "value_set": (Decimal("10"), Decimal("20.05"))},
        ["id=3 (price=30.10)"],
    ),
    (
        "expect_column_values_to_be_in_set",
        {"column": "ordered", "value_set": (date(2024, 1, 1), date(2024, 1, 2))},
        ["id=3 (ordered=2024-01-03)"],
    ),
    ("expect_column_values_to_be_in_set", {"column": "paid", "value_set": (True,)}, ["id=2 (paid=false)"]),
    (
        "expect_column_values_to_be_in_set",
        {"column": "ref", "value_set": ("6ba7b810-9dad-11d1-80b4-00c04fd430c8",)},
        ["id=2 (ref=6ba7b811-9dad-11d1-80b4-00c04fd430c8)"],
    ),
    ("expect_column_values_to_not_be_in_set", {"column": "name", "value_set": ("carl",)}, []),
    ("expect_column_values_to_not_be_in_set", {"column": "name", "value_set": ("anna",)}, ["id=1 (name=anna)"]),
    ("expect_column_values_to_match_regex", {"column": "name", "regex": "^[a-z]+$"}, []),
    ("expect_column_values_to_match_regex", {"column": "note", "regex": r"\d{3}%"}, ["id=2 (note=x:y {z})"]),
    ("expect_column_values_to_not_match_regex", {"column": "name", "regex": "[0-9]"}, []),
    ("expect_column_values_to_not_match_regex", {"column": "note", "regex": "'s"}, ["id=1 (note=it's 100%)"]),
    ("expect_column_values_to_match_like_pattern", {"column": "name", "like_pattern": "%b%"}, ["id=1 (name=anna)"]),
    ("expect_column_values_to_match_like_pattern", {"column": "name", "like_pattern": "%"}, []),
    ("expect_column_values_to_not_match_like_pattern", {"column": "name", "like_pattern": "z%"}, []),
    ("expect_column_values_to_not_match_like_pattern", {"column": "name", "like_pattern": "a%"}, ["id=1 (name=anna)"]),
    (
        "expect_column_value_lengths_to_equal",
        {"column": "note", "value": 3},
        ["id=1 (note=it's 100%)", "id=2 (note=x:y {z})"],
    ),
    ("expect_column_value_lengths_to_equal", {"column": "empty", "value": 3}, []),
    ("expect_column_value_lengths_to_be_between", {"column": "name", "min_value": 3, "max_value": 4}, []),
    (
        "expect_column_value_lengths_to_be_between",
        {"column": "name", "min_value": 4},
        ["id=2 (name=bob)", "id=3 (name=bob)"],
    ),
    ("expect_column_pair_values_to_be_equal", {"column_A": "id", "column_B": "id"}, []),
    (
        "expect_column_pair_values_to_be_equal",
        {"column_A": "ordered", "column_B": "shipped"},
        ["id=1 (ordered=2024-01-01, shipped=2024-01-03)", "id=3 (ordered=2024-01-03, shipped=2024-01-02)"],
    ),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "price", "column_B": "tax"}, []),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "shipped", "column_B": "ordered"},
        ["id=2 (shipped=2024-01-02, ordered=2024-01-02)", "id=3 (shipped=2024-01-02, ordered=2024-01-03)"],
    ),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "shipped", "column_B": "ordered", "or_equal": True},
        ["id=3 (shipped=2024-01-02, ordered=2024-01-03)"],
    ),
    ("expect_compound_columns_to_be_unique", {"column_list": ("name", "id")}, []),
    ("expect_compound_columns_to_be_unique", {"column_list": ("name", "empty")}, []),
    (
        "expect_compound_columns_to_be_unique",
        {"column_list": ("name", "shipped")},
        ["id=2 (name=bob, shipped=2024-01-02)", "id=3 (name=bob, shipped=2024-01-02)"],
    ),
    ("expect_select_column_values_to_be_unique_within_record", {"column_list": ("price", "tax")}, []),
    (
        "expect_select_column_values_to_be_unique_within_record",
        {"column_list": ("ordered", "shipped")},
        ["id=2 (ordered=2024-01-02, shipped=2024-01-02)"],
    ),
    (
        "expect_multicolumn_sum_to_equal",
        {"column_list": ("price", "tax"), "sum_total": Decimal("12.00")},
        ["id=2 (price=20.05, tax=4.00)", "id=3 (price=30.10, tax=6.00)"],
    ),
    (
        "expect_multicolumn_sum_to_equal",
        {"column_list": ("price", "tax"), "sum_total": Decimal("12.00"), "mostly": Decimal("0.3")},
        [],
    ),
    ("expect_column_min_to_be_between", {"column": "price", "min_value": 10}, []),
    ("expect_column_min_to_be_between", {"column": "ordered", "min_value": date(2024, 1, 2)}, ["found 2024-01-01"]),
    ("expect_column_max_to_be_between", {"column": "price", "max_value": Decimal("30.10")}, []),
    ("expect_column_max_to_be_between", {"column": "price", "max_value": Decimal("30.09")}, ["found 30.10"]),
    ("expect_column_max_to_be_between", {"column": "seen", "max_value": datetime(2024, 1, 3, 8, tzinfo=UTC)}, []),
    (
        "expect_column_max_to_be_between",
        {"column": "noted", "max_value": date(2024, 1, 3)},
        ["found 2024-01-03 12:00:00"],
    ),
    (
        "expect_column_sum_to_be_between",
        {"column": "price", "min_value": Decimal("60.15"), "max_value": Decimal("60.15")},
        [],
    ),
    ("expect_column_sum_to_be_between", {"column": "price", "min_value": Decimal("60.16")}, ["found 60.15"]),
    ("expect_column_mean_to_be_between", {"column": "price", "min_value": 20, "max_value": 21}, []),
    ("expect_column_mean_to_be_between", {"column": "id", "min_value": 3}, ["found 2.0"]),
    ("expect_column_unique_value_count_to_be_between", {"column": "name", "max_value": 2}, []),
    ("expect_column_unique_value_count_to_be_between", {"column": "name", "min_value": 3}, ["found 2"]),
    ("expect_column_proportion_of_unique_values_to_be_between", {"column": "id", "min_value": 1}, []),
    (
        "expect_column_proportion_of_unique_values_to_be_between",
        {"column": "name", "min_value": Decimal("0.7")},
        ["found 0.6666666666666666"],
    ),
    ("expect_column_proportion_of_non_null_values_to_be_between", {"column": "note", "min_value": Decimal("0.6")}, []),
    (
        "expect_column_proportion_of_non_null_values_to_be_between",
        {"column": "note", "min_value": Decimal("0.7")},
        ["found 0.6666666666666666"],
    ),
    ("expect_column_distinct_values_to_be_in_set", {"column": "name", "value_set": ("anna", "bob", "carl")}, []),
    ("expect_column_distinct_values_to_be_in_set", {"column": "name", "value_set": ("anna",)}, ["not expected: bob"]),
    ("expect_column_distinct_values_to_contain_set", {"column": "name", "value_set": ("anna",)}, []),
    ("expect_column_distinct_values_to_contain_set", {"column": "name", "value_set": ("carl",)}, ["missing: carl"]),
    (
        "expect_column_distinct_values_to_equal_set",
        {"column": "price", "value_set": (10, Decimal("20.05"), Decimal("30.1"))},
        [],
    ),
    ("expect_column_distinct_values_to_equal_set", {"column": "name", "value_set": ("bob",)}, ["not expected: anna"]),
    ("expect_table_row_count_to_equal", {"value": 3}, []),
    ("expect_table_row_count_to_equal", {"value": 4}, ["found 3"]),
    ("expect_table_row_count_to_be_between", {"min_value": 1}, []),
    ("expect_table_row_count_to_be_between", {"max_value": 2}, ["found 3"]),
]

TABLE = LakeTable("orders", tuple(LakeColumn(n, t, False, "value", n) for n, t in COLUMNS.items()), ("id",))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[RuleResult]:
    """All cases put in one call."""
    folder = tmp_path_factory.mktemp("cases")
    with duckdb.connect() as con:
        con.execute(f"SET TimeZone = 'UTC'; COPY ({ROWS}) TO '{folder}/orders.parquet' (FORMAT parquet)")
    files = FileSet((f"{folder}/orders.parquet",), StorageAccess(), tuple(COLUMNS.items()))
    rules = tuple(Rule(expect=expect, args=args) for expect, args, _ in CASES)
    found = GxValidator().validate(
        [RuleSet(TABLE, rules, ())], {"orders": files}, f"{folder}/keys", StorageAccess(), silent
    )
    return list(found)


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=[f"{c[0][7:]}-{'fails' if c[2] else 'passes'}-{n}" for n, c in enumerate(CASES)]
)
def test_case(results: list[RuleResult], number: int) -> None:
    expect, args, keys = CASES[number]
    found = results[number]
    assert found.error == ""
    if "mostly" in args:
        assert (found.passed, found.failed) == (True, 2)
        return
    assert found.keys == tuple(keys)
    assert found.passed is not bool(keys)
    assert found.failed == len(keys)
    rows = PERMITTED[expect].shape is Shape.ROWS
    assert found.checked == (3 if rows else 1)
    if keys and rows:
        assert found.keys_file is not None
        with duckdb.connect() as con:
            assert con.execute(f"SELECT count(*) FROM '{found.keys_file.url}'").fetchone() == (len(keys),)
            assert found.keys_file.bytes == Path(found.keys_file.url).stat().st_size


def test_every_permitted_expectation_has_a_passing_and_a_failing_case() -> None:
    assert {e for e, _, keys in CASES if not keys} == set(PERMITTED)
    assert {e for e, _, keys in CASES if keys} == set(PERMITTED)
