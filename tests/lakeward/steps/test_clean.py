"""Expiry and janitor over a whole migration: what runs left, what they still need, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from append_world import AT, World, world
from tests.lakes import ids_in

from lakeward.domain.evidence import Pointer, State, Transition
from lakeward.domain.facts import Plan
from lakeward.domain.identity import claim_key, landing_prefix, pointer_key
from lakeward.domain.maintenance import CleaningReport
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, LakeError
from lakeward.steps.append import append
from lakeward.steps.claim import Claim
from lakeward.steps.clean import clean
from lakeward.steps.discard import discard
from lakeward.steps.evidence import verify
from lakeward.steps.expire import expire

__all__ = ["world"]
NOW = datetime.now(UTC)
WEEK, MONTHS = NOW + timedelta(days=8), NOW + timedelta(days=90)


def landed(world: World, run: str, count: int = 30, day: int = 0) -> Plan:
    """A run up to its append; the cut is taken on that day."""
    plan = world.plan(run)
    world.stage(plan, count, taken=AT + timedelta(days=day))
    append(plan, "sales", world.ports, AT + timedelta(days=day))
    return plan


def tidy(world: World, at: datetime, *, dry_run: bool = False) -> CleaningReport:
    """Expire, then clean; on the objects' own clock, which the pointers of these tests precede."""
    spec = world.plan().migration
    expire(spec, world.ports, at, dry_run=dry_run)
    return clean(spec, world.ports, at, dry_run=dry_run)


def counted(report: CleaningReport) -> Counter[str]:
    return Counter(one.kind for one in report.leftovers)


def move(world: World, **changes: object) -> None:
    found = world.store.get(pointer_key("shop", "sales"))
    assert found
    world.store.put(pointer_key("shop", "sales"), to_json(replace(from_json(Pointer, found[0]), **changes)))


def rows_of(world: World, plan: Plan) -> bool:
    """Whether the landed rows are there."""
    return (
        world.store.get(f"{landing_prefix('shop', 'sales', plan.group('sales').cut_id, 'try1')}/orders/0.parquet")
        is not None
    )


def test_a_dry_run_tells_what_a_real_one_does_and_changes_nothing(world: World) -> None:
    for n in range(4):
        landed(world, f"run {n}", 30 + n, day=n)
    before = {table: world.lake.history(table) for table in world.lake.tables("shop")}
    spec = world.plan().migration
    told = expire(spec, world.ports, MONTHS)
    assert {table: world.lake.history(table) for table in world.lake.tables("shop")} == before
    done = expire(spec, world.ports, MONTHS, dry_run=False)
    assert done.tables == told.tables
    assert [len(one.tags) for one in done.tables] == [2, 2, 2]
    would = clean(spec, world.ports, MONTHS)
    assert counted(would)["landing"] == 3
    assert would.leftovers == clean(spec, world.ports, MONTHS).leftovers
    really = clean(spec, world.ports, MONTHS, dry_run=False)
    assert really.leftovers == would.leftovers
    assert clean(spec, world.ports, MONTHS).leftovers == ()


def test_the_published_cut_keeps_its_landing_and_readers_their_rows(world: World) -> None:
    first, second = landed(world, "run 1"), landed(world, "run 2", 40, day=1)
    move(world, state=State.WRITERS, previous=State.LEGACY)
    report = tidy(world, MONTHS)
    assert (rows_of(world, first), rows_of(world, second)) == (False, True)
    assert any("may be cut over or back" in kept for kept in report.kept)
    pinned = from_json(Pointer, world.store.get(pointer_key("shop", "sales"))[0]).tables["shop.x_orders"]  # type: ignore[index]
    assert ids_in(world.lake, pinned) == list(range(40))
    move(world, state=State.RETIRED)
    tidy(world, MONTHS)
    assert not rows_of(world, second)
    assert ids_in(world.lake, pinned) == list(range(40))


def test_nothing_of_a_run_under_way_is_taken(world: World) -> None:
    landed(world, "run 1")
    plan = world.plan("run 2")
    staged = world.stage(plan, 50, taken=AT + timedelta(days=1))
    assert counted(tidy(world, WEEK)) == Counter()
    appended = append(plan, "sales", world.ports, AT)
    assert ids_in(world.lake, appended.snapshots["orders"]) == list(range(50))
    assert staged.table("orders").rows == 50


