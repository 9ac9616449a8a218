"""Closed periods in a row: each counted once, none skipped, up to the latest closed one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lakeward.domain.closing import period_of
from lakeward.domain.decision import Streak
from lakeward.domain.streaks import Measured, streak
from lakeward.spec.calendar import CalendarSpec, FiscalSpec, Grain

CALENDAR = CalendarSpec(closed_after="1d", fiscal=FiscalSpec(month_starts=26))
AT = datetime(2025, 3, 20, 12, tzinfo=UTC)  # 18 March is the latest closed day
LATEST = date(2025, 3, 18)
ALL = Measured(AT, frozenset())


def days(wanted: int, *measured: Measured) -> Streak:
    return streak("shop", "revenue", Grain.DAY, wanted, CALENDAR, measured)


def back(number: int) -> str:
    return (LATEST - timedelta(days=number)).isoformat()


def failed(*numbers: int, at: datetime = AT) -> Measured:
    return Measured(at, frozenset(("day", back(n)) for n in numbers))


def test_a_day_without_rows_counts_and_one_that_differs_ends_the_row() -> None:
    assert days(14, ALL) == Streak("shop", "revenue", "day", 14, 14, back(0))
    assert days(14, failed(11, 13)) == Streak("shop", "revenue", "day", 11, 14, back(0), f"{back(11)} differs")
    assert str(days(14, failed(11))) == f"shop: revenue: 11 of 14 closed days, back from {back(0)}; {back(11)} differs"
    assert days(14, failed(0)).passed == 0


def test_nothing_measured_is_nothing_passed() -> None:
    assert days(3) == Streak("shop", "revenue", "day", 0, 3, "", "not measured")


def test_measured_twice_counts_once_and_the_newest_instant_tells_the_latest() -> None:
    early = Measured(AT - timedelta(days=3), frozenset())
    assert days(5, early, ALL, ALL) == days(5, ALL)
    assert days(5, early).latest == back(3)


def test_windows_count_together_and_a_day_between_them_was_not_measured() -> None:
    def window(first: int, last: int, *wrong: int) -> Measured:
        day = [LATEST - timedelta(days=n) for n in (first, last)]
        return Measured(AT, frozenset(("day", back(n)) for n in wrong), day[0], day[1])

    assert days(9, window(8, 4), window(3, 0)).passed == 9
    assert days(9, window(8, 5), window(3, 0)) == Streak("shop", "revenue", "day", 4, 9, back(0), f"{back(4)} was not measured")  # fmt: skip
    assert days(9, window(8, 4, 6), window(3, 0)).why == f"{back(6)} differs"
    week = streak("shop", "revenue", Grain.WEEK, 1, CALENDAR, [window(8, 4), window(3, 0)])
    assert (week.passed, week.latest) == (1, "2025-03-10")
    torn = streak("shop", "revenue", Grain.WEEK, 1, CALENDAR, [window(8, 5), window(3, 0)])
    assert (torn.passed, torn.why) == (0, "2025-03-10 was not measured")


def test_a_list_that_has_ended_has_no_latest_period() -> None:
    calendar = CalendarSpec(fiscal=FiscalSpec(months=(date(2024, 1, 1), date(2024, 2, 1))))
    found = streak("shop", "revenue", Grain.FISCAL_MONTH, 1, calendar, [ALL])
    assert (found.passed, found.why) == (
        0,
        "none that the calendar lists is the latest closed one: list its periods up to now",
    )


@given(
    grain=st.sampled_from([Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.FISCAL_MONTH]),
    wanted=st.integers(1, 20),
    wrong=st.sets(st.integers(0, 60), max_size=4),
)
def test_the_row_ends_at_the_first_period_with_a_difference(grain: Grain, wanted: int, wrong: set[int]) -> None:
    told = frozenset((grain.value, period_of(grain, LATEST - timedelta(days=n), CALENDAR)) for n in wrong)
    found = streak("shop", "revenue", grain, wanted, CALENDAR, [Measured(AT, told)])
    day, periods = LATEST + timedelta(days=1), []
    while len(periods) < wanted:  # walk back by days
        period = period_of(grain, day, CALENDAR)
        if period != period_of(grain, LATEST + timedelta(days=1), CALENDAR) and period not in periods:
            periods.append(period)
        day -= timedelta(days=1)
    good = [n for n, period in enumerate(periods) if (grain.value, period) in told]
    assert found.passed == (good[0] if good else wanted)
    assert found.latest == periods[0]
    assert (found.why == "") == (found.passed == wanted)
