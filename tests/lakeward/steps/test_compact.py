"""Compaction of a published group: on a real catalog, by the real engine, beside others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from append_world import AT, World, opened, spoiled, world
from tests.lakes import ids_in, orders, stage

from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.iceberg import change
from lakeward.adapters.iceberg.files import data_files
from lakeward.adapters.iceberg.read import live_entries
from lakeward.domain.compaction import CompactionReport, rewriting
from lakeward.domain.evidence import Pointer
from lakeward.domain.facts import Plan
from lakeward.domain.identity import pointer_key, staged_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import LakeError
from lakeward.ports import Input
from lakeward.steps.append import append
from lakeward.steps.compact import compact, inspect
from lakeward.steps.discard import discard

__all__ = ["world"]
COUNT = 240


def published(world: World, run: str = "run 1", mode: str = "rewrite", small: int = 3) -> Plan:
    """Orders of two months, in four small files and three."""
    plan = world.plan(run, mode, small)
    staged = world.stage(plan, COUNT)
    files = tuple(f for n in range(0, COUNT, 40) for f in stage(world.lake, orders(40, first=n)))
    world.store.put(
        staged_key("shop", "sales", plan.group("sales").cut_id), to_json(spoiled(staged, "orders", files=files))
    )
    append(plan, "sales", world.ports, AT)
    return plan


def pointer(world: World) -> Pointer:
    found = world.store.get(pointer_key("shop", "sales"))
    assert found
    return from_json(Pointer, found[0])


def rewrite(world: World, plan: Plan, *, dry_run: bool = False) -> CompactionReport:
    return compact(plan, "sales", world.ports, AT, dry_run=dry_run)


def test_a_dry_run_tells_and_writes_nothing(world: World) -> None:
    plan = published(world)
    state, shown = world.lake.state("orders"), pointer(world)
    told = rewrite(world, plan, dry_run=True)
    assert [(len(t.rewritten), t.into, t.due) for t in told.tables] == [(7, 2, True), (0, 0, False), (0, 0, False)]
    assert rewriting(told.tables[0], dry_run=True) == "orders: 7 of 7 files would be rewritten into 2"
    assert set(told.tables[0].rewritten) == {file.url for file in world.lake.live_files("orders")}
    assert (world.lake.state("orders"), pointer(world)) == (state, shown)


def test_small_files_become_few_and_readers_get_them(world: World) -> None:
    plan = published(world)
    before = pointer(world)
    told = rewrite(world, plan)
    orders_now = told.tables[0]
    assert (orders_now.files_before, orders_now.files_now, orders_now.into, orders_now.due) == (7, 2, 2, False)
    assert (told.due, told.settled) == (False, True)
    after, name = pointer(world), "shop.x_orders"
    assert after.tables[name] != before.tables[name]
    assert after == replace(before, version=2, tables=after.tables, origins={name: before.tables[name]}), (
        "state, cut, who and why stay"
    )
    assert after.content == before.content == before.tables
    assert {t: s for t, s in after.tables.items() if t != name} == {t: s for t, s in before.tables.items() if t != name}
    assert ids_in(world.lake, after.tables[name]) == list(range(COUNT))
    assert rewriting(orders_now) == "orders: 7 of 7 files rewritten into 2"


def test_the_sort_order_is_kept_inside_every_file(world: World) -> None:
    plan = published(world)
    rewrite(world, plan)
    live = world.lake._open("orders")
    for file in world.lake.live_files("orders"):
        at = pq.read_table(live.io.new_input(file.url).open())["ordered_at"].to_pylist()
        assert at == sorted(at)
    assert {e.data_file.sort_order_id for e in live_entries(live, live.current_snapshot())} == {1}


def test_again_it_does_nothing_and_the_cut_may_be_appended_again(world: World) -> None:
    plan = published(world)
    rewrite(world, plan)
    shown = pointer(world)
    assert not any(t.rewritten or t.note for t in rewrite(world, plan).tables)
    assert all(t.already for t in append(plan, "sales", world.ports, AT).tables)
    assert pointer(world) == shown
    assert len(world.lake._open("orders").metadata.snapshots) == 2


def test_one_table_by_itself_and_other_modes_only_look(world: World) -> None:
    plan = published(world)
    assert [t.table for t in compact(plan, "sales", world.ports, AT, tables=["lines"]).tables] == ["lines"]
    observing = world.plan("run 1", "observe", 3)
    assert compact(observing, "sales", world.ports, AT) == inspect(observing, "sales", world.ports)
    assert pointer(world).version == 1


def test_a_second_cut_replaces_a_compacted_one_and_can_be_taken_out(world: World) -> None:
    plan = published(world)
    rewrite(world, plan)
    second = published(world, "run 2")
    assert pointer(world).origins == {}
    rewrite(world, second)
    assert all(one.gone for one in discard(second, "sales", world.ports, dry_run=False))
    state = world.lake.state("orders")
    assert state
    assert (state.rows, state.files) == (COUNT, 2), "the first cut, compacted, is back"
    with pytest.raises(LakeError, match="not published at cut"):
        rewrite(world, second)


def test_what_died_before_the_pointer_moved_is_finished(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = published(world)
    first = pointer(world)
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "put_if", dies)
        with pytest.raises(KeyboardInterrupt):
            rewrite(world, plan)
    assert pointer(world) == first
    assert not any(t.rewritten for t in rewrite(world, plan).tables)
    assert world.lake._open("orders").metadata.current_snapshot_id == pointer(world).tables["shop.x_orders"]


def dies(*_: object) -> bool:
    raise KeyboardInterrupt


def compact_as_the_store_does(world: World, rows: pa.Table) -> int:
    live = world.lake._open("orders")
    made = change.replace_files(
        live, live_entries(live, live.current_snapshot()), data_files(live, stage(world.lake, rows)), {}
    )
    change.commit_one(world.lake._catalog, made)
    return made.snapshot_id


def test_the_stores_own_compaction_is_shown_to_readers(world: World) -> None:
    plan = published(world)
    made = compact_as_the_store_does(world, orders(COUNT))
    assert [t.note for t in rewrite(world, plan).tables] == ["", "", ""]
    assert pointer(world).tables["shop.x_orders"] == made
    assert world.lake._open("orders").metadata.refs["cut_" + plan.group("sales").cut_id + "_compacted"]


def test_a_compaction_that_changed_a_cent_is_not_shown(world: World) -> None:
    plan = published(world)
    made = compact_as_the_store_does(world, orders(COUNT, price="1.26"))
    before = pointer(world)
    assert [t.note for t in rewrite(world, plan).tables] == [
        f"snapshot {made} has other rows than the cut: readers are not shown it",
        "",
        "",
    ]
    assert pointer(world) == before


def test_rows_that_somebody_added_survive_and_are_not_shown(world: World) -> None:
    plan = published(world)
    before, live = pointer(world), world.lake._open("orders")
    with live.transaction() as transaction, transaction.update_snapshot().fast_append() as appended:
        for file in data_files(live, stage(world.lake, orders(5, first=1000))):
            appended.append_data_file(file)
    assert rewrite(world, plan).tables[0].rewritten
    state = world.lake.state("orders")
    assert state
    assert ids_in(world.lake, state.snapshot_id or 0) == [*range(COUNT), *range(1000, 1005)]
    assert pointer(world) == before


class Spoiling(DuckEngine):
    """An engine that gets one cent wrong."""

    @contextmanager
    def ordered(
        self, sql: str, order: Sequence[tuple[str, str]], inputs: Mapping[str, Input], rows: int
    ) -> Iterator[pa.RecordBatchReader]:
        wrong = sql.replace('"price"', 'CASE WHEN id = 7 THEN price + 0.01 ELSE price END AS "price"', 1)
        with super().ordered(wrong, order, inputs, rows) as reader:
            yield reader


def test_an_engine_that_changes_a_cent_is_caught_before_the_commit(world: World) -> None:
    plan = published(world)
    files = world.lake.live_files("orders")
    with pytest.raises(LakeError, match=r"would change rows\. Nothing was committed"):
        compact(plan, "sales", replace(world.ports, engine=Spoiling()), AT)
    assert world.lake.live_files("orders") == files
    assert sum(path.suffix == ".parquet" for path in data_folder(world)) == len(files) + 2, (
        "and the two that the cut had staged and did not use"
    )


def data_folder(world: World) -> list[Path]:
    return list(Path(urlsplit(world.lake._open("orders").metadata.location).path, "data").rglob("*"))


def test_two_at_once_lose_and_double_nothing(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    plan = published(world)
    folder = world.ports.engine._temp_dir.parent  # type: ignore[attr-defined]
    gate, told = threading.Barrier(2), []

    def one() -> None:
        with opened(folder) as mine:
            ports = replace(mine.ports, store=world.store)
            gate.wait()
            told.append(compact(plan, "sales", ports, AT))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 2
    assert sum(bool(t.tables[0].rewritten) for t in told) == 1
    live = world.lake._open("orders")
    assert pointer(world).tables["shop.x_orders"] == live.metadata.current_snapshot_id
    assert ids_in(world.lake, live.metadata.current_snapshot_id or 0) == list(range(COUNT))
    assert len(live.metadata.snapshots) == 2
