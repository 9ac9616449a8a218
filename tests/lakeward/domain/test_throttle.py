"""When a source is left in peace: hours about midnight, and loads above their limits, each told."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from lakeward.domain.throttle import Pause, held_back
from lakeward.spec.models import ThrottleSpec
from lakeward.spec.waves import Hours

AT = datetime(2026, 7, 1, 21, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "clock", "held"),
    [
        ("22:00-06:00", "23:59", True),
        ("22:00-06:00", "22:00", True),
        ("22:00-06:00", "06:00", False),
        ("22:00-06:00", "05:59", True),
        ("09:00-17:30", "17:30", False),
        ("09:00-17:30", "09:00", True),
        ("00:00-00:00", "12:00", True),
    ],
)
def test_hours_may_go_past_midnight(hours: str, clock: str, held: bool) -> None:
    assert Hours(hours).holds(time.fromisoformat(clock)) is held


@pytest.mark.parametrize(
    ("declared", "sessions", "lag", "said"),
    [
        ({}, 999, timedelta(days=1), ""),
        ({"hours": "22:00-06:00"}, 0, None, ""),
        ({"hours": "20:00-22:00"}, 0, None, "it is 23:30 in Europe/Zurich"),
        ({"active_sessions": 4}, 4, None, ""),
        ({"active_sessions": 4}, 5, None, "5 sessions are at work at the source, more than 4"),
        ({"replication_lag": "30s"}, 0, None, ""),
        ({"replication_lag": "30s"}, 0, timedelta(seconds=30), ""),
        (
            {"replication_lag": "30s"},
            0,
            timedelta(seconds=31.5),
            "a replica of the source is 0:00:31 behind, more than 30s",
        ),
    ],
)
def test_what_speaks_against_reading_is_told(
    declared: dict[str, object], sessions: int, lag: timedelta | None, said: str
) -> None:
    found = held_back(ThrottleSpec.model_validate(declared), "Europe/Zurich", AT, sessions, lag)
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_a_pause_names_who_and_why() -> None:
    assert Pause("ann", "sale", AT).told() == "paused by ann since 2026-07-01 21:30:00Z: sale"
