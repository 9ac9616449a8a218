"""The rules of a time zone as Python has them, for engines that have none of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_STEPS = (timedelta(days=1), timedelta(minutes=15))


class Ruling(NamedTuple):
    """From an instant on a clock is so many seconds ahead of UTC."""

    since: datetime
    ahead: int


@cache
def rulings(zone: str) -> tuple[Ruling, ...]:
    """Every change of a zone's clock from 1900 to 2100; the first one holds before, too. By days first, then to the quarter of an hour."""
    of = ZoneInfo(zone)
    found = [Ruling(_FIRST, _ahead(of, _FIRST))]
    at, was = _FIRST, found[0].ahead
    while at < _LAST:
        at += _STEPS[0]
        if _ahead(of, at) != was:
            moment = at - _STEPS[0]
            while moment < at:
                moment += _STEPS[1]
                if (now := _ahead(of, moment)) != was:
                    found.append(Ruling(moment, now))
                    was = now
    return tuple(found)


def _ahead(of: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(of).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
