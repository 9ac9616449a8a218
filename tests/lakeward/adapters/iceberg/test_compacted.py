"""Tables that the store compacts behind our back: other files, the same rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update import AddSnapshotUpdate
from tests.lakes import MIGRATION, batch, ids_in, orders, stage

from lakeward.adapters.iceberg import IcebergLake, change
from lakeward.adapters.iceberg.files import data_files
from lakeward.adapters.iceberg.read import live_entries
from lakeward.errors import LakeError


def compact(lake: IcebergLake, count: int) -> int:
    """What a store does: the same rows in new files, by a ``replace`` snapshot; its id."""
    live = lake._open("orders")
    files = data_files(live, stage(lake, orders(count)))
    made = change.replace_rows(live, live_entries(live, live.current_snapshot()), files, {})
    add = made.updates[0]
    assert isinstance(add, AddSnapshotUpdate)
    summary = Summary(Operation.REPLACE, **add.snapshot.summary.additional_properties)
    snapshot = add.snapshot.model_copy(update={"summary": summary})
    change.commit_one(lake._catalog, replace(made, updates=(AddSnapshotUpdate(snapshot=snapshot), *made.updates[1:])))
    assert lake._open("orders").current_snapshot().summary.operation is Operation.REPLACE
    return made.snapshot_id


def land(lake: IcebergLake, cut: str, count: int) -> int:
    files = stage(lake, orders(count // 2)) + stage(lake, orders(count - count // 2, first=count // 2))
    return lake.commit([batch(cut, files)], cut, MIGRATION)[1][0].snapshot_id


def test_the_pinned_snapshot_stays_and_the_batch_is_still_known(lake: IcebergLake) -> None:
    files = stage(lake, orders(20)) + stage(lake, orders(20, first=20))
    commits = [batch("c1", files)]
    _, (first,) = lake.commit(commits, "c1", MIGRATION)
    compact(lake, 40)
    assert ids_in(lake, first.snapshot_id) == list(range(40))
    assert (lake.statistics("orders", 10**6, first.snapshot_id).files, lake.statistics("orders", 10**6).files) == (2, 1)
    assert lake.commit(commits, "c1", MIGRATION)[1] == (replace(first, already=True),)


def test_a_second_cut_replaces_compacted_rows(lake: IcebergLake) -> None:
    land(lake, "c1", 40)
    compact(lake, 40)
    compact(lake, 40)
    assert ids_in(lake, land(lake, "c2", 6)) == list(range(6))


def test_a_second_cut_replaces_compacted_rows_whose_history_was_expired(lake: IcebergLake) -> None:
    land(lake, "c1", 40)
    between = compact(lake, 40)
    compact(lake, 40)
    lake._open("orders").maintenance.expire_snapshots().by_id(between).commit()
    assert lake._open("orders").snapshot_by_id(between) is None
    assert ids_in(lake, land(lake, "c2", 6)) == list(range(6))


def test_other_rows_under_compaction_are_never_replaced(lake: IcebergLake) -> None:
    land(lake, "c1", 40)
    live = lake._open("orders")
    stranger = change.replace_rows(
        live, live_entries(live, live.current_snapshot()), data_files(live, stage(lake, orders(7))), {}
    )
    change.commit_one(lake._catalog, stranger)
    compact(lake, 7)
    with pytest.raises(LakeError, match="holds 7 rows that no batch"):
        land(lake, "c2", 6)


def test_a_compacted_cut_can_be_taken_out(lake: IcebergLake) -> None:
    first = land(lake, "c1", 40)
    land(lake, "c2", 6)
    compact(lake, 6)
    assert lake.drop_batch("orders", "c2")
    state = lake.state("orders")
    assert state
    assert (state.snapshot_id, state.rows) == (first, 40)


def test_taking_a_cut_out_gives_a_compacted_one_back(lake: IcebergLake) -> None:
    land(lake, "c1", 40)
    compacted = compact(lake, 40)
    before = lake.state("orders")
    land(lake, "c2", 6)
    assert lake.drop_batch("orders", "c2")
    assert lake.state("orders") == before
    assert before
    assert before.snapshot_id == compacted
    assert ids_in(lake, land(lake, "c3", 4)) == list(range(4))
