"""Every day, week, month and fiscal period of two centuries is the same in PostgreSQL, in DuckDB and by Python's own calendars."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kpi_support import Both, both, plan_of, spec, told
from zones import ZONES

from lakeward.domain import kpi
from lakeward.domain.calendar_sql import day_of, period_of_day, period_text
from lakeward.domain.closing import period_of
from lakeward.domain.kpi_text import Dialect, canonical
from lakeward.domain.tree import raw
from lakeward.lab import Lab
from lakeward.spec.calendar import CalendarSpec, FiscalSpec, Grain

ONE = timedelta(days=1)
FIRST, LAST = date(1900, 1, 1), date(2100, 12, 31)
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[Both]:
    with both() as connections:
        yield connections


def everywhere(world: Both, sql: Callable[[Dialect], str], kind: str, words: Sequence[str]) -> list[str | None]:
    """One expression over many values of ``x``, the same answers from both."""
    listed = ", ".join(f"({n}, '{word}')" for n, word in enumerate(words))
    rows = f"(SELECT o, CAST(x AS {kind}) AS x FROM (VALUES {listed}) g(o, x)) v ORDER BY o"
    source = [row[0] for row in world.pg.execute(f"SELECT {sql(Dialect.POSTGRES)} FROM {rows}").fetchall()]
    lake = [row[0] for row in world.duck.execute(f"SELECT {sql(Dialect.DUCKDB)} FROM {rows}").fetchall()]
    assert source == lake
    return source  # type: ignore[return-value]


def moments(zone: ZoneInfo) -> list[datetime]:
    """Instants about every change of the clock, about the turns of years, and anywhere."""
    found, at, end = [], datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 12, 31, tzinfo=UTC)
    step = timedelta(days=4)
    while at < end:
        if at.astimezone(zone).utcoffset() != (at + step).astimezone(zone).utcoffset():
            low, high = at, at + step
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                same = middle.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found += [high + timedelta(minutes=m) for m in (-1500, -60, -1, 0, 1, 59, 60, 61, 1440)]
        at += step
    years = [datetime(year, 1, 1, tzinfo=zone).astimezone(UTC) for year in range(1901, 2100)]
    found += [year + timedelta(seconds=n) for year in years for n in (-1, 0)]
    dice = random.Random(4)
    found += [datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(6_300_000_000)) for _ in range(2000)]
    return [moment.replace(microsecond=0) for moment in found]


def days_of(kind: str, calendar: CalendarSpec) -> Callable[[Dialect], str]:
    return lambda dialect: told(canonical(day_of(raw("x"), kind, calendar, dialect), "date", dialect), dialect)


@pytest.mark.parametrize("zone", ZONES)
def test_the_day_of_an_instant(world: Both, zone: str) -> None:
    calendar = CalendarSpec(time_zone=zone)
    here = ZoneInfo(zone)
    chosen = moments(here)
    found = everywhere(world, days_of("timestamptz", calendar), "timestamptz", [at.isoformat() for at in chosen])
    assert found == [at.astimezone(here).date().isoformat() for at in chosen]


@pytest.mark.parametrize("kind", ["date", "timestamp"])
def test_the_day_of_what_has_no_zone_is_its_own(world: Both, kind: str) -> None:
    calendar = CalendarSpec(time_zone="America/Sao_Paulo")
    words = ["2018-11-04", "2000-02-29", "1900-02-28", "2100-12-31"]
    at = " 00:30:00" if kind == "timestamp" else ""  # in 2018 the clock of São Paulo never showed it
    assert everywhere(world, days_of(kind, calendar), kind, [word + at for word in words]) == words


# --- periods ----------------------------------------------------------------------------------------------------------


def begins(day: date, grain: Grain, calendar: CalendarSpec) -> bool:
    """Whether a period begins on a day, told without any reckoning of ours."""
    fiscal = calendar.fiscal or FiscalSpec(month_starts=1)
    first = day.day == fiscal.month_starts
    since = (day.month - 1 - MONTHS.index(fiscal.year_starts)) % 12
    return {
        Grain.DAY: True,
        Grain.WEEK: WEEKDAYS[day.weekday()] == calendar.week_starts,
        Grain.MONTH: day.day == 1,
        Grain.FISCAL_MONTH: first,
        Grain.FISCAL_QUARTER: first and since % 3 == 0,
        Grain.FISCAL_YEAR: first and since == 0,
    }[grain]


def walked(day: date, grain: Grain, calendar: CalendarSpec) -> str:
    while not begins(day, grain, calendar):
        day -= ONE
    return day.isoformat()


def both_periods(world: Both, grain: Grain, calendar: CalendarSpec, days: Sequence[date]) -> list[str | None]:
    def period(dialect: Dialect) -> str:
        return told(
            period_text(period_of_day(grain, raw("x"), calendar, dialect), (grain,), calendar, dialect), dialect
        )

    words = [day.isoformat() for day in days]
    return everywhere(world, period, "date", words)


DAYS = st.lists(st.dates(FIRST, LAST), min_size=1, max_size=200)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    grain=st.sampled_from(list(Grain)),
    week_starts=st.sampled_from(WEEKDAYS),
    month_starts=st.integers(1, 28),
    year_starts=st.sampled_from(MONTHS),
    days=DAYS,
)
@example(Grain.FISCAL_YEAR, "monday", 28, "february", [date(2000, 2, 27), date(2000, 2, 28), date(2000, 2, 29), date(1900, 3, 1)])  # fmt: skip
@example(Grain.FISCAL_QUARTER, "sunday", 26, "april", [date(1900, 1, 1), date(2100, 1, 25), date(2100, 1, 26)])
def test_periods_that_follow_a_rule(
    world: Both, grain: Grain, week_starts: str, month_starts: int, year_starts: str, days: list[date]
) -> None:
    fiscal = FiscalSpec(month_starts=month_starts, year_starts=year_starts)
    calendar = CalendarSpec(week_starts=week_starts, fiscal=fiscal)
    wanted = [walked(day, grain, calendar) for day in days]
    assert both_periods(world, grain, calendar, days) == wanted
    assert [period_of(grain, day, calendar) for day in days] == wanted


def test_iso_weeks_over_the_turns_of_two_centuries(world: Both) -> None:
    days = [date(year, 1, 1) + n * ONE for year in range(1900, 2101) for n in range(-7, 8)]
    wanted = [date.fromisocalendar(*day.isocalendar()[:2], 1).isoformat() for day in days]
    assert any(day.isocalendar().week == 53 and day.month == 1 for day in days)
    assert both_periods(world, Grain.WEEK, CalendarSpec(), days) == wanted


def test_days_before_our_era_and_beyond_ten_thousand(world: Both) -> None:
    calendar = CalendarSpec(fiscal=FiscalSpec(month_starts=26, year_starts="october"))
    pg, duck = (
        told(period_text(period_of_day(Grain.FISCAL_YEAR, raw("x"), calendar, d), (Grain.FISCAL_YEAR,), calendar, d), d)
        for d in (Dialect.POSTGRES, Dialect.DUCKDB)
    )
    rows = world.pg.execute(f"SELECT {pg} FROM (VALUES (date '0044-03-15 BC'), (date '12000-01-01')) v(x)").fetchall()
    lake = world.duck.execute(f"SELECT {duck} FROM (VALUES (date '0044-03-15 (BC)'), (date '12000-01-01')) v(x)").fetchall()  # fmt: skip
    assert rows == lake == [("0045-10-26 BC",), ("11999-10-26",)]


def retail(years: Sequence[int], pattern: str) -> CalendarSpec:
    """Years that end on the last Saturday of January, as in retail: 52 or 53 weeks."""
    ends = [max(date(y, 1, n) for n in range(25, 32) if date(y, 1, n).weekday() == 5) + ONE for y in years]
    return CalendarSpec(fiscal=FiscalSpec(weeks=pattern, years=tuple(ends)))


@pytest.mark.parametrize("pattern", ["4-4-5", "4-5-4", "5-4-4"])
def test_weeks_counted_from_declared_years(world: Both, pattern: str) -> None:
    calendar = retail(range(2023, 2028), pattern)
    assert calendar.fiscal is not None
    years = calendar.fiscal.years
    assert {(b - a).days for a, b in pairwise(years)} == {364, 371}
    lengths = [int(n) for n in pattern.split("-")]
    firsts: dict[Grain, list[date]] = {g: [] for g in Grain}
    for year in years[:-1]:
        for month in range(12):
            day = year + timedelta(weeks=sum((lengths * 4)[:month]))
            firsts[Grain.FISCAL_MONTH].append(day)
            if month % 3 == 0:
                firsts[Grain.FISCAL_QUARTER].append(day)
            if month == 0:
                firsts[Grain.FISCAL_YEAR].append(day)
    days = [years[0] + n * ONE for n in range(-3, (years[-1] - years[0]).days + 3)]
    for grain in (Grain.FISCAL_MONTH, Grain.FISCAL_QUARTER, Grain.FISCAL_YEAR):
        inside = [max(f for f in firsts[grain] if f <= day).isoformat() for day in days[3:-3]]
        wanted = ["-infinity"] * 3 + inside + ["infinity"] * 3
        assert both_periods(world, grain, calendar, days) == wanted
        assert [period_of(grain, day, calendar) for day in days] == wanted


def test_listed_periods_and_days_outside_of_them(world: Both) -> None:
    starts = (date(2025, 1, 1), date(2025, 1, 20), date(2025, 3, 1))
    calendar = CalendarSpec(fiscal=FiscalSpec(months=starts))
    days = [date(2024, 12, 31), *starts, date(2025, 2, 28), date(2050, 1, 1)]
    wanted = ["-infinity", "2025-01-01", "2025-01-20", "infinity", "2025-01-20", "infinity"]
    assert both_periods(world, Grain.FISCAL_MONTH, calendar, days) == wanted
    assert [period_of(Grain.FISCAL_MONTH, day, calendar) for day in days] == wanted


@pytest.mark.parametrize("column", ["at", "on", "plain"])
def test_figures_by_fiscal_periods_are_the_same_on_both_sides(world: Both, column: str) -> None:
    columns = {"id": "long", "at": "timestamptz", "on": "date", "plain": "timestamp"}
    days = [
        "2024-12-31 23:30:00+00",
        "2025-01-01 00:30:00+00",
        "2025-01-26 00:00:00+00",
        "2025-02-28 23:59:00+00",
        "2026-06-01 12:00:00+00",
    ]
    world.create("facts", columns)
    world.fill("facts", [[n, day, day[:10], day[:-3]] for n, day in enumerate(days)] + [[9, None, None, None]])
    lists = FiscalSpec(months=(date(2025, 1, 1), date(2025, 1, 26), date(2025, 3, 1)), years=(date(2025, 1, 1), date(2025, 3, 1)))  # fmt: skip
    calendar = CalendarSpec(time_zone="Europe/Zurich", fiscal=lists)
    asked = spec("count()", date=column, grains=("fiscal_month", "fiscal_year", "day"))
    source, lake = world.figures(kpi.resolve(asked, plan_of("facts", columns), calendar))
    assert source == lake
    months = {row[1]: row[-1] for row in source if row[0] == "fiscal_month"}
    shifted = column == "at"  # in Zürich it is 2025 already, and March
    assert months == {
        **({} if shifted else {"-infinity": 1}),
        "2025-01-01": 2 if shifted else 1,
        "2025-01-26": 1 if shifted else 2,
        "infinity": 2 if shifted else 1,
        None: 1,
    }
