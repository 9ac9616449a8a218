from __future__ import annotations

import pytest
from tests.lakes import ASIDE, MIGRATION, ORDERS, batch, group, ids_in, orders, stage

from lakeward.adapters.iceberg import IcebergLake
from lakeward.domain.file_facts import StagedFile
from lakeward.domain.identity import batch_id
from lakeward.errors import LakeError


def test_the_first_cut_taken_out_leaves_an_empty_table_that_can_take_it_again(lake: IcebergLake) -> None:
    commits = group("c1", stage(lake, orders(300)))
    lake.commit(commits, "c1", MIGRATION)
    assert [lake.drop_batch(c.table, "c1") for c in commits] == [True, True]
    state = lake.state("orders")
    assert state
    assert (state.rows, dict(state.batches)) == (0, {})
    assert set(lake._open("orders").metadata.refs) == {"main"}
    _, again = lake.commit(commits, "c1", MIGRATION)
    assert [c.already for c in again] == [False, False]
    assert ids_in(lake, again[0].snapshot_id) == list(range(300))


def test_the_second_cut_taken_out_gives_the_first_back(lake: IcebergLake) -> None:
    lake.commit(group("c1", stage(lake, orders(300))), "c1", MIGRATION)
    before = lake.state("orders")
    lake.commit(group("c2", stage(lake, orders(5))), "c2", MIGRATION)
    assert lake.drop_batch("orders", "c2")
    assert lake.state("orders") == before
    assert before
    assert before.batches == {"all": batch_id("c1", "orders")}
    assert not lake.drop_batch("orders", "c2")
    _, (third,) = lake.commit([batch("c3", stage(lake, orders(7)))], "c3", MIGRATION)
    assert ids_in(lake, third.snapshot_id) == list(range(7))


def test_a_cut_that_was_replaced_or_never_landed_is_not_taken_out(lake: IcebergLake) -> None:
    assert not lake.drop_batch("orders", "c1")
    lake.commit(group("c1", stage(lake, orders(3))), "c1", MIGRATION)
    _, (second, _) = lake.commit(group("c2", stage(lake, orders(5))), "c2", MIGRATION)
    assert not lake.drop_batch("orders", "c1")
    assert ids_in(lake, second.snapshot_id) == list(range(5))


def test_unstage_deletes_only_what_no_snapshot_names(lake: IcebergLake) -> None:
    kept, gone = stage(lake, orders(300)), stage(lake, orders(300))
    _, (first, _) = lake.commit(group("c1", kept), "c1", MIGRATION)
    lake.commit(group("c2", ()), "c2", MIGRATION)
    lake.unstage([*kept, *gone])
    lake.unstage(gone)
    assert ids_in(lake, first.snapshot_id) == list(range(300))
    with pytest.raises(LakeError, match="is gone"):
        lake.commit([batch("c3", gone)], "c3", MIGRATION)


def test_a_file_outside_every_table_is_not_deleted(lake: IcebergLake) -> None:
    with pytest.raises(LakeError, match="belongs to no table"):
        lake.unstage([StagedFile("s3://elsewhere/data/x.parquet", 1, 1, "")])


def test_statistics_count_small_files_by_partition(lake: IcebergLake) -> None:
    files = stage(lake, orders(300)) + stage(lake, orders(100, first=300))
    _, (first, _) = lake.commit(group("c1", files), "c1", MIGRATION)
    found = lake.statistics("orders", 1_000_000)
    assert (found.files, found.small_files, found.largest_small_run) == (5, 5, 2)
    assert found.bytes == sum(file.bytes for file in files)
    lake.commit(group("c2", ()), "c2", MIGRATION)
    assert lake.statistics("orders", 1_000_000).files == 0
    assert lake.statistics("orders", 1, first.snapshot_id).small_files == 0
    assert lake.statistics(ASIDE.name, 1_000_000).files == 0


def test_a_snapshot_that_is_gone_is_an_error(lake: IcebergLake) -> None:
    with pytest.raises(LakeError, match="no longer has snapshot 77"):
        lake.snapshot(ORDERS, 77)


def test_no_table_has_no_state(lake: IcebergLake) -> None:
    assert lake.state("nothing") is None
