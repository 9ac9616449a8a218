"""What differs in a period that may still change is shown and decides nothing; everything else decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kpi_support import plan_of, spec

from lakeward.domain import kpi
from lakeward.domain.closing import open_from, period_of
from lakeward.domain.kpi_compare import (
    EXPECTED,
    FOUND,
    deciding_sql,
    difference_columns,
    differences_sql,
    finding,
    totals_sql,
)
from lakeward.domain.kpi_digits import INEXACT
from lakeward.spec.calendar import CalendarSpec, FiscalSpec, Grain

COLUMNS = {"id": "long", "amount": "decimal(12,2)", "on": "date", "status": "string"}
CALENDAR = CalendarSpec(closed_after="2d", fiscal=FiscalSpec(month_starts=26))
AT = datetime(2025, 3, 12, 9, tzinfo=UTC)
OPENED = open_from(CALENDAR, AT)
Row = tuple[int, str, str | None, str]


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def compared(
    duck: duckdb.DuckDBPyConnection, r: kpi.ResolvedKpi, source: list[Row], lake: list[Row], opened: dict[str, str]
) -> tuple[dict[str, int], list[dict[str, object]]]:
    for name, rows in ((EXPECTED, source), (FOUND, lake)):
        duck.execute('CREATE OR REPLACE TABLE facts (id BIGINT, amount DECIMAL(12,2), "on" DATE, status VARCHAR)')
        if rows:
            duck.executemany("INSERT INTO facts VALUES (?, ?::decimal(12,2), ?::date, ?)", [list(row) for row in rows])
        duck.execute(f"CREATE OR REPLACE TABLE {name} AS {kpi.lake_sql(r, 'facts')}")
    (totals,) = duck.execute(totals_sql(r, None, opened)).to_arrow_table().to_pylist()
    return totals, duck.execute(differences_sql(r, None, opened)).to_arrow_table().to_pylist()


def resolved(**more: object) -> kpi.ResolvedKpi:
    return kpi.resolve(spec("sum(amount)", date="on", **more), plan_of("facts", COLUMNS, key=("id",)), CALENDAR)


def test_a_day_that_is_open_decides_nothing_and_neither_do_its_week_and_month(duck: duckdb.DuckDBPyConnection) -> None:
    r = resolved(grains=("day", "week", "month", "fiscal_month"))
    old: Row = (1, "1.00", "2025-02-20", "paid")
    source, lake = [old, (2, "5.00", "2025-03-10", "paid")], [old, (2, "5.01", "2025-03-10", "paid")]
    totals, cells = compared(duck, r, source, lake, OPENED)
    assert totals == {"checked": 4, "failed": 0, "hidden": 0, "open": 5, "open_failed": 5}
    assert {(cell["grain"], cell["open"]) for cell in cells} == {
        (grain, True) for grain in ("total", "day", "week", "month", "fiscal_month")
    }
    found = finding(r.spec, "source-lake", cells[0])
    assert found.open
    assert found.message.endswith("; the period is open")
    assert [name for name, _ in difference_columns(r)] == list(cells[0])


def test_what_differs_in_closed_periods_comes_first_and_decides(duck: duckdb.DuckDBPyConnection) -> None:
    source: list[Row] = [(1, "1.00", "2025-03-09", "paid"), (2, "5.00", "2025-03-11", "paid")]
    lake: list[Row] = [(1, "1.01", "2025-03-09", "paid"), (2, "95.00", "2025-03-11", "paid")]
    totals, cells = compared(duck, resolved(grains=("day", "month")), source, lake, OPENED)
    assert (totals["failed"], totals["open_failed"]) == (1, 3)
    assert (cells[0]["grain"], cells[0]["period"], cells[0]["open"]) == ("day", "2025-03-09", False)
    without, all_decide = compared(duck, resolved(grains=("day", "month")), source, lake, {})
    assert (without["failed"], without["open"]) == (4, 0)
    assert not any(cell["open"] for cell in all_decide)


@pytest.mark.parametrize("day", [None, "2025-03-09"])
def test_rows_without_a_date_and_a_total_without_open_rows_decide(
    duck: duckdb.DuckDBPyConnection, day: str | None
) -> None:
    totals, cells = compared(duck, resolved(grains=("day",)), [(1, "1.00", day, "paid")], [], OPENED)
    assert (totals["failed"], totals["open"]) == (2, 0)
    assert {cell["grain"] for cell in cells} == {"day", "total"}


ROWS = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.sampled_from(["1.00", "2.00"]),
        st.none() | st.dates(datetime(2025, 1, 20).date(), datetime(2025, 4, 2).date()).map(str),  # noqa: DTZ001 - a day has no zone
        st.sampled_from(["paid", "open"]),
    ),
    max_size=8,
    unique_by=lambda row: row[0],
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=ROWS, lake=ROWS)
def test_exactly_the_cells_of_closed_periods_decide(
    duck: duckdb.DuckDBPyConnection, source: list[Row], lake: list[Row]
) -> None:
    r = resolved(grains=("day", "fiscal_month"), dimensions=("status",))
    totals, cells = compared(duck, r, source, lake, OPENED)
    running = any(row[2] is not None and row[2] >= OPENED["fiscal_month"] for row in (*source, *lake))
    for cell in cells:
        period = cell["period"]
        expected = running if cell["grain"] == "total" else period is not None and period >= OPENED[cell["grain"]]  # type: ignore[index,operator]
        assert cell["open"] == expected
    assert totals["failed"] == sum(not cell["open"] for cell in cells)
    kept = [[row for row in side if row[2] is None or row[2] < OPENED["day"]] for side in (source, lake)]
    assert (totals["failed"] == 0) <= (by_place(kept[0]) == by_place(kept[1]))


def by_place(rows: list[Row]) -> dict[tuple[str | None, str], list[tuple[int, Decimal]]]:
    """Rows by day and status, so that what must be equal can be told."""
    found: dict[tuple[str | None, str], list[tuple[int, Decimal]]] = {}
    for key, amount, day, status in rows:
        found.setdefault((day, status), []).append((key, Decimal(amount)))
    return {place: sorted(values) for place, values in found.items()}


def test_the_first_open_periods_hold_the_first_day_that_is_not_closed() -> None:
    assert OPENED["day"] == "2025-03-10"
    running = datetime(2025, 3, 10).date()  # noqa: DTZ001 - a day has no zone
    assert {grain.value: period_of(grain, running, CALENDAR) for grain in Grain} == OPENED


@pytest.mark.parametrize(
    ("grains", "deciding"),
    [
        (("day", "week", "month"), {("day", "2025-01-31"), ("day", "2025-02-01")}),
        # A row that has moved from January to February leaves the week's figure as it was.
        (("week", "month"), {("week", "2025-01-27"), ("month", "2025-01-01"), ("month", "2025-02-01")}),
        (("month", "fiscal_month", "fiscal_year"), {("month", "2025-01-01"), ("month", "2025-02-01"), ("fiscal_month", "2025-01-26")}),
        (("fiscal_quarter", "fiscal_year"), {("fiscal_quarter", "2025-01-26")}),
    ],
)  # fmt: skip
def test_periods_that_are_not_made_of_shorter_ones_are_accepted_by_themselves(
    duck: duckdb.DuckDBPyConnection, grains: tuple[str, ...], deciding: set[tuple[str, str]]
) -> None:
    r = resolved(grains=grains, dimensions=("status",))
    both: Row = (2, "7.00", "2025-02-01", "paid")
    _, cells = compared(
        duck, r, [(1, "5.00", "2025-01-31", "paid"), both], [(1, "5.00", "2025-02-01", "paid"), both], {}
    )
    assert cells
    duck.execute(f"CREATE OR REPLACE TABLE differences AS {differences_sql(r)}")
    found = duck.execute(deciding_sql(r, 100)).to_arrow_table().to_pylist()
    assert {(cell["grain"], cell["period"]) for cell in found} == deciding
    assert {cell["dims"] for cell in found} == {"d1"}


def test_of_figures_with_a_tolerance_every_cell_is_accepted_by_itself(duck: duckdb.DuckDBPyConnection) -> None:
    r = resolved(dimensions=("status",))
    both: Row = (2, "7.00", "2025-02-01", "paid")
    _, cells = compared(
        duck, r, [(1, "5.00", "2025-01-31", "paid"), both], [(1, "5.01", "2025-01-31", "paid"), both], {}
    )
    duck.execute(f"CREATE OR REPLACE TABLE differences AS {differences_sql(r)}")
    assert len(duck.execute(deciding_sql(r, 100)).fetchall()) == 1
    assert len(duck.execute(deciding_sql(replace(r, value_type=INEXACT), 100)).fetchall()) == len(cells) == 8
