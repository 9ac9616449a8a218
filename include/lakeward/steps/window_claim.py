"""One window of a group at a time: who is moving which. A claim saves work and is no lock: every step may be done twice.

A window that was begun stays written down until it is through, so that whoever comes next goes on with it, at the same cut:
windows are never mixed, however many runs there are and wherever they die.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lakeward.domain.identity import window_claim_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import (
    AlteredError,
    ConflictError,
    DataError,
    GateError,
    LakewardError,
    SpecError,
    UnsupportedError,
)
from lakeward.ports import ObjectStore

LEASE = timedelta(seconds=15)
"""A holder that has shown no sign of life for so long is dead."""
_BEAT = 4.0
_LOOK = 0.5
NOTHING_LANDED = (AlteredError, DataError, GateError, SpecError, UnsupportedError)
"""Errors after which nothing of a cut is in the lake, and trying again at it would say the same."""
_FAILURES = 3
"""How often a window is tried again at its cut; then it is read anew."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class WindowClaim:
    """Who holds a group, and the window under way with the run whose plan names its cut; empty when there is none."""

    holder: str
    seen_at: datetime
    window: str = ""
    run_key: str = ""
    failures: int = 0


class HeldGroup:
    """A group that is ours to move."""

    def __init__(self, store: ObjectStore, key: str, claim: WindowClaim, etag: str, clock: Clock) -> None:
        self._store, self._key, self._etag, self._clock = store, key, etag, clock
        self._lock, self._lost = threading.Lock(), False
        self.claim = claim

    def begin(self, window: str, run_key: str) -> None:
        """Write down the window that comes now; that of the same window is kept with its failures."""
        failures = self.claim.failures if self.claim.window == window else 0
        self._write(replace(self.claim, window=window, run_key=run_key, failures=failures))

    def finish(self) -> None:
        """The window is through, or nothing of it is in the lake."""
        self._write(replace(self.claim, window="", run_key="", failures=0))

    def failed(self) -> None:
        """The window goes on later, at its cut for some tries."""
        failures = self.claim.failures + 1
        key = self.claim.run_key if failures < _FAILURES else ""
        self._write(replace(self.claim, run_key=key, failures=failures))

    def make_sure(self) -> None:
        """ConflictError when somebody else has taken the group over."""
        if self._lost:
            raise ConflictError(
                f"Another run has taken over window {self.claim.window or 'none'} ({self._key}).",
                todo="Nothing needs to be done: it goes on there.",
            )

    def _write(self, claim: WindowClaim) -> None:
        with self._lock:
            self.make_sure()
            claim = replace(claim, seen_at=self._clock())
            if not self._store.put_if(self._key, to_json(claim), self._etag):
                self._lost = True
            self.make_sure()
            self.claim, self._etag = claim, self._store.etag(self._key) or ""

    def beat(self) -> None:
        """Show a sign of life; what goes wrong with it shows at the next step."""
        try:
            self._write(self.claim)
        except LakewardError:
            return

    def give_back(self) -> None:
        """Let others at once."""
        if not self._lost:
            self._write(replace(self.claim, holder=""))


@contextmanager
def held_group(store: ObjectStore, migration: str, group: str, holder: str, clock: Clock) -> Iterator[HeldGroup | None]:
    """Hold a group for as long as the block lasts; None when another run that is alive holds it.

    A holder that may be dead is waited for, at most for the lease.
    """
    key = window_claim_key(migration, group)
    held = _take(store, key, holder, clock)
    if held is None:
        yield None
        return
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT):
            held.beat()

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield held
    finally:
        over.set()
        beating.join()
        with suppress(LakewardError):  # then the lease runs out, and what went wrong is told by whoever met it
            held.give_back()


def _take(store: ObjectStore, key: str, holder: str, clock: Clock) -> HeldGroup | None:
    first: WindowClaim | None = None
    while True:
        found = store.get(key)
        if found is None:
            claim = WindowClaim(holder, clock())
            if store.put_new(key, to_json(claim)):
                return HeldGroup(store, key, claim, store.etag(key) or "", clock)
            continue
        there = from_json(WindowClaim, found[0], store.url(key))
        if there.holder in {"", holder} or there.seen_at + LEASE <= clock():
            claim = replace(there, holder=holder, seen_at=clock())
            if store.put_if(key, to_json(claim), found[1]):
                return HeldGroup(store, key, claim, store.etag(key) or "", clock)
            continue
        if first is not None and there != first:
            return None
        first = first or there
        time.sleep(_LOOK)
