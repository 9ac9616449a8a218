"""The business calendar as SQL: the day of an instant, and the first day of each period that it lies in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlglot import exp

from lakeward.domain.calendar import AFTER, BEFORE, WEEKDAYS, fiscal_of, listed, months_back
from lakeward.domain.dialect import Dialect
from lakeward.domain.spelling import Spelling, spelling
from lakeward.domain.tree import (
    Expression,
    add,
    case,
    cast,
    compare,
    is_not_null,
    modulo,
    number,
    raw,
    subtract,
    word,
)
from lakeward.spec.calendar import CalendarSpec, FiscalSpec, Grain


def day_sql(expression: str, lake_type: str, calendar: CalendarSpec, dialect: Dialect = Dialect.POSTGRES) -> str:
    """``day_of`` as text; PostgreSQL and DuckDB spell it alike."""
    return spelling(dialect).sql(day_of(raw(expression), lake_type, calendar, dialect))


def day_of(value: Expression, lake_type: str, calendar: CalendarSpec, dialect: Dialect) -> Expression:
    """The business day of a date, a timestamp (as it is) or a timestamptz (in the calendar's zone), of type date.

    :raises ValueError: when the type has no day.
    """
    match lake_type:
        case "date":
            return value
        case "timestamp":
            return cast(value, "DATE")
        case "timestamptz":
            return cast(spelling(dialect).local(value, calendar.time_zone), "DATE")
    raise ValueError(f"a column of type {lake_type} has no day")


def period_of_day(grain: Grain, day: Expression, calendar: CalendarSpec, dialect: Dialect) -> Expression:
    """The first day of the period that a day lies in, of type date; infinite outside of what a calendar lists.

    ``day`` is a column: it is mentioned several times. Only days are added and taken away, so that any year will do.
    """
    spelled = spelling(dialect)
    match grain:
        case Grain.DAY:
            return day
        case Grain.WEEK:
            first = WEEKDAYS.index(calendar.week_starts) + 1
            return spelled.back(day, modulo(exp.Paren(this=add(spelled.part("isodow", day), number(7 - first))), 7))
        case Grain.MONTH:
            return _first_of_month(day, spelled)
    if starts := listed(grain, calendar):
        names = (BEFORE, *map(str, starts[:-1]), AFTER)
        return case((is_not_null(day), _halved(day, starts, names, spelled)))
    fiscal = fiscal_of(calendar)
    late = (fiscal.month_starts or 1) - 1
    moved = spelled.back(day, number(late)) if late else day  # then fiscal months are calendar months
    first_day = _first_of_month(_months_back(grain, moved, fiscal, spelled), spelled)
    return spelled.back(first_day, exp.Neg(this=number(late))) if late else first_day


def period_text(period: Expression, grains: Collection[Grain], calendar: CalendarSpec, dialect: Dialect) -> Expression:
    """Canonical text of a period's first day; ``grains`` are those that it may be of."""
    return spelling(dialect).period(period, listed=any(listed(grain, calendar) for grain in grains))


def _first_of_month(day: Expression, spelled: Spelling) -> Expression:
    return spelled.back(day, exp.Paren(this=subtract(spelled.part("day", day), number(1))))


def _months_back(grain: Grain, day: Expression, fiscal: FiscalSpec, spelled: Spelling) -> Expression:
    """A day about the middle of the month in which the fiscal period began: 15, 45, 75... days before the first of the day's month."""
    months = {month: months_back(grain, month, fiscal) for month in range(1, 13)}
    whens = [(number(month), number(30 * back - 15)) for month, back in months.items() if back]
    if not whens:
        return day
    days = case(*whens, of=spelled.part("month", day), other=number(0))
    return spelled.back(_first_of_month(day, spelled), days)


def _halved(day: Expression, bounds: tuple[date, ...], names: tuple[str, ...], spelled: Spelling) -> Expression:
    """The name of the span that a day lies in, of one more than there are bounds, by comparing with the middle one first."""
    if not bounds:
        return spelled.unlimited(names[0]) if names[0] in {BEFORE, AFTER} else cast(word(names[0]), "DATE")
    half = len(bounds) // 2
    below = _halved(day, bounds[:half], names[: half + 1], spelled)
    above = _halved(day, bounds[half + 1 :], names[half + 1 :], spelled)
    return case((compare(exp.LT, day, cast(word(str(bounds[half])), "DATE")), below), other=above)
