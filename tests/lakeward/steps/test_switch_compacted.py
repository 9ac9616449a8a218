"""Compaction before, between and after approval and cutover: it voids nothing, and readers get the rewritten files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import switch_world as sw
from tests.lakes import changed_in_place

from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.evidence import State
from lakeward.domain.identity import pointer_key
from lakeward.domain.stored import to_json
from lakeward.errors import LakeError
from lakeward.lab import Lab
from lakeward.steps.compact import compact
from lakeward.steps.compare import compare
from lakeward.steps.compare_now import compare_now
from lakeward.steps.discard import discard
from lakeward.steps.evidence import verify
from lakeward.steps.gate import collect_evidence, evaluate
from lakeward.steps.pointers import read_as_consumer
from lakeward.steps.switch import cut_back, cut_over

LATER = sw.AT + timedelta(hours=1)


@pytest.fixture
def world(lab: Lab, tmp_path: Path) -> Iterator[sw.World]:
    with sw.world(tmp_path, f"compacted_{uuid4().hex[:8]}", pieces=3) as found:
        yield found


def compact_all(world: sw.World) -> None:
    """Rewrite every table of both groups."""
    before = world.pointers()
    for group in world.plan.groups:
        told = compact(world.plan, group.name, world.ports, LATER)
        assert [len(t.rewritten) for t in told.tables] == [3, 3, 0]
        pointer = world.pointers()[group.name]
        assert len(pointer.origins) == 2
        assert pointer.content == before[group.name].content
        assert (pointer.state, pointer.evidence_hash) == (before[group.name].state, before[group.name].evidence_hash)


def test_between_compare_approval_cutover_and_discard_nothing_is_void(world: sw.World) -> None:
    compact_all(world)
    for group in world.plan.groups:
        for verdict in compare(world.plan, group.name, world.ports, LATER):
            assert verdict.decided_at == sw.AT, "known for the same rows"
    assert evaluate(world.plan, world.ports).evidence_hash == world.approved
    done = cut_over(world.plan, world.ports, **world.ask())  # type: ignore[arg-type]
    assert "300 rows were read through the pointers" in done.message
    for pointer in world.pointers().values():
        assert (pointer.state, pointer.evidence_hash) == (State.WRITERS, world.approved)
        assert pointer.tables != pointer.content
    assert verify(world.ports.store).wrong == ()
    assert cut_back(world.plan, world.ports, by="Bob", why="odd", at=LATER).outcome == "done"
    assert all(pointer.origins for pointer in world.pointers().values())
    fresh = replace(world.ports, ledger=MemoryLedger())
    for verdict in compare(world.plan, "sales", fresh, LATER):
        assert verdict.decided_at == sw.AT, "what stands on these rows, the ledger lost"
    for verdict in compare_now(world.plan, world.ports, LATER):  # measured anew, from the rewritten files
        assert (verdict.outcome.value, verdict.decided_at) == ("pass", LATER)
    for group in world.plan.groups:
        assert all(one.gone for one in discard(world.plan, group.name, world.ports, dry_run=False))


class Meanwhile:
    """A store to which compaction comes right before the first pointer is moved."""

    def __init__(self, world: sw.World) -> None:
        self._world, self._store, self.came = world, world.ports.store, False

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put_if(self, key: str, data: bytes, etag: str) -> bool:
        if not self.came and "/pointers/" in key:
            self.came = True
            compact_all(self._world)
        return self._store.put_if(key, data, etag)


def test_in_the_middle_of_a_cutover_both_are_done_and_a_false_pin_is_found(world: sw.World) -> None:
    store = Meanwhile(world)
    ports = replace(world.ports, store=store)  # type: ignore[arg-type]
    assert cut_over(world.plan, ports, **world.ask()).outcome == "done"  # type: ignore[arg-type]
    assert store.came
    assert all(p.origins and p.state is State.WRITERS for p in world.pointers().values())
    assert verify(world.ports.store).wrong == ()
    evidence = collect_evidence(world.plan, world.ports)
    assert read_as_consumer(world.plan, world.ports, evidence, State.WRITERS) == 300
    pointer = world.pointers()["sales"]
    name = world.ports.lake.qualified("orders")
    live = world.ports.lake._open("orders")  # type: ignore[attr-defined]
    live.delete("id = 200")
    emptied = live.refresh().metadata.current_snapshot_id
    wrong = replace(pointer, tables=pointer.tables | {name: emptied})
    world.ports.store.put(pointer_key(world.name, "sales"), to_json(wrong))
    with pytest.raises(LakeError, match="does not hold the rows of snapshot"):
        read_as_consumer(world.plan, world.ports, evidence)


@pytest.mark.parametrize(("compacted", "table", "column"), [(False, "notes", "note"), (True, "products", "price")])
def test_a_live_file_that_was_changed_in_its_place_after_the_approval(
    world: sw.World, compacted: bool, table: str, column: str
) -> None:
    """One cent, or one letter that no KPI sees, in as many rows as before."""
    if compacted:
        compact_all(world)
    lake, before = world.ports.lake, world.pointers()
    of = next(t for group in world.plan.groups for t in group.lake_tables if t.name == table)
    pinned = next(p.tables[lake.qualified(table)] for p in before.values() if lake.qualified(table) in p.tables)
    url = lake.snapshot(of, pinned).urls[0]
    more: dict[str, Callable[[Any], Any]] = {"note": lambda note: f"{note}!"}
    changed_in_place(lake._open(table).io, url, column, more.get(column, lambda cent: cent + Decimal("0.01")))  # type: ignore[attr-defined]
    for dry_run in (True, False):
        if dry_run:
            told = cut_over(world.plan, world.ports, **world.ask(), dry_run=True).message  # type: ignore[arg-type]
        else:
            with pytest.raises(LakeError, match="no longer gives the figures that were approved") as error:
                cut_over(world.plan, world.ports, **world.ask())  # type: ignore[arg-type]
            told = str(error.value)
        assert f"of rows {table}, from snapshot {pinned} of {lake.qualified(table)}" in told
        assert ("of kpi assortment" in told) is (table == "products")
    assert world.pointers() == before
