"""Which periods are over for good at an instant, and which of them a gate wants to see proved. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from lakeward.domain.calendar import AFTER, BEFORE, WEEKDAYS, fiscal_of, listed, months_back
from lakeward.spec.calendar import CalendarSpec, Grain

_SET_BACK = timedelta(minutes=30)
"""A clock that is set back just after midnight, as in St John's until 2011, shows the day before once more for up to an hour."""


def open_from(calendar: CalendarSpec, at: datetime) -> dict[str, str]:
    """Grain to the first day of the first period that is not closed at an instant; nothing when the calendar declares no lateness.

    A period is closed when the instant is later than its end, by the clocks of the calendar's zone, plus ``closed_after``. Days
    outside of listed periods are never open: nobody has declared when they would end.
    """
    if calendar.closed_after is None:
        return {}
    found = {}
    for grain in Grain:
        if grain.fiscal and not _known(grain, calendar):
            continue
        first = period_of(grain, running_day(calendar, at), calendar)
        if first == BEFORE:
            found[grain.value] = listed(grain, calendar)[0].isoformat()
        elif first != AFTER:
            found[grain.value] = first
    return found


def running_day(calendar: CalendarSpec, at: datetime) -> date:
    """The first day that is not closed at an instant; without a declared lateness, the day that is running."""
    late = calendar.closed_after.delta if calendar.closed_after else timedelta(0)
    since = at - late - timedelta(microseconds=1)  # later than, not at
    zone = ZoneInfo(calendar.time_zone)
    return min(moment.astimezone(zone).date() for moment in (since, since + _SET_BACK))


def closed_periods(grain: Grain, calendar: CalendarSpec, at: datetime) -> Iterator[str]:
    """First days of the closed periods, the latest first; ends where a list of the calendar, or the calendar itself, begins.

    Nothing when the list has ended: nobody has declared which period is the latest.
    """
    first = period_of(grain, running_day(calendar, at), calendar)
    while first not in {BEFORE, AFTER} and first > "0002":
        first = period_of(grain, date.fromisoformat(first) - timedelta(days=1), calendar)
        if first != BEFORE:
            yield first


def period_of(grain: Grain, day: date, calendar: CalendarSpec) -> str:
    """The first day of the period that a day lies in, as figures name it."""
    match grain:
        case Grain.DAY:
            return day.isoformat()
        case Grain.WEEK:
            return (day - timedelta(days=(day.weekday() - WEEKDAYS.index(calendar.week_starts)) % 7)).isoformat()
        case Grain.MONTH:
            return day.replace(day=1).isoformat()
    if starts := listed(grain, calendar):
        return _listed(day, starts)
    fiscal = fiscal_of(calendar)
    first = fiscal.month_starts or 1
    moved = (day - timedelta(days=first - 1)).replace(day=1)
    months = moved.year * 12 + moved.month - 1 - months_back(grain, moved.month, fiscal)
    return date(months // 12, months % 12 + 1, first).isoformat()


def _listed(day: date, starts: tuple[date, ...]) -> str:
    if day < starts[0]:
        return BEFORE
    return next((start.isoformat() for start, end in pairwise(starts) if start <= day < end), AFTER)


def _known(grain: Grain, calendar: CalendarSpec) -> bool:
    """Whether the calendar tells of a fiscal grain."""
    fiscal = calendar.fiscal
    return fiscal is not None and (fiscal.month_starts is not None or bool(listed(grain, calendar)))


def is_open(grain: str, period: str | None, first_open: Mapping[str, str]) -> bool:
    """Whether a period is open; rows without a date, and days outside of lists, never are."""
    if grain not in first_open or period is None or period in {BEFORE, AFTER} or period.endswith("BC"):
        return False
    return period >= first_open[grain] or period.index("-") > len(
        "2025"
    )  # a year of five digits sorts before the others


def open_sql(grain: str, period: str, first_open: Mapping[str, str]) -> str:
    """``is_open`` as DuckDB's SQL over columns of figures."""
    if not first_open:
        return "false"
    far = f"position('-' IN {period}) > {len('2025') + 1}"
    bounds = " ".join(f"WHEN '{name}' THEN {period} >= '{day}' OR {far}" for name, day in first_open.items())
    never = f"{period} IS NULL OR {period} IN ('{BEFORE}', '{AFTER}') OR ends_with({period}, 'BC')"
    return f"CASE WHEN {never} THEN false ELSE CASE {grain} {bounds} ELSE false END END"
