from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from append_world import AT, World, spoiled, world
from tests.lakes import ids_in

from lakeward.domain.evidence import Pointer, State
from lakeward.domain.identity import pointer_key, staged_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, DataError, GateError, LakeError, LakewardError
from lakeward.steps.append import append
from lakeward.steps.compact import inspect
from lakeward.steps.prepare import prepare
from lakeward.steps.publish import publish

__all__ = ["world"]
KEY = pointer_key("shop", "sales")


def pointer(world: World) -> Pointer:
    found = world.store.get(KEY)
    assert found
    return from_json(Pointer, found[0])


def test_prepare_makes_the_groups_tables_and_its_quarantine(world: World) -> None:
    assert prepare(world.plan(), "sales", world.ports) == ("orders", "lines", "sales_quarantine")
    assert prepare(world.plan(), "sales", world.ports) == ()


def test_a_group_lands_and_is_published_and_doing_it_again_changes_nothing(world: World) -> None:
    plan = world.plan()
    world.stage(plan, aside=2)
    first = append(plan, "sales", world.ports, AT)
    cut = plan.group("sales").cut_id
    assert {t.table: t.rows for t in first.tables} == {"orders": 298, "lines": 596, "sales_quarantine": 2}
    assert pointer(world) == Pointer(
        migration="shop",
        group="sales",
        state=State.LEGACY,
        version=1,
        cut_id=cut,
        tables={f"shop.x_{table}": snapshot for table, snapshot in first.snapshots.items()},
        evidence_hash="",
        moved_at=AT,
        moved_by="run 1",
        why=f"cut {cut} published by run run 1",
    )
    assert ids_in(world.lake, first.snapshots["orders"]) == list(range(298))
    again = append(plan, "sales", world.ports, AT + timedelta(hours=1))
    assert again.snapshots == first.snapshots
    assert all(t.already for t in again.tables)
    assert pointer(world).version == 1


def test_a_second_cut_takes_the_firsts_place(world: World) -> None:
    world.stage(world.plan())
    append(world.plan(), "sales", world.ports, AT)
    second = world.plan("run 2")
    world.stage(second, 10)
    appended = append(second, "sales", world.ports, AT)
    moved = pointer(world)
    assert (moved.version, moved.cut_id, moved.state) == (2, second.group("sales").cut_id, State.LEGACY)
    assert moved.tables["shop.x_orders"] == appended.snapshots["orders"]
    with pytest.raises(LakeError, match="landed before"):
        append(world.plan(), "sales", world.ports, AT)
    assert pointer(world) == moved


def test_a_group_that_is_followed_and_not_switched_may_be_loaded_anew(world: World) -> None:
    world.stage(world.plan())
    append(world.plan(), "sales", world.ports, AT)
    world.store.put(KEY, to_json(replace(pointer(world), state=State.DUAL)))
    second = world.plan("run 2")
    world.stage(second, 10)
    append(second, "sales", world.ports, AT)
    moved = pointer(world)
    assert moved.cut_id == second.group("sales").cut_id
    assert moved.state is State.DUAL


@pytest.mark.parametrize("state", [State.READERS, State.WRITERS, State.RETIRED])
def test_a_group_that_was_cut_over_is_left_alone(world: World, state: State) -> None:
    world.stage(world.plan())
    append(world.plan(), "sales", world.ports, AT)
    world.store.put(KEY, to_json(replace(pointer(world), state=state)))
    second = world.plan("run 2")
    world.stage(second, 10)
    before = world.lake.state("orders")
    with pytest.raises(GateError, match=r"already cut over.*\n.*Roll back first"):
        append(second, "sales", world.ports, AT)
    assert world.lake.state("orders") == before
    assert append(world.plan(), "sales", world.ports, AT).tables[0].already
    assert pointer(world).state is state


@pytest.mark.parametrize(
    ("table", "changes", "said"),
    [
        ("orders", {"read": 299}, "orders: 300 landed, 299 read"),
        ("orders", {"quarantined": 0}, "orders: 300 read, 298 staged and 0 quarantined"),
        ("lines", {"rows": 595}, "lines: 596 read, 595 staged and 0 quarantined"),
        ("lines", {"files": ()}, "lines: 596 staged, 0 in its files"),
        ("sales_quarantine", {"files": (), "rows": 0, "read": 0}, "sales_quarantine: 0 staged, 2 rows were set aside"),
        ("lines", {"table": "other"}, "lines was not staged"),
        ("sales_quarantine", {"table": "other"}, "sales_quarantine was not staged"),
    ],
)
def test_rows_that_do_not_add_up_are_not_committed(
    world: World, table: str, changes: dict[str, int], said: str
) -> None:
    plan = world.plan()
    staged = spoiled(world.stage(plan, aside=2), table, **changes)
    world.store.put(staged_key("shop", "sales", plan.group("sales").cut_id), to_json(staged))
    with pytest.raises(DataError) as told:
        append(plan, "sales", world.ports, AT)
    assert said in str(told.value)
    assert world.lake._open("orders").metadata.snapshots == []
    assert world.store.get(KEY) is None


def test_what_was_not_staged_is_not_appended(world: World) -> None:
    with pytest.raises(LakewardError, match="Run the flatten step first"):
        append(world.plan(), "sales", world.ports, AT)


def test_publishing_loses_no_race_silently(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = world.plan()
    snapshots = {"orders": 1}
    lost = iter([False, False, True])
    put_new = world.store.put_new
    monkeypatch.setattr(world.store, "put_new", lambda key, data: next(lost) and put_new(key, data))
    assert publish(plan, "sales", world.ports, snapshots, AT, "me").version == 1
    monkeypatch.setattr(world.store, "put_if", lambda key, data, etag: False)
    with pytest.raises(ConflictError, match="moved by others"):
        publish(world.plan("run 2"), "sales", world.ports, snapshots, AT, "me")
    assert pointer(world).moved_by == "me"


def test_small_files_are_looked_at(world: World) -> None:
    plan = world.plan()
    with pytest.raises(LakeError, match="not published at cut"):
        inspect(plan, "sales", world.ports)
    world.stage(plan)
    append(plan, "sales", world.ports, AT)
    report = inspect(plan, "sales", world.ports)
    assert [(t.table, t.files_before, t.small_before, t.files_now, t.due) for t in report.tables] == [
        ("orders", 3, 3, 3, False),
        ("lines", 1, 1, 1, False),
        ("sales_quarantine", 0, 0, 0, False),
    ]
    assert (report.due, report.settled) == (False, True)


@pytest.mark.parametrize(("mode", "settled"), [("observe", False), ("none", True)])
def test_many_small_files_of_one_partition_are_due_until_the_store_has_compacted_them(
    world: World, mode: str, settled: bool
) -> None:
    plan = world.plan(mode=mode, small=2)
    one, two = world.stage(plan), world.plan("never landed")
    extra = world.stage(two)
    staged = spoiled(one, "lines", files=one.table("lines").files + extra.table("lines").files, rows=1200, read=1200)
    world.store.put(staged_key("shop", "sales", plan.group("sales").cut_id), to_json(staged))
    append(plan, "sales", world.ports, AT)
    report = inspect(plan, "sales", world.ports)
    assert (report.due, report.settled) == (True, settled)
    assert report.tables[1].files_now == 2
