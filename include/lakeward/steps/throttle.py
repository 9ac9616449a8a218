"""Before each window and each round: may the source be read now? What speaks against it is told, waited for, and ends the run in time."""

from __future__ import annotations

from datetime import datetime, timedelta

from lakeward.domain.facts import Plan
from lakeward.domain.identity import pause_key
from lakeward.domain.stored import from_json, to_json
from lakeward.domain.throttle import Pause, held_back
from lakeward.ports import ObjectStore, Ports
from lakeward.spec.models import Phased
from lakeward.steps.window_run import Means

_LOOK = timedelta(seconds=15)


def pause(store: ObjectStore, migration: str, by: str, why: str, at: datetime) -> Pause:
    """Let a migration rest: no window and no round of it is begun any more; those under way come to their end."""
    told = Pause(by, why, at)
    store.put(pause_key(migration), to_json(told))
    return told


def resume(store: ObjectStore, migration: str) -> Pause | None:
    """Let it go on; who had paused it, if anybody."""
    there = paused(store, migration)
    store.delete([pause_key(migration)])
    return there


def paused(store: ObjectStore, migration: str) -> Pause | None:
    """Who has said that it is to rest."""
    found = store.get(key := pause_key(migration))
    return from_json(Pause, found[0], store.url(key)) if found else None


def wait_for_source(plan: Plan, ports: Ports, means: Means, deadline: datetime | None) -> str:
    """Wait until the source may be read; why it may not be, when patience or the run's time is over. A person's pause is not waited for."""
    spec = plan.migration.throttle if isinstance(plan.migration, Phased) else None
    ends = [means.clock() + spec.patience.delta if spec else None, deadline]
    end, told = min(one for one in ends if one) if spec else None, ""
    while True:
        if there := paused(ports.store, plan.migration.migration):
            return there.told()
        if spec is None or end is None:
            return ""
        load, at = ports.source.load(), means.clock()
        why = held_back(spec, plan.migration.calendar.time_zone, at, load.sessions, load.replication_lag)
        if not why or at + _LOOK > end:
            return why
        if why != told:
            means.say(f"waiting: {why}")
            told = why
        means.wait(_LOOK.total_seconds())
