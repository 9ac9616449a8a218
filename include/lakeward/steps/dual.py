"""From when on the lake follows: state ``dual``, and the hold that a cutover puts on the feed while it is proved for the last time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from lakeward.domain.changes import spelled
from lakeward.domain.evidence import Pointer, State, Transition
from lakeward.domain.facts import Plan
from lakeward.domain.identity import hold_key, pointer_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError
from lakeward.ports import ObjectStore, Ports
from lakeward.steps.approve import keep_transition
from lakeward.steps.publish import find_pointer, later

BY = "lakeward"
_TRIES = 10


def enter_dual(plan: Plan, name: str, ports: Ports, at: datetime) -> Pointer:
    """The group's pointer, in state ``dual`` from now on if it was in ``legacy``: what comes next is its first change that is followed."""
    group = plan.group(name)
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None:
            break
        there, etag = found
        if there.state is not State.LEGACY:
            return there
        why, at = f"changes are followed from {spelled(there.position)}", later(at, there)
        move = Transition(
            there.migration, plan.run_key, (name,), State.LEGACY, State.DUAL, "", BY, why, at, outcome="begun"
        )
        keep_transition(ports, move)
        moved = replace(
            there,
            state=State.DUAL,
            previous=State.LEGACY,
            version=there.version + 1,
            moved_at=at,
            moved_by=BY,
            why=why,
        )
        if ports.store.put_if(pointer_key(there.migration, name), to_json(moved), etag):
            keep_transition(ports, replace(move, outcome="done"))
            return moved
    raise ConflictError(f"The pointer of group {name} was moved by others {_TRIES} times.", todo="Run it again.")


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is applied and nothing compared while a cutover is proved and approved; it ends by itself."""

    by: str
    until: datetime


def hold_feed(store: ObjectStore, migration: str, by: str, until: datetime, at: datetime) -> None:
    """Let tenures end, and none begin; ConflictError when somebody else has asked for that."""
    key, hold = hold_key(migration), Hold(by, until)
    found = store.get(key)
    there = from_json(Hold, found[0], store.url(key)) if found else None
    free = there is None or there.by == by or there.until <= at
    if not free or not (store.put_if(key, to_json(hold), found[1]) if found else store.put_new(key, to_json(hold))):
        raise ConflictError(
            f"{there.by if there else 'Somebody else'} holds the feed of {migration}, to cut over.",
            todo="Wait until that has ended.",
        )


def held(store: ObjectStore, migration: str, at: datetime) -> Hold | None:
    """Who holds the feed."""
    found = store.get(key := hold_key(migration))
    hold = from_json(Hold, found[0], store.url(key)) if found else None
    return hold if hold and hold.until > at else None


def release_feed(store: ObjectStore, migration: str) -> None:
    """Let tenures begin again."""
    store.delete([hold_key(migration)])
