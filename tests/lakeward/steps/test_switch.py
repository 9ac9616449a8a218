"""Cut over and back on the real source, lake and engine: done or as before, whoever dies or comes in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import switch_world as sw

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports
from lakeward.domain.evidence import Outcome, Pointer, State, Transition, Verdict
from lakeward.domain.identity import claim_key, pointer_key, sealed_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, GateError, LakeError, LakewardError
from lakeward.lab import Lab
from lakeward.ports import ObjectStore
from lakeward.reader import resolve
from lakeward.steps import switch
from lakeward.steps.append import append
from lakeward.steps.claim import LIMIT, Claim, Held, take
from lakeward.steps.gate import collect_evidence, evaluate, read_verdict
from lakeward.steps.publish import publish
from lakeward.steps.switch import cut_back, cut_over

LEGACY = {"sales": "legacy", "stock": "legacy"}
WRITERS = {"sales": "writers", "stock": "writers"}


@pytest.fixture(scope="module")
def base(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sw.World]:
    with sw.world(tmp_path_factory.mktemp("switch"), "switching") as found:
        yield found


@pytest.fixture(scope="module")
def quick(base: sw.World) -> sw.World:
    return sw.quick(base)


@pytest.fixture
def real(base: sw.World) -> Iterator[sw.World]:
    with sw.as_published(base) as found:
        yield found


@pytest.fixture
def world(quick: sw.World) -> Iterator[sw.World]:
    with sw.as_published(quick) as found:
        yield found


def over(world: sw.World, **changed: Any) -> Transition:
    return cut_over(world.plan, changed.pop("ports", world.ports), **{**world.ask(), **changed})


def back(world: sw.World, **changed: Any) -> Transition:
    asked = {"by": "Bob", "why": "orders look odd", "at": sw.AT + timedelta(minutes=5), **changed}
    return cut_back(world.plan, asked.pop("ports", world.ports), **asked)


def recorded(world: sw.World) -> list[str]:
    """Outcomes of all transitions kept in the store, oldest first."""
    found = [world.ports.store.get(key) for key, _ in world.ports.store.list(f"{world.name}/transitions/")]
    return [from_json(Transition, item[0]).outcome for item in found if item]


# --- done ---------------------------------------------------------------------------------------------------------------


def test_cut_over_moves_every_group(real: sw.World) -> None:
    before = real.pointers()
    done = over(real)
    assert (done.outcome, done.before, done.after) == ("done", State.LEGACY, State.WRITERS)
    assert done.groups == ("sales", "stock")
    assert "3 KPIs and all row counts" in done.message
    assert "300 rows were read through the pointers" in done.message
    for name, pointer in real.pointers().items():
        assert pointer == replace(
            before[name],
            state=State.WRITERS,
            version=before[name].version + 1,
            evidence_hash=real.approved,
            moved_at=done.at,
            moved_by="Ann",
            why="agreed",
            previous=State.LEGACY,
        )
        assert resolve(real.ports.store, real.name, name) == pointer
    assert recorded(real) == ["begun", "done"]
    assert done in real.ports.ledger.transitions(real.name)
    assert real.ports.store.get(sealed_key(real.name, real.approved))


def test_asked_again_it_returns_what_was_done(world: sw.World) -> None:
    done = over(world)
    pointers = world.pointers()
    assert over(world, by="Bob", at=sw.AT + timedelta(hours=1)) == done
    assert world.pointers() == pointers
    assert recorded(world) == ["begun", "done"]


def test_cut_back_restores_the_state_and_keeps_the_cut(world: sw.World) -> None:
    before = world.pointers()
    over(world)
    done = back(world)
    assert (done.outcome, done.before, done.after, done.by) == ("done", State.WRITERS, State.LEGACY, "Bob")
    for name, pointer in world.pointers().items():
        assert (pointer.state, pointer.previous, pointer.evidence_hash) == (State.LEGACY, None, "")
        assert (pointer.cut_id, pointer.tables) == (before[name].cut_id, before[name].tables)
        assert pointer.version == before[name].version + 2
    assert recorded(world) == ["begun", "done", "begun", "done"]
    assert back(world, at=sw.AT + timedelta(hours=2)) == done, "asked again, it returns what was done"


def test_over_back_and_over_again(world: sw.World) -> None:
    over(world)
    back(world)
    assert world.states() == LEGACY
    assert over(world, at=sw.AT + timedelta(minutes=9)).outcome == "done"
    assert world.states() == WRITERS


def test_a_dry_run_changes_nothing(world: sw.World) -> None:
    everything = dict(world.ports.store.list(""))
    planned = over(world, dry_run=True)
    assert planned.outcome == "planned"
    assert "Would move sales, stock from legacy to writers" in planned.message
    refused = over(world, dry_run=True, source_frozen=False, approved_hash="0" * 64)
    assert refused.outcome == "refused"
    assert "not declared frozen" in refused.message
    assert "no evidence with that hash" in refused.message
    nothing = back(world, dry_run=True)
    assert nothing.outcome == "refused"
    assert "nothing to go back from" in nothing.message
    assert dict(world.ports.store.list("")) == everything
    over(world)
    everything = dict(world.ports.store.list(""))
    assert back(world, dry_run=True).outcome == "planned"
    assert dict(world.ports.store.list("")) == everything


# --- refused ------------------------------------------------------------------------------------------------------------


def refused(world: sw.World, said: str, **changed: Any) -> None:
    before = world.pointers()
    with pytest.raises(GateError, match=said):
        over(world, **changed)
    assert world.pointers() == before
    assert recorded(world) == ["refused"]
    assert world.ports.store.get(claim_key(world.name)) is None


def test_a_source_that_is_not_frozen_refuses(world: sw.World) -> None:
    refused(world, "not declared frozen", source_frozen=False)


def test_an_unknown_hash_refuses(world: sw.World) -> None:
    refused(world, "no evidence with that hash was ever shown", approved_hash="a" * 64)


@pytest.mark.parametrize("approved", ["", "../../x"])
def test_what_is_no_hash_refuses(world: sw.World, approved: str) -> None:
    refused(world, "no evidence with that hash", approved_hash=approved)


def test_nobody_can_not_ask(world: sw.World) -> None:
    with pytest.raises(GateError, match="Nobody is named"):
        over(world, by=" ")


@pytest.mark.parametrize(
    ("change", "undo", "said"),
    [
        (
            "UPDATE switching.orders SET amount = amount + 0.01 WHERE id = 7",
            "UPDATE switching.orders SET amount = amount - 0.01 WHERE id = 7",
            r"KPI revenue: total: 21507.00 over 200 rows against 21507.01 over 200 rows, off by \+0.01.*month 2025-01-01",
        ),
        (
            "INSERT INTO switching.notes VALUES (99, 'late')",
            "DELETE FROM switching.notes WHERE id = 99",
            r"switching\.notes had 20 rows at the cut and has 21",
        ),
        (
            "UPDATE switching.customers SET country = 'IT' WHERE id = 1",
            "UPDATE switching.customers SET country = 'DE' WHERE id = 1",
            "KPI customers: .*country 'IT'",
        ),
    ],
)
def test_a_source_that_changed_since_the_cut_refuses(real: sw.World, change: str, undo: str, said: str) -> None:
    with sw.admin() as connection:
        connection.execute(change.encode())
        try:
            refused(real, said)
        finally:
            connection.execute(undo.encode())
    assert over(real, at=sw.AT + timedelta(minutes=3)).outcome == "done", "the source is again as it was"


def verdict_of(world: sw.World, subject: str) -> tuple[str, Verdict]:
    keys = [key for key, _ in world.ports.store.list(f"{world.name}/evidence/") if f"/{subject}-" in key]
    key = next(key for key in keys if key.endswith(".json"))
    return key, read_verdict(world.ports.store, key)


def test_evidence_that_changed_since_the_approval_refuses_and_says_what(world: sw.World) -> None:
    key, verdict = verdict_of(world, "revenue")
    world.ports.store.put(key, to_json(replace(verdict, summary="edited")))
    try:
        refused(world, "(?s)was approved, but it is .* now: verdict sales kpi revenue was pass .*pass .edited")
    finally:
        world.ports.store.put(key, to_json(verdict))


def test_a_missing_or_failed_verdict_shuts_the_gate(world: sw.World) -> None:
    key, verdict = verdict_of(world, "assortment")
    world.ports.store.delete([key])
    try:
        assert not evaluate(world.plan, world.ports).open
        refused(world, "stock kpi assortment: there is no verdict")
        world.ports.store.put(key, to_json(replace(verdict, outcome=Outcome.FAIL)))
        assert not evaluate(world.plan, world.ports).open
        world.ports.store.put(key, to_json(replace(verdict, kind="records")))
        with pytest.raises(LakeError, match="belongs at"):
            collect_evidence(world.plan, world.ports)
    finally:
        world.ports.store.put(key, to_json(verdict))
    assert evaluate(world.plan, world.ports).evidence_hash == world.approved


def test_the_gate_reads_the_store_and_not_the_ledger(world: sw.World) -> None:
    key, verdict = verdict_of(world, "assortment")
    worse = replace(verdict, outcome=Outcome.FAIL, inputs_hash="f" * 64, decided_at=sw.AT + timedelta(minutes=1))
    world.ports.ledger.record_verdict(worse)
    assert evaluate(world.plan, world.ports).open
    world.ports.store.put(key.replace(verdict.inputs_hash[:16], "f" * 16), to_json(worse))
    assert evaluate(world.plan, world.ports).open, "what was found on other inputs says nothing on these"
    world.ports.store.delete([key])
    reasons = evaluate(world.plan, world.ports).reasons
    assert any("on other inputs" in reason for reason in reasons)
    world.ports.store.put(key, to_json(replace(worse, inputs_hash=verdict.inputs_hash)))
    reasons = evaluate(world.plan, world.ports).reasons
    world.ports.store.put(key, to_json(verdict))
    assert any("assortment: fail" in reason for reason in reasons)


def test_another_snapshot_than_the_approved_one_refuses(world: sw.World) -> None:
    pointer = world.pointers()["stock"]
    table = world.ports.lake.qualified("products")
    other = replace(pointer, tables={**pointer.tables, table: 12345})
    world.ports.store.put(pointer_key(world.name, "stock"), to_json(other))
    with pytest.raises(GateError, match=f"snapshot of stock.{table} was {pointer.tables[table]} and is 12345"):
        over(world)
    assert world.states() == LEGACY


def test_another_cut_than_this_run_s_refuses(world: sw.World) -> None:
    pointer = world.pointers()["stock"]
    world.ports.store.put(pointer_key(world.name, "stock"), to_json(replace(pointer, cut_id="other")))
    for ask in (over, back):
        with pytest.raises(GateError, match="published at cut other"):
            ask(world)


def test_a_group_that_was_never_published_is_named(world: sw.World) -> None:
    world.ports.store.delete([pointer_key(world.name, "stock")])
    with pytest.raises(GateError, match="Group stock of switching is not published"):
        evaluate(world.plan, world.ports)
    with pytest.raises(LakeError, match="stock of switching was never published"):
        over(world)


def test_nothing_is_published_over_what_was_cut_over(world: sw.World) -> None:
    over(world)
    snapshots = {"products": 1}
    with pytest.raises(GateError, match="already cut over"):
        publish(world.plan, "stock", world.ports, snapshots, sw.AT, "test")


def test_what_is_retired_does_not_come_back(world: sw.World) -> None:
    over(world)
    pointer = world.pointers()["stock"]
    world.ports.store.put(pointer_key(world.name, "stock"), to_json(replace(pointer, state=State.RETIRED)))
    with pytest.raises(GateError, match="stock is retired"):
        back(world)


def test_quarantined_rows_need_a_named_acceptance(lab: Lab, tmp_path: Path) -> None:
    with sw.world(tmp_path, "aside", {"notes": 2}) as world:
        decision = evaluate(world.plan, world.ports)
        assert decision.quarantined == 2
        assert "2 rows are quarantined" in decision.warnings[0]
        assert "(notes " in decision.warnings[0], "they are named"
        with pytest.raises(GateError, match="2 rows are quarantined, and nobody accepts that"):
            over(world, accept_quarantine="  ")
        done = over(world, accept_quarantine="notes of 1998 are of no use")
        assert "2 quarantined rows are accepted by Ann: notes of 1998 are of no use" in done.message


# --- failing and dying --------------------------------------------------------------------------------------------------


def writes_of_a_cutover(world: sw.World) -> int:
    ports = sw.dying(world, 1000)
    over(world, ports=ports)
    return ports.store.writes  # type: ignore[attr-defined, no-any-return]


def test_died_after_any_write_it_is_finished_when_asked_again(quick: sw.World) -> None:
    with sw.as_published(quick):
        writes = writes_of_a_cutover(quick)
    assert writes >= 6
    mixed = 0
    for left in range(writes):
        with sw.as_published(quick) as world:
            with pytest.raises((sw.Dies, LakeError)):
                over(world, ports=sw.dying(world, left))
            mixed += len(set(world.states().values())) > 1
            assert over(world, at=sw.AT + timedelta(minutes=2)).outcome == "done"
            assert world.states() == WRITERS
            assert {p.previous for p in world.pointers().values()} == {State.LEGACY}
            assert recorded(world).count("done") == 1 + (left >= writes - 2), "its record came first"
            assert back(world).outcome == "done"
            assert world.states() == LEGACY
    assert mixed == 1, "one of the deaths was between the two pointers"


def test_died_after_any_write_anybody_may_go_back(quick: sw.World) -> None:
    with sw.as_published(quick):
        writes = writes_of_a_cutover(quick)
    for left in range(2, writes):
        with sw.as_published(quick) as world:
            with pytest.raises((sw.Dies, LakeError)):
                over(world, ports=sw.dying(world, left))
            assert back(world, by="Bob").outcome == "done"
            assert world.states() == LEGACY
            assert {p.previous for p in world.pointers().values()} == {None}
            assert over(world, by="Cid", at=sw.AT + timedelta(minutes=9)).outcome == "done"


def test_died_while_going_back_it_is_finished_when_asked_again(quick: sw.World) -> None:
    for left in range(1, 6):
        with sw.as_published(quick) as world:
            over(world)
            with pytest.raises(sw.Dies):
                back(world, ports=sw.dying(world, left))
            assert back(world, by="Cid", at=sw.AT + timedelta(minutes=6)).outcome == "done"
            assert world.states() == LEGACY


@pytest.mark.parametrize("writes", [4, 5])
def test_killed_between_two_pointers(world: sw.World, writes: int) -> None:
    """Writes: the sealed evidence, the claim, the record, the first pointer, the second pointer."""
    killed = subprocess.run(
        [sys.executable, "-c", sw.KILLED, str(world.file), str(world.folder), world.approved, str(writes)],
        env={**os.environ, "PYTHONPATH": "include"},
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    assert list(world.states().values()).count("writers") == writes - 3
    with pytest.raises(ConflictError, match="Ann began to move switching from legacy to writers"):
        over(world, by="Bob")
    assert over(world, at=sw.AT + timedelta(minutes=2)).outcome == "done"
    assert world.states() == WRITERS


def test_a_dead_one_s_claim_is_anybody_s_after_a_while(world: sw.World) -> None:
    with pytest.raises(sw.Dies):
        over(world, ports=sw.dying(world, 4))
    asked_at = world.ask()["at"]
    assert isinstance(asked_at, type(sw.AT))
    with pytest.raises(ConflictError):
        over(world, by="Bob", at=asked_at + LIMIT)
    assert over(world, by="Bob", at=asked_at + LIMIT + timedelta(seconds=1)).outcome == "done"


def test_died_and_then_the_source_changed_it_is_taken_back(real: sw.World) -> None:
    with pytest.raises(sw.Dies):
        over(real, ports=sw.dying(real, 4))
    assert real.states() == {"sales": "writers", "stock": "legacy"}
    with sw.admin() as connection:
        connection.execute(b"DELETE FROM switching.notes WHERE id = 20")
        try:
            with pytest.raises(GateError, match=r"switching\.notes had 20 rows"):
                over(real, at=sw.AT + timedelta(minutes=2))
        finally:
            connection.execute(b"INSERT INTO switching.notes VALUES (20, 'note 20')")
    assert real.states() == LEGACY
    assert recorded(real) == ["begun", "refused", "reverted"]
    assert over(real, at=sw.AT + timedelta(minutes=3)).outcome == "done"


class Failing:
    """A part of the world that fails from the n-th call of one method on."""

    def __init__(self, real: object, method: str, error: BaseException, calls: int) -> None:
        self._real, self._method, self._error, self._left = real, method, error, calls

    def __getattr__(self, name: str) -> object:
        if name == self._method:
            self._left -= 1
            if self._left < 0:
                raise self._error
        return getattr(self._real, name)


@pytest.mark.parametrize("error", [LakeError("catalog is down"), RuntimeError("a bug"), KeyboardInterrupt()])
def test_verification_that_fails_takes_everything_back(world: sw.World, error: BaseException) -> None:
    before = world.pointers()
    calls = sum(len(p.tables) for p in before.values()) + len(world.plan.migration.kpis)
    calls += sum(len(group.lake_tables) for group in world.plan.groups)  # as often as the preconditions read
    ports = replace(world.ports, lake=Failing(world.ports.lake, "snapshot", error, calls))  # type: ignore[arg-type]
    with pytest.raises(type(error)):
        over(world, ports=ports)
    for name, pointer in world.pointers().items():
        assert pointer.version == before[name].version + 2
        same = replace(pointer, version=1, moved_at=sw.AT, moved_by=before[name].moved_by, why=before[name].why)
        assert same == before[name]
        assert pointer.why.startswith("taken back: ")
    assert recorded(world) == ["begun", "reverted"]
    assert over(world, at=sw.AT + timedelta(minutes=2)).outcome == "done"


def test_a_snapshot_that_is_gone_refuses(world: sw.World) -> None:
    gone = LakeError("snapshot 7 is gone")
    ports = replace(world.ports, lake=Failing(world.ports.lake, "snapshot", gone, 0))  # type: ignore[arg-type]
    with pytest.raises(LakeError, match="snapshot 7 is gone"):
        over(world, ports=ports)
    assert world.states() == LEGACY
    assert recorded(world) == ["refused"]


def test_rows_that_are_not_the_approved_ones_refuse(world: sw.World) -> None:
    class Short:
        def __init__(self, real: object) -> None:
            self._real = real

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

        def snapshot(self, table: Any, snapshot_id: int) -> object:
            found = world.ports.lake.snapshot(table, snapshot_id)
            return replace(found, urls=()) if table.name == "products" else found

    ports = replace(world.ports, lake=Short(world.ports.lake))  # type: ignore[arg-type]
    with pytest.raises(LakeError, match=r"products has 0 rows in snapshot \d+, and 50 in the evidence"):
        over(world, ports=ports)
    assert world.states() == LEGACY


# --- at once ------------------------------------------------------------------------------------------------------------


def race(asks: list[Any]) -> tuple[list[Transition], list[Exception]]:
    start, done, failed = threading.Barrier(len(asks)), [], []

    def one(ask: Any) -> None:
        start.wait()
        try:
            done.append(ask())
        except Exception as error:  # noqa: BLE001 - told by the assertions
            failed.append(error)

    threads = [threading.Thread(target=one, args=(ask,)) for ask in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done, failed


def test_of_several_operators_one_wins(quick: sw.World) -> None:
    for _ in range(5):
        with sw.as_published(quick) as world:
            done, failed = race([lambda n=n: over(world, by=f"operator {n}") for n in range(4)])
            assert done
            assert len({t.by for t in done}) == 1, "who came later was told what the winner did"
            assert all(isinstance(error, ConflictError) for error in failed), failed
            assert world.states() == WRITERS
            assert {p.moved_by for p in world.pointers().values()} == {done[0].by}
            assert {p.version for p in world.pointers().values()} == {2}
            assert recorded(world).count("done") == 1


def test_who_claims_when_another_has_just_ended_is_told_what_was_done(
    world: sw.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: list[Transition] = []

    def late(store: ObjectStore, asked: Transition, *, anyway: bool = False) -> Held:
        if not first:
            first.append(asked)
            first[0] = over(world, by="the first")
        return take(store, asked, anyway=anyway)

    monkeypatch.setattr(switch, "take", late)
    assert over(world, by="the second") == first[0]
    assert {p.version for p in world.pointers().values()} == {2}
    assert recorded(world).count("done") == 1
    assert back(world).outcome == "done"


def test_one_operator_who_asks_twice_at_once(quick: sw.World) -> None:
    for _ in range(5):
        with sw.as_published(quick) as world:
            done, failed = race([lambda n=n: over(world, at=sw.AT + timedelta(seconds=n)) for n in range(3)])
            assert done
            assert all(isinstance(error, ConflictError) for error in failed), failed
            assert world.states() == WRITERS


def test_over_and_back_at_once_end_together(quick: sw.World) -> None:
    for _ in range(8):
        with sw.as_published(quick) as world:
            race([lambda: over(world), lambda: back(world)])
            assert len(set(world.states().values())) == 1, "never one group here and the other there"


def test_one_who_is_overtaken_writes_nothing_more(world: sw.World) -> None:
    """Ann's process is stopped just before her second pointer; Bob goes back; then hers wakes up."""

    class Stopped:
        def __init__(self) -> None:
            self.moved = 0

        def __getattr__(self, name: str) -> object:
            return getattr(world.ports.store, name)

        def put_if(self, key: str, data: bytes, etag: str) -> bool:
            if "/pointers/" in key:
                self.moved += 1
                if self.moved == 2:
                    assert back(world).outcome == "done"
            return world.ports.store.put_if(key, data, etag)

    with pytest.raises(ConflictError, match="took over"):
        over(world, ports=replace(world.ports, store=Stopped()))  # type: ignore[arg-type]
    assert world.states() == LEGACY
    assert {p.moved_by for p in world.pointers().values()} == {"Bob"}


