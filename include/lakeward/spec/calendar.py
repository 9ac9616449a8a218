"""The business calendar as people write it: time zone, weeks, fiscal periods, and when a period is over for good."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lakeward.spec.scalars import Count, Span, ZoneName
from lakeward.spec.tables import Spec


class Grain(StrEnum):
    """Length of a KPI's period."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    FISCAL_MONTH = "fiscal_month"
    FISCAL_QUARTER = "fiscal_quarter"
    FISCAL_YEAR = "fiscal_year"

    @property
    def fiscal(self) -> bool:
        """Whether it needs ``calendar.fiscal``."""
        return self.value.startswith("fiscal_")


def _no_number(value: object) -> object:
    """Python takes 2025 for so many seconds since 1970."""
    if not isinstance(value, date | str) or isinstance(value, datetime):
        raise PydanticCustomError("date_type", "a date")
    return value


Day = Annotated[date, BeforeValidator(_no_number)]
Starts = Annotated[tuple[Day, ...], Field(max_length=2000)]
MonthName = Literal[
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip


class FiscalSpec(Spec):
    """Fiscal periods, in one of three forms: months that begin on a day (`month_starts`); weeks counted from declared years (`weeks`, `years`); or lists of first days."""

    month_starts: Count | None = Field(
        None, ge=1, le=28, description="Every fiscal month begins on this day of a calendar month."
    )
    year_starts: MonthName = Field(
        "january", description="With `month_starts`: calendar month in which the fiscal year begins."
    )
    weeks: Literal["4-4-5", "4-5-4", "5-4-4"] | None = Field(
        None,
        description="Weeks of the three months of a quarter; `years` gives the first days. A year of 53 weeks has the one more "
        "in its last month.",
    )
    years: Starts = Field(
        (), description="First days of the fiscal years, ascending; the last one is the first day after the last year."
    )
    quarters: Starts = Field((), description="The same for quarters, when `months` are listed.")
    months: Starts = Field(
        (),
        description="The same for months. Days outside a list are periods of their own, called `-infinity` and `infinity`.",
    )


class CalendarSpec(Spec):
    """The business calendar that periods are cut by."""

    time_zone: ZoneName = Field(
        ZoneName("UTC"), description="IANA name; where a day of a timestamp with time zone begins."
    )
    week_starts: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = Field(
        "monday", description="First day of a week."
    )
    fiscal: FiscalSpec | None = Field(
        None, description="Fiscal periods, for the grains `fiscal_month`, `fiscal_quarter`, `fiscal_year`."
    )
    closed_after: Span | None = Field(
        None,
        description="How long after its end a period may still change; then it is closed. Open periods are compared and shown, and "
        "decide nothing. Without it every period decides.",
    )
