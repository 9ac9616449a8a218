"""Closed periods in a row that are proved equal, ending at the latest one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from lakeward.domain.closing import closed_periods, period_of
from lakeward.domain.decision import Streak
from lakeward.spec.calendar import CalendarSpec, Grain


@dataclass(frozen=True, slots=True)
class Measured:
    """What one standing verdict tells of a KPI: when the source was read, which days, and periods that differ.

    A verdict stands while it is the newest on the newest content of what it covers. ``first`` and ``last`` are the days that its cut
    took, None: no bound. ``failed`` are grain and first day. A day without rows on either side is measured, and equal.
    """

    at: datetime
    failed: frozenset[tuple[str, str]]
    first: date | None = None
    last: date | None = None


def streak(
    group: str,
    kpi: str,
    grain: Grain,
    wanted: int,
    calendar: CalendarSpec,
    measured: Sequence[Measured],
) -> Streak:
    """How many closed periods of a grain in a row are proved equal, at most ``wanted``. Measured twice, a period counts once."""
    if not measured:
        return Streak(group, kpi, grain.value, 0, wanted, why="not measured")
    at = max(one.at for one in measured)
    failed = frozenset().union(*(one.failed for one in measured))
    passed, latest, why = 0, "", "no earlier one is in the calendar"
    for period in islice(closed_periods(grain, calendar, at), wanted):
        latest = latest or period
        if (grain.value, period) in failed:
            why = f"{period} differs"
        elif not _covered(grain, period, calendar, measured):
            why = f"{period} was not measured"
        else:
            passed += 1
            continue
        break
    if not latest:
        why = "none that the calendar lists is the latest closed one: list its periods up to now"
    return Streak(group, kpi, grain.value, passed, wanted, latest, why if passed < wanted else "")


def _covered(grain: Grain, period: str, calendar: CalendarSpec, measured: Sequence[Measured]) -> bool:
    """Whether the cuts together took every day of a period."""
    day = date.fromisoformat(period)
    while period_of(grain, day, calendar) == period:
        ends = [one.last or date.max for one in measured if (one.first or date.min) <= day <= (one.last or date.max)]
        if not ends:
            return False
        if max(ends) == date.max:
            return True
        day = max(ends) + timedelta(days=1)
    return True
