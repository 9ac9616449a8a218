"""Who moves a group: one at a time, and whoever comes after a dead one goes on with its window."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from lakeward.adapters.objects import MemoryStore
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError
from lakeward.steps.window_claim import LEASE, WindowClaim, held_group


class Clock:
    """A clock that is set by hand, and goes a second at every look when it runs."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = datetime(2026, 1, 1, tzinfo=UTC), timedelta(seconds=step)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


def claim_in(store: MemoryStore) -> WindowClaim:
    (key,) = [entry.key for entry in store.entries("m/windows/")]
    found = store.get(key)
    assert found
    return from_json(WindowClaim, found[0])


def test_what_is_begun_stays_written_down_until_it_is_through() -> None:
    store, clock = MemoryStore(), Clock()
    with held_group(store, "m", "g", "a", clock) as held:
        assert held
        held.begin("w1", "run.w1")
        held.finish()
        held.begin("w2", "run.w2")
    assert claim_in(store) == WindowClaim("", clock.now, "w2", "run.w2")
    with held_group(store, "m", "g", "b", clock) as held:
        assert held
        assert (held.claim.window, held.claim.run_key) == ("w2", "run.w2")
        held.finish()
    assert claim_in(store).window == ""


def test_a_window_that_fails_again_and_again_is_read_anew() -> None:
    store = MemoryStore()
    for expected in ("run", "run", ""):
        with held_group(store, "m", "g", "a", Clock()) as held:
            assert held
            held.begin("w", "run")
            held.failed()
            assert (held.claim.window, held.claim.run_key) == ("w", expected)


def test_a_dead_holder_is_waited_for_and_then_taken_over() -> None:
    store, clock = MemoryStore(), Clock()
    store.put("m/windows/g.json", to_json(WindowClaim("dead", clock.now, "w", "run")))
    clock.step = LEASE / 3
    with held_group(store, "m", "g", "b", clock) as held:
        assert held
        assert (held.claim.holder, held.claim.window) == ("b", "w")


def test_a_holder_that_shows_signs_of_life_is_left_alone() -> None:
    store, clock = MemoryStore(), Clock()
    with held_group(store, "m", "g", "a", clock) as first:
        assert first
        over = threading.Event()

        def live() -> None:
            while not over.wait(0.1):
                clock.now += timedelta(milliseconds=100)
                first.beat()

        living = threading.Thread(target=live)
        living.start()
        try:
            with held_group(store, "m", "g", "b", clock) as second:
                assert second is None
        finally:
            over.set()
            living.join()
        first.make_sure()


def test_who_was_taken_over_notices_it_at_the_next_step() -> None:
    store, clock = MemoryStore(), Clock()
    with held_group(store, "m", "g", "a", clock) as first:
        assert first
        first.begin("w", "run")
        clock.now += LEASE
        with held_group(store, "m", "g", "b", clock) as second:
            assert second
            with pytest.raises(ConflictError, match="taken over window w"):
                first.begin("w2", "run2")
            with pytest.raises(ConflictError):
                first.make_sure()
            second.make_sure()
