"""Values of a filter brought to the type of its column, so that both systems compare the same things."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from lakeward.spec.models import CalendarSpec, Filter, FilterOp
from lakeward.spec.scalars import Scalar

_NULL_TESTS = frozenset({FilterOp.IS_NULL, FilterOp.NOT_NULL})


def typed_filter(found: Filter, lake_type: str, calendar: CalendarSpec) -> Filter:
    """The filter with its values in the column's type; ValueError when one of them can't be.

    A date or a time without offset on a timestamptz column is meant in the calendar's zone.
    """
    if found.op in _NULL_TESTS:
        if found.value is not None:
            raise ValueError(f"{found.op.value!r} takes no value")
        return found
    if lake_type in {"float", "double", "binary", "json"}:
        raise ValueError(
            f"values of type {lake_type} can't be compared exactly; only `is null` and `is not null` are possible"
        )
    if found.op in {FilterOp.IN, FilterOp.NOT_IN}:
        values = found.value if isinstance(found.value, tuple) else (found.value,)
        return found.model_copy(update={"value": tuple(_typed(v, lake_type, calendar) for v in values)})
    if isinstance(found.value, tuple):
        raise ValueError(f"{found.op.value!r} takes one value, not a list")  # noqa: TRY004 - a KPI's error
    return found.model_copy(update={"value": _typed(found.value, lake_type, calendar)})


def _typed(value: Scalar | None, lake_type: str, calendar: CalendarSpec) -> Scalar:
    if value is None:
        raise ValueError("null compares with nothing; use `is null` or `is not null`")
    try:
        result = _convert(value, lake_type, calendar)
    except (ValueError, OverflowError):
        result = None
    if result is None:
        raise ValueError(f"{value!r} is no value of its type {lake_type}")
    return result


def _convert(value: Scalar, lake_type: str, calendar: CalendarSpec) -> Scalar | None:
    match lake_type:
        case "boolean":
            return value if isinstance(value, bool) else None
        case "string":
            return value if isinstance(value, str) else None
        case "uuid":
            return str(UUID(value)) if isinstance(value, str) else None
        case "time":
            return _time(value)
        case "date" | "timestamp" | "timestamptz":
            return _moment(value, lake_type, calendar)
        case _:
            return (
                value
                if isinstance(value, int | Decimal) and not isinstance(value, bool) and Decimal(value).is_finite()
                else None
            )


def _time(value: Scalar) -> str | None:
    """Canonical text: times are compared as text, which sorts alike."""
    return time.fromisoformat(value).strftime("%H:%M:%S.%f") if isinstance(value, str) else None


def _moment(value: Scalar, lake_type: str, calendar: CalendarSpec) -> date | datetime | None:
    if isinstance(value, str):
        value = (
            date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) else datetime.fromisoformat(value)
        )
    if not isinstance(value, date):
        return None
    if lake_type == "date":
        return None if isinstance(value, datetime) else value
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
    if lake_type == "timestamp":
        return None if moment.tzinfo else moment
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(calendar.time_zone))
