"""The source frozen for a cutover: a lease with an end, written down before anything is frozen, so that whoever comes next can lift it.

A freeze is ``held`` until somebody switches, which makes it ``kept``, or lifts it: ``lifting``, then ``lifted``. Of a switch and
somebody who lifts at the same time, one wins by a conditional write, and the other refuses.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from lakeward.domain.evidence import State
from lakeward.domain.identity import freeze_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, GateError
from lakeward.ports import Freezer, ObjectStore, Ports
from lakeward.spec.models import Freezable
from lakeward.steps.claim import last_claim
from lakeward.steps.holdings import pointers_in

_SWITCHED = frozenset({State.WRITERS, State.RETIRED})


class Frozen(StrEnum):
    """What a lease is."""

    HELD = "held"
    KEPT = "kept"
    LIFTING = "lifting"
    LIFTED = "lifted"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has frozen the source, for which run, from when and until when."""

    migration: str
    token: str
    by: str
    at: datetime
    until: datetime
    state: Frozen


def last_lease(store: ObjectStore, migration: str) -> Lease | None:
    """The freeze that is, or was the last one."""
    found = store.get(key := freeze_key(migration))
    return from_json(Lease, found[0], store.url(key)) if found else None


def freeze(spec: Freezable, ports: Ports, freezer: Freezer, by: str, at: datetime) -> Lease:
    """Write the lease down, then keep writers out.

    :raises ConflictError: somebody else's freeze has not ended.
    :raises SourceError: it is not sure that writers are kept out; the freeze was lifted, or will be by whoever comes next.
    """
    if spec.freeze is None:
        raise GateError("The migration file names no `freeze`.", todo="Freeze the source by hand.")
    there = last_lease(ports.store, spec.migration)
    lift(ports.store, spec.migration, freezer, None if there and there.by == by else at)
    there = last_lease(ports.store, spec.migration)
    if there and there.state is not Frozen.LIFTED:
        raise ConflictError(
            f"{there.by} has frozen the source of {spec.migration} until {there.until:%Y-%m-%d %H:%M:%SZ} ({there.state}).",
            todo="Wait until it has ended; after a switch, cut back first.",
        )
    lease = Lease(spec.migration, secrets.token_hex(8), by, at, at + spec.freeze.limit.delta, Frozen.HELD)
    _put(ports.store, lease, there)
    try:
        freezer.freeze()
    except BaseException:
        lift(ports.store, spec.migration, freezer)
        raise
    return lease


def keep(store: ObjectStore, migration: str, at: datetime) -> None:
    """A switch relies on the freeze from now on; GateError when it has ended, or is being lifted."""
    there = last_lease(store, migration)
    if there and there.state is Frozen.KEPT:
        return
    if there is None or there.state is not Frozen.HELD or there.until <= at:
        raise GateError(
            f"The source of {migration} is not frozen any more.", todo="Freeze and synchronise again: DAG `cutover`."
        )
    _put(store, replace(there, state=Frozen.KEPT), there)


def lift(store: ObjectStore, migration: str, freezer: Freezer, after: datetime | None = None) -> bool:
    """Let writers in again, unless they are switched or are being so; whether there was a freeze that is lifted now.

    :param after: only when the freeze's time was over then.
    """
    there = last_lease(store, migration)
    if there is None or there.state is Frozen.LIFTED:
        return False
    if after and there.until > after and there.state is not Frozen.LIFTING:
        return False
    claim = last_claim(store, migration)
    if (claim and claim.open) or any(p.state in _SWITCHED for p in pointers_in(store, migration).values()):
        return False
    lifting = replace(there, state=Frozen.LIFTING)
    _put(store, lifting, there)
    freezer.lift()
    _put(store, replace(there, state=Frozen.LIFTED), lifting)
    return True


def _put(store: ObjectStore, lease: Lease, before: Lease | None) -> None:
    """Write the lease in the place of another one; ConflictError when somebody else was quicker."""
    key = freeze_key(lease.migration)
    found = store.get(key)
    there = from_json(Lease, found[0], store.url(key)) if found else None
    if there == before:
        won = store.put_if(key, to_json(lease), found[1]) if found else store.put_new(key, to_json(lease))
        if won or last_lease(store, lease.migration) == lease:  # the store may lie about a write that landed
            return
    raise ConflictError(
        f"Somebody else freezes the source of {lease.migration}, or lifts that.", todo="See `lakeward status`."
    )
