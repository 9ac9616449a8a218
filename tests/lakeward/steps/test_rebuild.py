"""A lost ledger, made again from store and lake, and the migration going on with it as before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import switch_world as sw

from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.identity import verdict_key
from lakeward.lab import Lab
from lakeward.ports import Ports
from lakeward.steps.compare import compare
from lakeward.steps.evidence import rebuild
from lakeward.steps.gate import evaluate
from lakeward.steps.rebuild import rebuild_steps
from lakeward.steps.switch import cut_back, cut_over


@pytest.fixture(scope="module")
def base(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sw.World]:
    with sw.world(tmp_path_factory.mktemp("rebuild"), "rebuilding") as one:
        yield one


def rebuilt(world: sw.World) -> Ports:
    """The ports with an empty ledger that was then made again."""
    ports = replace(world.ports, ledger=MemoryLedger())
    rebuild(world.name, ports.store, ports.ledger)
    rebuild_steps(world.name, ports.store, ports.lake, ports.ledger)
    return ports


def test_every_step_that_left_a_proof_is_there_and_no_other(base: sw.World) -> None:
    steps = rebuilt(base).ledger.steps(base.name)
    proved = {"extract", "prepare", "flatten", "append", "validate", "compare"}
    assert {(s.group, s.step) for s in steps} == {(g, s) for g in ("sales", "stock") for s in proved} | {("", "gate")}
    assert {(s.run_key, s.outcome) for s in steps} == {("run 1", "done")}
    rows = {(s.group, s.step): s.rows for s in steps}
    assert rows["sales", "extract"] == rows["sales", "append"] == rows["sales", "flatten"] > 0


def test_verdicts_are_the_same_and_nothing_is_measured_again(base: sw.World) -> None:
    ports = rebuilt(base)
    assert ports.ledger.verdicts(base.name) == base.ports.ledger.verdicts(base.name)
    before = {key: base.ports.store.etag(key) for key, _ in base.ports.store.list(f"{base.name}/evidence/")}
    for group in base.plan.groups:
        compare(base.plan, group.name, ports, sw.AT + timedelta(days=1))
    assert {key: base.ports.store.etag(key) for key, _ in base.ports.store.list(f"{base.name}/evidence/")} == before


def test_gate_approval_cutover_and_the_way_back_go_on_as_before(base: sw.World) -> None:
    with sw.as_published(base) as world:
        ports = rebuilt(world)
        decision = evaluate(world.plan, ports)
        assert (decision.open, decision.evidence_hash) == (True, world.approved)
        done = cut_over(world.plan, ports, **world.ask())  # type: ignore[arg-type]
        assert done.outcome == "done"
        again = rebuilt(world)
        assert again.ledger.transitions(world.name) == ports.ledger.transitions(world.name)
        assert cut_over(world.plan, again, **world.ask()) == done  # type: ignore[arg-type]
        back = cut_back(world.plan, again, by="Bob", why="odd", at=sw.AT + timedelta(minutes=5))
        assert back.outcome == "done"
    assert set(world.states().values()) == {"legacy"}


def test_what_the_ledger_knows_already_stays(base: sw.World) -> None:
    ports = rebuilt(base)
    (gate,) = [s for s in ports.ledger.steps(base.name) if s.step == "gate"]
    told = replace(gate, outcome="held", started_at=gate.started_at - timedelta(days=1))
    ports = replace(ports, ledger=MemoryLedger())
    ports.ledger.record_step(told)
    assert rebuild_steps(base.name, ports.store, ports.lake, ports.ledger) == 12
    assert [s for s in ports.ledger.steps(base.name) if s.step == "gate"] == [told]


def test_what_was_not_finished_is_not_claimed(base: sw.World) -> None:
    store, group = base.ports.store, base.plan.groups[0]
    taken = {key: data for key, _ in store.list(f"{base.name}/") if (data := store.get(key))}
    verdict = next(v for v in base.ports.ledger.verdicts(base.name) if v.group == group.name and v.kind == "records")
    staged = next(key for key in taken if key.endswith(f"{group.cut_id}/staged.json"))
    records = verdict_key(base.name, group.name, group.cut_id, "records", verdict.subject, verdict.inputs_hash)
    store.delete([staged, records])
    try:
        steps = {s.step for s in rebuilt(base).ledger.steps(base.name) if s.group == group.name}
        assert steps == {"extract"}
    finally:
        for key in (staged, records):
            store.put(key, taken[key][0])
