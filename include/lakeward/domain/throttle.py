"""Why a source is left in peace for now: hours, its load, or somebody's word. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from lakeward.spec.models import ThrottleSpec


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody has said that a migration is to rest, until he says otherwise."""

    by: str
    why: str
    at: datetime

    def told(self) -> str:
        """In one line."""
        return f"paused by {self.by} since {self.at:%Y-%m-%d %H:%M:%SZ}{f': {self.why}' if self.why else ''}"


def held_back(spec: ThrottleSpec, zone: str, at: datetime, sessions: int, lag: timedelta | None) -> str:
    """Why nothing is read from the source now; empty when it may be.

    :param sessions: of others, at work there. :param lag: of the replica that is furthest behind, if there is one.
    """
    clock = at.astimezone(ZoneInfo(zone))
    if spec.hours is not None and not spec.hours.holds(clock.time()):
        return f"it is {clock:%H:%M} in {zone}, and the source is read in {spec.hours} only"
    if spec.active_sessions is not None and sessions > spec.active_sessions:
        return f"{sessions} sessions are at work at the source, more than {spec.active_sessions}"
    if spec.replication_lag is not None and lag is not None and lag > spec.replication_lag.delta:
        return f"a replica of the source is {str(lag).partition('.')[0]} behind, more than {spec.replication_lag}"
    return ""
