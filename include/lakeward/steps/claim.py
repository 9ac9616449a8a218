"""Who is moving pointers: one object, taken and given back by conditional writes.

A claim fences. Its holder rewrites every pointer of the run, those that are right already too, each after making sure that the
claim is still held; from then on nothing that an earlier holder has read can be written, even if that process still lives.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from datetime import timedelta

from lakeward.domain.evidence import Transition
from lakeward.domain.identity import claim_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, LakeError
from lakeward.ports import ObjectStore

LIMIT = timedelta(minutes=15)
"""A transition that takes longer goes back; a claim that is older belongs to a dead process, and anybody may take it over."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The transition that is under way (``open``), or that was the last one. ``token`` tells one holder from another."""

    transition: Transition
    token: str
    open: bool

    def busy(self) -> ConflictError:
        """What to tell somebody who comes while it is open."""
        move = self.transition
        return ConflictError(
            f"{move.by} began to move {move.migration} from {move.before.value} to {move.after.value} at {move.at.isoformat()}, "
            "and that has not ended.",
            todo=f"Wait until it has. If it died, {move.by} can ask again, anybody after {LIMIT}, and going back is possible now.",
        )


class ClaimLostError(ConflictError):
    """Somebody else has taken the claim over; nothing more was written."""


def last_claim(store: ObjectStore, migration: str) -> Claim | None:
    """Who moves the pointers now, or did so last."""
    found = store.get(key := claim_key(migration))
    return from_json(Claim, found[0], store.url(key)) if found else None


def same_intent(claim: Claim | None, asked: Transition) -> bool:
    """Whether a claim is on the very transition that is asked for, whoever asks."""
    if claim is None:
        return False
    of = claim.transition
    return (of.run_key, of.groups, of.after, of.evidence_hash) == (
        asked.run_key,
        asked.groups,
        asked.after,
        asked.evidence_hash,
    )


class Held:
    """A claim in our hands, and the one that was there before."""

    def __init__(self, store: ObjectStore, claim: Claim, before: Claim | None) -> None:
        self._store = store
        self._before = before
        self._claim = claim
        self._key = claim_key(claim.transition.migration)
        self._until = time.monotonic() + LIMIT.total_seconds()

    def make_sure(self) -> None:
        """ClaimLostError when somebody has taken the claim over."""
        if last_claim(self._store, self._claim.transition.migration) != self._claim:
            raise ClaimLostError(
                f"Somebody else took over the pointers of {self._claim.transition.migration} meanwhile.",
                todo="See `lakeward status`; ask again when that transition has ended.",
            )

    def done_meanwhile(self, asked: Transition) -> Transition | None:
        """The transition that somebody else ended between our look and our claim, if it is the very one that is asked for."""
        before = self._before
        if before is None or before.open or before.transition.outcome != "done" or not same_intent(before, asked):
            return None
        return before.transition

    def in_time(self) -> None:
        """LakeError when the transition takes too long."""
        if time.monotonic() > self._until:
            raise LakeError(
                f"The transition takes longer than {LIMIT}.", todo="Look at store and catalog; then ask again."
            )

    def give_back(self, transition: Transition) -> None:
        """End the claim with how it went; ClaimLostError when it is no longer ours."""
        self.make_sure()
        found = self._store.get(self._key)
        ended = replace(self._claim, transition=transition, open=False)
        won = found is not None and self._store.put_if(self._key, to_json(ended), found[1])
        if (
            not won and last_claim(self._store, transition.migration) != ended
        ):  # the store may lie about a write that landed
            self.make_sure()


def take(store: ObjectStore, asked: Transition, *, anyway: bool = False) -> Held:
    """Claim the pointers of a migration.

    An open claim is taken over by who made it (a task that was killed and runs again), by anybody once it is older than
    ``LIMIT``, and ``anyway`` by somebody who goes back.
    :raises ConflictError: somebody else is at it, or was quicker.
    """
    key = claim_key(asked.migration)
    claim = Claim(asked, secrets.token_hex(16), open=True)
    found, there = store.get(key), None
    if found is None:
        won = store.put_new(key, to_json(claim))
    else:
        there = from_json(Claim, found[0], store.url(key))
        if there.open and not (anyway or may_take_over(there, asked)):
            raise there.busy()
        won = store.put_if(key, to_json(claim), found[1])
    if (
        not won and (other := last_claim(store, asked.migration)) != claim
    ):  # the store may lie about a write that landed
        raise (other or claim).busy()
    return Held(store, claim, there)


def may_take_over(there: Claim, asked: Transition) -> bool:
    """Whether an open claim may be taken over by who asks now."""
    own = there.transition.by == asked.by and same_intent(there, asked)
    return own or asked.at - there.transition.at > LIMIT
