"""The business calendar as SQL, alike in PostgreSQL and DuckDB: the day of an instant, and the first day of each period that it lies in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import get_args

from lakeward.domain.kpi_text import Dialect, canonical
from lakeward.domain.sql import text
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


def day_sql(expression: str, lake_type: str, calendar: CalendarSpec) -> str:
    """The business day of a date, a timestamp (as it is) or a timestamptz (in the calendar's zone), as SQL of type date.

    :raises ValueError: when the type has no day.
    """
    match lake_type:
        case "date":
            return expression
        case "timestamp":
            return f"CAST({expression} AS date)"
        case "timestamptz":
            return f"CAST(({expression}) AT TIME ZONE {text(calendar.time_zone)} AS date)"
    raise ValueError(f"a column of type {lake_type} has no day")


def period_sql(grain: Grain, day: str, calendar: CalendarSpec) -> str:
    """The first day of the period that a day lies in, as SQL of type date; infinite outside of what a calendar lists.

    ``day`` is a column: it is mentioned several times. Only days are added and taken away, so that any year will do.
    """
    match grain:
        case Grain.DAY:
            return day
        case Grain.WEEK:
            first = WEEKDAYS.index(calendar.week_starts) + 1
            return f"({day} - (CAST(extract(isodow FROM {day}) AS integer) + {7 - first}) % 7)"
        case Grain.MONTH:
            return _first_of_month(day)
    if starts := listed(grain, calendar):
        return _listed_sql(day, starts)
    fiscal = fiscal_of(calendar)
    moved = f"({day} - {(fiscal.month_starts or 1) - 1})"  # then fiscal months are calendar months
    return (
        f"({_first_of_month(_months_back(moved, _back_sql(grain, moved, fiscal)))} + {(fiscal.month_starts or 1) - 1})"
    )


def period_text(period: str, grains: Collection[Grain], calendar: CalendarSpec, dialect: Dialect) -> str:
    """Canonical text of a period's first day, as SQL; ``grains`` are those that it may be of."""
    shown = canonical(period, "date", dialect)
    if not any(listed(grain, calendar) for grain in grains):
        return shown
    return f"CASE WHEN isfinite({period}) THEN {shown} ELSE CAST({period} AS text) END"


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


def _back_sql(grain: Grain, day: str, fiscal: FiscalSpec) -> str:
    months = [months_back(grain, month, fiscal) for month in range(1, 13)]
    whens = " ".join(f"WHEN {month} THEN {back}" for month, back in enumerate(months, 1) if back)
    return f"CASE CAST(extract(month FROM {day}) AS integer) {whens} ELSE 0 END" if whens else "0"


def _first_of_month(day: str) -> str:
    return f"({day} - (CAST(extract(day FROM {day}) AS integer) - 1))"


def _months_back(day: str, back: str) -> str:
    """A day about the middle of the month so many months (0 to 11) before that of ``day``: 15, 45, 75... days before its first."""
    return day if back == "0" else f"({_first_of_month(day)} - greatest(0, 30 * {back} - 15))"


def _listed_sql(day: str, starts: tuple[date, ...]) -> str:
    return f"CASE WHEN {day} IS NOT NULL THEN {_halved(day, starts, (BEFORE, *map(str, starts[:-1]), AFTER))} END"


def _halved(day: str, bounds: tuple[date, ...], names: tuple[str, ...]) -> str:
    """The name of the span that a day lies in, of one more than there are bounds, by comparing with the middle one first."""
    if not bounds:
        return _date(names[0])
    half = len(bounds) // 2
    below = _halved(day, bounds[:half], names[: half + 1])
    return f"CASE WHEN {day} < {_date(bounds[half])} THEN {below} ELSE {_halved(day, bounds[half + 1 :], names[half + 1 :])} END"


def _date(day: date | str) -> str:
    return f"CAST({text(str(day))} AS date)"
