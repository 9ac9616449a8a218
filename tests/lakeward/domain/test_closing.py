"""A period is closed when it is over by more than the declared lateness, whatever its zone's clock does; and never opens again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from zones import ZONES

from lakeward.domain.closing import closed_periods, open_from, open_sql
from lakeward.domain.closing import is_open as told
from lakeward.spec.calendar import CalendarSpec, FiscalSpec, Grain


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def test_a_period_is_closed_when_it_is_later_than_its_end_and_the_lateness() -> None:
    calendar = CalendarSpec(time_zone="Europe/Zurich", closed_after="36h", fiscal=FiscalSpec(month_starts=26))
    end = datetime(2025, 3, 31, tzinfo=ZoneInfo("Europe/Zurich")) + timedelta(
        hours=36
    )  # of 30 March, which had 23 hours
    at, then = (open_from(calendar, end + timedelta(microseconds=n)) for n in (0, 1))
    assert (at["day"], then["day"]) == ("2025-03-30", "2025-03-31")
    assert then == {
        "day": "2025-03-31",
        "week": "2025-03-31",
        "month": "2025-03-01",
        "fiscal_month": "2025-03-26",
        "fiscal_quarter": "2025-01-26",
        "fiscal_year": "2025-01-26",
    }
    assert at["week"] == "2025-03-24"
    assert open_from(CalendarSpec(), end) == {}


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    hours=st.integers(1, 100),
    at=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants them so
)
@example("America/St_Johns", 1, datetime(2010, 11, 7, 3, 30, 30, tzinfo=UTC))  # 00:00:30, and 23:01 a minute later
@example("Pacific/Apia", 1, datetime(2011, 12, 30, 11, 30, tzinfo=UTC))
def test_an_instant_of_a_closed_day_never_comes_again(zone: str, hours: int, at: datetime) -> None:
    first = open_from(CalendarSpec(time_zone=zone, closed_after=f"{hours}h"), at)["day"]
    since, here = at - timedelta(hours=hours), ZoneInfo(zone)
    later = {(since + timedelta(minutes=n)).astimezone(here).date().isoformat() for n in range(0, 3000, 7)}
    assert min(later) >= first
    long_before = (since - timedelta(hours=24 + 24)).astimezone(here).date().isoformat()
    assert first > long_before


def test_a_list_that_ends_or_begins_bounds_what_is_open_and_closed() -> None:
    starts = (date(2025, 1, 1), date(2025, 1, 20), date(2025, 3, 1))
    calendar = CalendarSpec(closed_after="1d", fiscal=FiscalSpec(months=starts))

    def seen(day: int, month: int) -> tuple[str | None, list[str]]:
        at = datetime(2025, month, day, 12, tzinfo=UTC)
        return open_from(calendar, at).get("fiscal_month"), list(closed_periods(Grain.FISCAL_MONTH, calendar, at))

    assert seen(1, 1) == ("2025-01-01", [])  # 31 December is the running day still
    assert seen(2, 2) == ("2025-01-20", ["2025-01-01"])
    assert seen(2, 4) == (None, [])  # which period would be the latest?


def test_closed_periods_are_told_from_the_latest_back() -> None:
    calendar = CalendarSpec(closed_after="1d")
    at = datetime(2025, 3, 2, 0, 0, 1, tzinfo=UTC)
    found = {grain: next(closed_periods(grain, calendar, at)) for grain in (Grain.DAY, Grain.WEEK, Grain.MONTH)}
    assert found == {Grain.DAY: "2025-02-28", Grain.WEEK: "2025-02-17", Grain.MONTH: "2025-02-01"}
    days = [day for day, _ in zip(closed_periods(Grain.DAY, calendar, at), range(3), strict=False)]
    assert days == ["2025-02-28", "2025-02-27", "2025-02-26"]


@pytest.mark.parametrize(
    ("grain", "period", "is_open"),
    [
        ("day", "2025-03-09", False),
        ("day", "2025-03-10", True),
        ("month", "2025-03-01", True),
        ("week", "2025-03-09", False),
        ("day", "10000-01-01", True),
        ("day", "0044-03-15 BC", False),
        ("fiscal_month", "-infinity", False),
        ("fiscal_month", "infinity", False),
        ("day", None, False),
        ("total", None, False),
    ],
)
def test_open_cells_are_told_by_their_text(
    duck: duckdb.DuckDBPyConnection, grain: str, period: str | None, is_open: bool
) -> None:
    opened = {"day": "2025-03-10", "week": "2025-03-10", "month": "2025-03-01", "fiscal_month": "2025-02-26"}
    sql = f"SELECT {open_sql('g', 'p', opened)} FROM (SELECT ?::varchar AS g, ?::varchar AS p)"
    assert duck.execute(sql, [grain, period]).fetchall() == [(is_open,)]
    assert told(grain, period, opened) == is_open
