"""A strangler fig goes from state to state and back, while its shop goes on selling: done or as before, whoever dies or comes in between."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import load_catalog
from strangler import RUN, Shop, now
from tests.change_log import drop_slots
from tests.kill import CONTEXT, Call, watched

from lakeward.adapters.connections import from_environment
from lakeward.adapters.iceberg import properties_from
from lakeward.domain.evidence import State, Transition
from lakeward.domain.facts import Plan
from lakeward.domain.stored import from_json
from lakeward.errors import ConflictError, GateError, SourceError
from lakeward.lab import Lab
from lakeward.ports import Ports
from lakeward.steps.check import check_file
from lakeward.steps.compared import judge_compared, last_tenure, shown_plan
from lakeward.steps.dual import hold_feed, release_feed
from lakeward.steps.evidence import verify
from lakeward.steps.switch import cut_back, cut_over


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One shop for all; each test begins in the state in which the one before has left it."""
    one = Shop(lab, tmp_path_factory.mktemp("shop"))
    one.load()
    yield one
    one.close()


def sell(shop: Shop, n: int) -> None:
    shop.run(f"UPDATE orders SET status = 's{n}', total = total + 0.01 WHERE id % 50 = {n}")
    assert shop.serve().equal


def judged(shop: Shop, ports: Ports) -> tuple[Plan, str]:
    """What was compared last, and the evidence that a person would approve."""
    plan, decision = judge_compared(check_file(shop.file), ports, now())
    assert decision.open, decision.reasons
    return plan, decision.evidence_hash


def shift_readers(shop: Shop, ports: Ports, approved: str = "", by: str = "ann") -> Transition:
    plan, found = judged(shop, ports)
    return cut_over(
        plan, ports, approved_hash=approved or found, by=by, why="", at=now(), source_frozen=False, to=State.READERS
    )


def go_back(shop: Shop, ports: Ports, to: State, by: str = "ann") -> Transition:
    return cut_back(shown_plan(check_file(shop.file), ports), ports, by=by, why="look", at=now(), to=to)


def recorded(shop: Shop, ports: Ports) -> list[tuple[str, str, str]]:
    keys = [key for key, _ in ports.store.list(f"{shop.name}/transitions/")]
    moves = [from_json(Transition, found[0]) for key in keys if (found := ports.store.get(key))]
    return [(m.before.value, m.after.value, m.outcome) for m in sorted(moves, key=lambda m: (m.at, m.outcome))]


def test_the_first_change_that_is_followed_begins_the_dual_run(shop: Shop) -> None:
    assert shop.pointer().state is State.LEGACY
    sell(shop, 1)
    assert shop.pointer().state is State.DUAL
    with shop.ports() as ports:
        assert recorded(shop, ports) == [("legacy", "dual", "begun"), ("legacy", "dual", "done")]
        with pytest.raises(GateError, match=r"state dual; writers follow readers"):
            last_tenure(check_file(shop.file), ports, now, lambda _: None)
    sell(shop, 2)
    assert shop.pointer().previous is State.LEGACY


def test_readers_go_while_the_feed_goes_on_and_of_two_who_ask_one_is_told(shop: Shop) -> None:
    with shop.ports() as ports:
        plan, approved = judged(shop, ports)
        planned = cut_over(
            plan,
            ports,
            approved_hash=approved,
            by="ann",
            why="",
            at=now(),
            source_frozen=False,
            to=State.READERS,
            dry_run=True,
        )
        assert (planned.outcome, shop.pointer().state) == ("planned", State.DUAL)
        sell(shop, 3)  # what was approved is of a comparison before; the newest one is good too
        with pytest.raises(GateError, match="no evidence with that hash was ever shown"):
            shift_readers(shop, ports, approved="f" * 64)

        def ask(by: str) -> str:
            with shop.ports() as mine:
                try:
                    return shift_readers(shop, mine, approved, by).by
                except (ConflictError, GateError):
                    return "told"

        with ThreadPoolExecutor(2) as pool:
            said = list(pool.map(ask, ("ann", "bob")))
        assert len(set(said) - {"told"}) == 1, said
    pointer = shop.pointer()
    assert (pointer.state, pointer.previous, pointer.evidence_hash) == (State.READERS, State.DUAL, approved)
    sell(shop, 4)
    after = shop.pointer()
    assert (after.state, after.evidence_hash) == (State.READERS, approved)
    assert after.position > pointer.position
    with shop.ports() as ports:
        assert not verify(ports.store, f"{shop.name}/", ports.signer).wrong


