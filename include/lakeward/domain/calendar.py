"""The business calendar: which periods there are, and where fiscal ones begin."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import get_args

from lakeward.spec.calendar import CalendarSpec, FiscalSpec, Grain, MonthName

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
COARSE_TO_FINE = (
    Grain.FISCAL_YEAR,
    Grain.FISCAL_QUARTER,
    Grain.MONTH,
    Grain.FISCAL_MONTH,
    Grain.WEEK,
    Grain.DAY,
)
BEFORE, AFTER = "-infinity", "infinity"
"""Names of the periods before and after those that a calendar lists."""


def fiscal_of(calendar: CalendarSpec) -> FiscalSpec:
    """The declared fiscal periods; ValueError when there are none, which the check of the file refuses."""
    if calendar.fiscal is None:
        raise ValueError("the calendar declares no fiscal periods")
    return calendar.fiscal


def listed(grain: Grain, calendar: CalendarSpec) -> tuple[date, ...]:
    """First days of a grain's periods where they are listed or follow from a list, and the first day after the last; else nothing."""
    fiscal = calendar.fiscal
    if fiscal is None or not grain.fiscal:
        return ()
    if grain is Grain.FISCAL_YEAR:
        return fiscal.years
    if fiscal.weeks is None:
        return fiscal.quarters if grain is Grain.FISCAL_QUARTER else fiscal.months
    quarter = [int(weeks) for weeks in fiscal.weeks.split("-")]
    steps = [sum(quarter)] * 4 if grain is Grain.FISCAL_QUARTER else quarter * 4
    begins = [0, *accumulate(steps[:-1])]  # the last one takes the 53rd week
    return (*(year + timedelta(weeks=n) for year, _ in pairwise(fiscal.years) for n in begins), fiscal.years[-1])


def months_back(grain: Grain, month: int, fiscal: FiscalSpec) -> int:
    """How many months before this one the fiscal period began that it lies in."""
    since = (month - get_args(MonthName).index(fiscal.year_starts) - 1) % 12
    return {Grain.FISCAL_QUARTER: since % 3, Grain.FISCAL_YEAR: since}.get(grain, 0)