def test_a_run_that_nobody_finished_loses_its_files_and_is_told_so(world: World) -> None:
    landed(world, "run 1")
    plan = world.plan("run 2")
    world.stage(plan, 50, taken=AT + timedelta(days=1))
    report = tidy(world, MONTHS)
    assert {one.why for one in report.leftovers if one.kind == "data"} == {
        f"staged for cut {plan.group('sales').cut_id}, which nobody has finished within `landing.keep`"
    }
    with pytest.raises(LakeError, match=r"is gone|given up"):
        append(plan, "sales", world.ports, AT)


def test_tries_that_another_one_beat_and_tries_without_a_manifest_go_when_they_are_old(world: World) -> None:
    plan = landed(world, "run 1")
    beaten = f"{landing_prefix('shop', 'sales', plan.group('sales').cut_id, 'try0')}/orders/0.parquet"
    unfinished = f"{landing_prefix('shop', 'sales', 'f' * 16, 'try1')}/orders/0.parquet"
    for key in (beaten, unfinished):
        world.store.put(key, b"rows")
    assert tidy(world, NOW + timedelta(days=2)).leftovers == ()
    assert {one.where: one.why for one in tidy(world, WEEK).leftovers} == {
        world.store.url(beaten): "of a try that another one beat to it",
        world.store.url(unfinished): "of a try that never finished",
    }
    assert (world.store.get(beaten), world.store.get(unfinished), rows_of(world, plan)) == (None, None, True)


def test_a_discarded_cut_leaves_nothing_but_its_evidence(world: World) -> None:
    landed(world, "run 1")
    plan = landed(world, "run 2", 50, day=1)
    discard(plan, "sales", world.ports, dry_run=False)
    assert counted(tidy(world, NOW + timedelta(days=2))) == Counter()
    spec = world.plan().migration.model_copy(
        update={"maintenance": world.plan().migration.maintenance.model_copy(update={"keep_snapshots": 1})}
    )
    expire(spec, world.ports, WEEK, dry_run=False)
    report = clean(spec, world.ports, WEEK, dry_run=False)
    assert counted(report)["data"] == 2
    assert not rows_of(world, plan)
    folder = landing_prefix("shop", "sales", plan.group("sales").cut_id, "try1")
    assert [key for key, _ in world.store.list(folder)] == [f"{folder}/figures/orders.parquet"]
    assert verify(world.store).wrong == ()
    state = world.lake.state("orders")
    assert state
    assert state.rows == 30


def test_a_discarded_cut_that_is_wanted_again_is_spared_again(world: World) -> None:
    plan = landed(world, "run 1")
    discard(plan, "sales", world.ports, dry_run=False)
    append(plan, "sales", world.ports, AT)
    tidy(world, WEEK)
    assert rows_of(world, plan)


def test_an_old_cut_never_comes_back_over_a_newer_one_though_its_tag_is_gone(world: World) -> None:
    first = landed(world, "run 0")
    for n in range(1, 4):
        landed(world, f"run {n}", 40 + n, day=n)
    expire(world.plan().migration, world.ports, MONTHS, dry_run=False)
    assert f"cut_{first.group('sales').cut_id}" not in world.lake.history("orders").tags
    with pytest.raises(LakeError, match="was taken before"):
        append(first, "sales", world.ports, AT)
    state = world.lake.state("orders")
    assert state
    assert state.rows == 43


def test_a_cutover_under_way_is_not_disturbed(world: World) -> None:
    plan = landed(world, "run 1")
    asked = Transition("shop", plan.run_key, ("sales",), State.LEGACY, State.WRITERS, "h", "me", "now", NOW, "begun")
    world.store.put(claim_key("shop"), to_json(Claim(asked, "token", open=True)))
    for step in (expire, clean):
        with pytest.raises(ConflictError, match="has not ended"):
            step(plan.migration, world.ports, MONTHS, dry_run=False)


def test_runs_go_on_between_expiries(world: World) -> None:
    for n in range(4):
        plan = landed(world, f"run {n}", 30 + n, day=n)
        tidy(world, MONTHS)
        again = append(plan, "sales", world.ports, AT)
        assert all(table.already for table in again.tables)
    assert len(world.lake.history("orders").tags) == 2
    assert discard(plan, "sales", world.ports, dry_run=False)[0].gone
    state = world.lake.state("orders")
    assert state
    assert state.rows == 32