def test_writers_go_when_nothing_has_come_since_and_come_back_when_nobody_has_written(shop: Shop) -> None:
    loaded = check_file(shop.file)
    with shop.ports() as ports:
        hold_feed(ports.store, shop.name, "ann", now() + timedelta(minutes=10), now())
        with pytest.raises(ConflictError, match="ann holds the feed"):
            hold_feed(ports.store, shop.name, "bob", now() + timedelta(minutes=10), now())
        shop.run("UPDATE orders SET status = 'last' WHERE id = 9")
        assert "ann holds the feed" in shop.serve().told
        plan, decision = last_tenure(loaded, ports, now, lambda _: None, holder="ann")
        assert decision.open, decision.reasons
        asked = {"approved_hash": decision.evidence_hash, "by": "ann", "why": "", "source_frozen": True}
        shop.run("UPDATE orders SET total = total + 0.01 WHERE id = 9")  # somebody was not frozen
        with pytest.raises(GateError, match="has changed since the cut"):
            cut_over(plan, ports, **asked, at=now())
        plan, decision = last_tenure(loaded, ports, now, lambda _: None, holder="ann")
        done = cut_over(plan, ports, **asked | {"approved_hash": decision.evidence_hash}, at=now())
        assert (done.before, done.after, done.outcome) == (State.READERS, State.WRITERS, "done")
        release_feed(ports.store, shop.name)
        assert "written to by others" in shop.serve().told

        assert go_back(shop, ports, State.READERS).outcome == "done"
        assert go_back(shop, ports, State.READERS).outcome == "done"  # asked again: nothing more is done
        assert (shop.pointer().state, shop.pointer().previous) == (State.READERS, State.DUAL)
        sell(shop, 5)
        with pytest.raises(GateError, match="the state before is dual, not legacy"):
            go_back(shop, ports, State.LEGACY)

        plan, decision = last_tenure(loaded, ports, now, lambda _: None)
        cut_over(plan, ports, **asked | {"approved_hash": decision.evidence_hash}, at=now())
        table = load_catalog("lake", **properties_from(from_environment("lakehouse"))).load_table(
            f"{shop.name}.customers"
        )
        before = table.current_snapshot()
        table.append(table.scan(limit=1).to_arrow())
        with pytest.raises(GateError, match="the old system lacks these rows"):
            go_back(shop, ports, State.READERS)
        assert before
        table.manage_snapshots().set_current_snapshot(snapshot_id=before.snapshot_id).commit()
        assert go_back(shop, ports, State.READERS).outcome == "done"


def test_a_slot_that_is_dropped_while_readers_are_there_leaves_a_way_back(shop: Shop) -> None:
    drop_slots(shop.uri)
    shop.run("UPDATE orders SET status = 'unseen' WHERE id = 11")
    with pytest.raises(SourceError, match="is gone"):
        shop.serve()
    with shop.ports() as ports:
        with pytest.raises(SourceError, match="is gone"):
            last_tenure(check_file(shop.file), ports, now, lambda _: None)
        with pytest.raises(GateError, match="is cut over: its state is readers"):
            shop.load("too early")
        shop.key = RUN
        assert go_back(shop, ports, State.DUAL).outcome == "done"
        with pytest.raises(GateError, match="gone or lost"):
            shift_readers(shop, ports)
    shop.load("second")
    sell(shop, 6)
    assert shop.pointer().state is State.DUAL


def _killed(environment: dict[str, str], file: str, home: str, name: str, key: str, call: Call, when: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    shop = object.__new__(Shop)
    shop.file, shop.home, shop.name, shop.key = Path(file), Path(home), name, key

    def tell(here: Call, now_: str) -> None:
        if (here, now_) == (call, when):
            os.kill(os.getpid(), signal.SIGKILL)

    with shop.ports() as ports:
        plan, approved = judged(shop, ports)
        asked = {"approved_hash": approved, "by": "ann", "why": "", "at": now(), "source_frozen": False}
        cut_over(plan, watched(ports, tell), **asked, to=State.READERS)  # type: ignore[arg-type]


CLAIMED, MOVED = Call("store", "put_if", 1), Call("store", "put_if", 2)
RECORDED = Call("store", "put_if", 3)


@pytest.mark.parametrize(
    "deaths",
    [
        [(CLAIMED, "after"), (MOVED, "after")],
        pytest.param(
            [(RECORDED, "before"), (CLAIMED, "before")],
            marks=[pytest.mark.soak, pytest.mark.timeout(3600)],
        ),
    ],
    ids=["some", "all"],
)
def test_killed_between_two_steps_it_is_finished_or_taken_back(shop: Shop, deaths: list[tuple[Call, str]]) -> None:
    for n, (call, when) in enumerate(deaths):
        where = (dict(os.environ), str(shop.file), str(shop.home), shop.name, shop.key, call, when)
        process = CONTEXT.Process(target=_killed, args=where)
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, (n, process.exitcode)
        assert shop.serve().equal, "the feed goes on beside it"
        with shop.ports() as ports:
            if n == 0:  # else ann finishes it herself
                was = shop.pointer().evidence_hash or judged(shop, ports)[1]
                with pytest.raises(ConflictError, match="ann began to move"):
                    shift_readers(shop, ports, was, by="bob")
                assert go_back(shop, ports, State.DUAL).outcome == "done"
            assert shift_readers(shop, ports, shop.pointer().evidence_hash).outcome == "done"
            assert shop.pointer().state is State.READERS
            assert go_back(shop, ports, State.DUAL).outcome == "done"
    assert shop.pointer().state is State.DUAL
