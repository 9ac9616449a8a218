"""What stands is in the ledger after every step, and again after the ledger was lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import switch_world as sw

from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.decision import Decision
from lakeward.domain.evidence import Pointer
from lakeward.domain.identity import pointer_key
from lakeward.domain.standing import Card, Decided, SetAside, card_of
from lakeward.domain.stored import from_json
from lakeward.lab import Lab
from lakeward.ports import Ports
from lakeward.steps.gate import collect_evidence, evaluate, judge_group
from lakeward.steps.journal import journal
from lakeward.steps.rebuild import rebuild_standing
from lakeward.steps.stock import SAMPLES, tell_card

FILE = "retail.yaml"


@pytest.fixture(scope="module")
def base(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sw.World]:
    with sw.world(tmp_path_factory.mktemp("stock"), "standing") as one:
        yield one


@pytest.fixture
def ports(base: sw.World) -> Ports:
    return replace(base.ports, ledger=MemoryLedger())


def pointers(world: sw.World) -> dict[tuple[str, str], Pointer]:
    found = {g.name: world.ports.store.get(pointer_key(world.name, g.name)) for g in world.plan.groups}
    return {(world.name, name): from_json(Pointer, one[0]) for name, one in found.items() if one}


def test_a_step_tells_where_its_groups_pointer_is_even_when_it_fails(base: sw.World, ports: Ports) -> None:
    with pytest.raises(ValueError, match="dead"), journal(base.plan, ports, "sales", "append", sw.AT):
        raise ValueError("dead")
    told = {place: pointer for place, (pointer, _) in ports.ledger.standing(Pointer).items()}
    assert told == {place: one for place, one in pointers(base).items() if place[1] == "sales"}
    with journal(base.plan, ports, "", "gate", sw.AT):
        pass
    assert {place: pointer for place, (pointer, _) in ports.ledger.standing(Pointer).items()} == pointers(base)


def test_the_gate_tells_its_decision_of_the_run_and_of_a_group(base: sw.World, ports: Ports) -> None:
    later = sw.AT + timedelta(minutes=1)
    group = judge_group(base.plan, "sales", ports, sw.AT)
    whole = evaluate(base.plan, ports, later)
    told = ports.ledger.standing(Decided, base.name)
    assert told[base.name, "sales"] == (Decided("run 1", "all", group), sw.AT)
    assert told[base.name, ""] == (Decided("run 1", "", whole), later)
    assert whole.decision is Decision.READY
    assert evaluate(base.plan, replace(ports, ledger=MemoryLedger())).evidence_hash == whole.evidence_hash
    aside = {group: found for (_, group), (found, _) in ports.ledger.standing(SetAside, base.name).items()}
    counted = collect_evidence(base.plan, ports).rows
    assert {group: sum(one.rows for one in found.rows) for group, found in aside.items()} == {
        group: sum(aside for _, _, aside in tables.values()) for group, tables in counted.items()
    }
    for one in (one for found in aside.values() for one in found.rows):
        assert 1 <= len(one.samples) <= SAMPLES
        assert all(sample.raw.startswith("{") for sample in one.samples)


def test_a_lost_ledger_knows_again_what_stands(base: sw.World, ports: Ports) -> None:
    assert rebuild_standing(base.name, FILE, ports, sw.AT) == len(base.plan.groups)
    ledger = ports.ledger
    assert ledger.standing(Card) == {(base.name, ""): (card_of(base.plan, FILE), base.plan.planned_at)}
    assert {place: pointer for place, (pointer, _) in ledger.standing(Pointer).items()} == pointers(base)
    assert ledger.standing(Decided)[base.name, ""][0].decision.evidence_hash == base.approved
    fresh = MemoryLedger()
    tell_card(base.plan, FILE, fresh)
    assert fresh.standing(Card) == ledger.standing(Card)


def test_nothing_is_told_of_what_was_never_planned(base: sw.World, ports: Ports) -> None:
    assert rebuild_standing("unknown", FILE, ports, sw.AT) == 0
    assert ports.ledger.standing(Card) == {}