def test_a_cut_published_meanwhile_takes_it_back(world: sw.World) -> None:
    other = replace(world.pointers()["stock"], cut_id="newer", version=9)

    class Meanwhile:
        def __getattr__(self, name: str) -> object:
            return getattr(world.ports.store, name)

        def put_if(self, key: str, data: bytes, etag: str) -> bool:
            if key.endswith("/pointers/sales.json") and from_json(Pointer, data).state is State.WRITERS:
                world.ports.store.put(pointer_key(world.name, "stock"), to_json(other))
            return world.ports.store.put_if(key, data, etag)

    with pytest.raises(LakeError, match="stock was published anew meanwhile"):
        over(world, ports=replace(world.ports, store=Meanwhile()))  # type: ignore[arg-type]
    assert world.states() == LEGACY
    assert world.pointers()["stock"].cut_id == "newer"
    found = world.ports.store.get(claim_key(world.name))
    assert found is not None
    claim = from_json(Claim, found[0])
    assert (claim.open, claim.transition.outcome) == (False, "reverted")


# --- opened as operators open it ------------------------------------------------------------------------------------------


def test_ports_opened_anew_find_the_same_state(world: sw.World) -> None:
    over(world)
    with open_ports(world.plan.migration, from_environment, world.folder) as ports:
        assert {resolve(ports.store, world.name, g).state for g in ("sales", "stock")} == {State.WRITERS}
        assert [t.outcome for t in ports.ledger.transitions(world.name)][-1] == "done"
        assert evaluate(world.plan, ports).evidence_hash == world.approved


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe{", b"[]"])
@pytest.mark.parametrize(
    "which", ["pointers/stock.json", "switch/claim.json", "kpi/revenue-", "chain/00000002.json", "chain/"]
)
def test_a_damaged_object_is_named_with_what_to_do_and_nothing_is_moved(
    world: sw.World, which: str, damage: bytes
) -> None:
    store, before = world.ports.store, world.pointers()
    keys = [key for key, _ in store.list(f"{world.name}/") if f"/{which}" in key and key.endswith(".json")]
    key = max(keys, default=claim_key(world.name))  # the claim is made here: nobody has moved anything yet
    whole = store.get(key)
    store.put(key, damage)
    try:
        told = over(world, dry_run=True).message
        with pytest.raises(LakewardError) as error:
            over(world)
        assert str(error.value) == told
        assert key in told
        assert "What to do: " in told
    finally:
        if whole:
            store.put(key, whole[0])
        else:
            store.delete([key])
    assert world.pointers() == before


def test_a_pointer_that_is_lost_after_the_cutover_is_made_anew_as_the_documentation_says(real: sw.World) -> None:
    over(real)
    before = real.pointers()["stock"]
    real.ports.store.delete([pointer_key(real.name, "stock")])
    append(real.plan, "stock", real.ports, sw.AT)
    assert real.states() == {"sales": "writers", "stock": "legacy"}
    assert over(real, at=sw.AT + timedelta(minutes=30)).outcome == "done"
    after = real.pointers()["stock"]
    assert real.states() == WRITERS
    assert (after.content, after.evidence_hash) == (before.content, before.evidence_hash)
