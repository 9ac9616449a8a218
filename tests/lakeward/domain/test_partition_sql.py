from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest
from pyiceberg.transforms import DayTransform, HourTransform, MonthTransform, Transform, YearTransform
from pyiceberg.types import DateType, TimestampType, TimestamptzType
from pyiceberg.utils.datetime import date_to_days, datetime_to_micros

from lakeward.domain.facts import LakeColumn, LakeTable, PartitionField, SortField
from lakeward.domain.partition import order_by, order_terms, partition_sql

INSTANTS = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, tzinfo=UTC),
    datetime(1582, 10, 4, 5, 6, 7, 8, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 59, 59, 999_999, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
]
TRANSFORMS: dict[str, Transform[Any, Any]] = {
    "year": YearTransform(),
    "month": MonthTransform(),
    "day": DayTransform(),
    "hour": HourTransform(),
}
ICEBERG = {"date": DateType(), "timestamp": TimestampType(), "timestamptz": TimestamptzType()}


@pytest.mark.parametrize("lake_type", ICEBERG)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_the_values_are_pyicebergs(transform: str, lake_type: str, instant: datetime) -> None:
    if (transform, lake_type) == ("hour", "date"):
        with pytest.raises(ValueError, match="hour cannot partition"):
            partition_sql(transform, "c", lake_type)
        return
    stored = date_to_days(instant.date()) if lake_type == "date" else datetime_to_micros(instant.replace(tzinfo=None))
    expected = TRANSFORMS[transform].transform(ICEBERG[lake_type])(stored)
    con = duckdb.connect()
    con.execute("SET TimeZone = 'America/New_York'")
    kind = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ"}[lake_type]
    text = str(instant.date() if lake_type == "date" else instant.isoformat())
    if lake_type == "timestamp":
        text = text.removesuffix("+00:00")
    row = con.execute(f"SELECT {partition_sql(transform, f'{kind} {chr(39)}{text}{chr(39)}', lake_type)}").fetchone()
    assert row == (expected,)


def test_identity_and_refusals() -> None:
    assert partition_sql("identity", '"c"', "string") == '"c"'
    with pytest.raises(ValueError, match="month cannot partition a column of type string"):
        partition_sql("month", "c", "string")
    with pytest.raises(ValueError, match="no partition transform"):
        partition_sql("bucket", "c", "date")
    for transform, kind in (
        ("bucket[4]", "boolean"),
        ("truncate[4]", "date"),
        ("identity", "double"),
        ("bucket[4]", "json"),
    ):
        with pytest.raises(ValueError, match="cannot partition a column of type"):
            partition_sql(transform, "c", kind)


def test_rows_are_ordered_by_partition_then_sort_order() -> None:
    columns = (LakeColumn("d", "date", False, "value", "d"), LakeColumn("n", "int", False, "value", "n"))
    table = LakeTable("t", columns, (), (PartitionField("month", "d"),), (SortField("n", descending=True),))
    con = duckdb.connect()
    rows = con.execute(
        "SELECT d, n FROM (VALUES (DATE '2024-02-01', 1), (DATE '2024-01-31', 1), (NULL, 1), (DATE '2024-02-03', 2), "
        f"(DATE '2024-02-02', NULL)) t(d, n) {order_by(table)}"
    ).fetchall()
    assert rows == [
        (None, 1),
        (date(2024, 1, 31), 1),
        (date(2024, 2, 3), 2),
        (date(2024, 2, 1), 1),
        (date(2024, 2, 2), None),
    ]
    assert order_by(LakeTable("t", columns, ())) == ""


@pytest.mark.parametrize(
    ("kind", "transform", "values"),
    [
        ("date", "month", "DATE '1969-11-01' + i::INT * 11"),
        ("timestamptz", "hour", "make_timestamptz(i * 1777777777)"),
        ("timestamp", "year", "make_timestamp((i - 500) * 77777777777777)"),
        ("decimal(9,2)", "truncate[700]", "((i - 500) * 1.37)::DECIMAL(9,2)"),
        ("string", "truncate[2]", "chr(60 + (i % 7)::INT) || chr(128512 + (i % 5)::INT) || i"),
        ("binary", "truncate[1]", "unhex(md5(i::VARCHAR))"),
        ("long", "identity", "i % 9"),
    ],
)
def test_a_partition_that_rises_with_the_first_sorted_column_needs_no_term_of_its_own(
    kind: str, transform: str, values: str
) -> None:
    columns = (LakeColumn("c", kind, False, "value", "c"), LakeColumn("i", "long", False, "value", "i"))
    table = LakeTable(
        "t",
        columns,
        (),
        (PartitionField(transform, "c"),),
        (SortField("c", descending=False), SortField("i", descending=False)),
    )
    assert [value for value, _ in order_terms(table)] == ['"c"', '"i"']
    part = partition_sql(transform, "c", kind)
    rows = f"SELECT CASE WHEN i % 10 > 0 THEN {values} END AS c, i FROM range(1000) r(i)"
    con = duckdb.connect()
    found, wanted = (
        con.execute(f"SELECT i FROM ({rows}) {order}").fetchall()
        for order in (order_by(table), f"ORDER BY {part} ASC NULLS FIRST, c ASC NULLS FIRST, i")
    )
    assert found == wanted


@pytest.mark.parametrize(
    ("transform", "column", "descending"), [("bucket[4]", "c", False), ("month", "c", True), ("month", "d", False)]
)
def test_other_partitions_come_first(transform: str, column: str, descending: bool) -> None:
    columns = (LakeColumn("c", "date", False, "value", "c"), LakeColumn("d", "date", False, "value", "d"))
    sort = (SortField("c", descending=descending),)
    assert len(order_terms(LakeTable("t", columns, (), (PartitionField(transform, column),), sort))) == 2
