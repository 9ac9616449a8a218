"""The business calendar as SQL, alike in PostgreSQL and DuckDB: the day of an instant, and the first day of its week and month."""

from __future__ import annotations

from lakeward.domain.sql import text
from lakeward.spec.models import CalendarSpec, Grain

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


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
    """The first day of the period that a day lies in, as SQL of type date. ``day`` is a column: it is mentioned twice."""
    match grain:
        case Grain.DAY:
            return day
        case Grain.WEEK:
            first = _WEEKDAYS.index(calendar.week_starts) + 1
            return f"({day} - (CAST(extract(isodow FROM {day}) AS integer) + {7 - first}) % 7)"
        case Grain.MONTH:
            return f"({day} - (CAST(extract(day FROM {day}) AS integer) - 1))"
