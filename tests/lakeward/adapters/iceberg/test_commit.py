from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pytest
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder
from pyiceberg.transforms import BucketTransform, IdentityTransform
from pyiceberg.types import LongType
from tests.lakes import (
    ASIDE,
    MIGRATION,
    ORDERS,
    TABLES,
    batch,
    changed_in_place,
    group,
    ids_in,
    lab_connection,
    open_lake,
    orders,
    sql_connection,
    stage,
)

from lakeward.adapters.connections import Connection
from lakeward.adapters.iceberg import IcebergLake, properties_from
from lakeward.domain.facts import LakeTable
from lakeward.domain.identity import batch_id
from lakeward.errors import LakeError, LakewardError, SpecError


def test_a_group_lands_tagged_and_recorded_empty_tables_too(lake: IcebergLake) -> None:
    multi, landed = lake.commit(group("c1", stage(lake, orders(300))), "c1", MIGRATION)
    assert multi is (lake.check()["multi_table_commit"] == "yes")
    assert [(c.table, c.rows, c.already) for c in landed] == [("orders", 300, False), ("shop_quarantine", 0, False)]
    for one in landed:
        live = lake._open(one.table)
        assert live.metadata.refs["cut_c1"].snapshot_id == one.snapshot_id == live.metadata.current_snapshot_id
        assert live.properties["lakeward.window.all"] == f"{batch_id('c1', one.table)}:{one.snapshot_id}"
        summary = live.snapshot_by_id(one.snapshot_id).summary
        assert (summary["lakeward.cut-id"], summary["lakeward.batch-id"], summary["lakeward.migration"]) == (
            "c1",
            one.batch_id,
            MIGRATION,
        )
        assert summary["total-records"] == str(one.rows)
    state = lake.state("orders")
    assert state
    assert (state.rows, state.files, dict(state.batches)) == (300, 3, {"all": batch_id("c1", "orders")})
    assert lake.snapshot(ASIDE, landed[1].snapshot_id).urls == ()


def test_the_same_batch_again_changes_nothing(lake: IcebergLake) -> None:
    commits = group("c1", stage(lake, orders(30)))
    multi, first = lake.commit(commits, "c1", MIGRATION)
    before = [lake._open(c.table).metadata for c in commits]
    again_multi, again = lake.commit(commits, "c1", MIGRATION)
    assert again == tuple(replace(c, already=True) for c in first)
    assert again_multi is multi
    assert [lake._open(c.table).metadata for c in commits] == before


def test_a_second_cut_replaces_the_rows_and_the_first_stays_pinned(lake: IcebergLake) -> None:
    _, (first, _) = lake.commit(group("c1", stage(lake, orders(300))), "c1", MIGRATION)
    _, (second, aside) = lake.commit(group("c2", stage(lake, orders(40, first=1000))), "c2", MIGRATION)
    assert ids_in(lake, second.snapshot_id) == list(range(1000, 1040))
    assert ids_in(lake, first.snapshot_id) == list(range(300))
    summary = lake._open("orders").snapshot_by_id(second.snapshot_id).summary
    assert (
        summary["added-records"],
        summary["deleted-records"],
        summary["total-records"],
        summary["total-data-files"],
    ) == (
        "40",
        "300",
        "40",
        "1",
    )
    assert lake._open("orders").scan().to_arrow().num_rows == 40
    assert lake.snapshot(ASIDE, aside.snapshot_id).urls == ()


def test_a_cut_without_rows_empties_the_table(lake: IcebergLake) -> None:
    lake.commit(group("c1", stage(lake, orders(300))), "c1", MIGRATION)
    _, (second, _) = lake.commit(group("c2", ()), "c2", MIGRATION)
    assert ids_in(lake, second.snapshot_id) == []
    state = lake.state("orders")
    assert state
    assert (state.rows, state.files) == (0, 0)


def test_an_old_cut_never_replaces_a_newer_one(lake: IcebergLake) -> None:
    old = group("c1", stage(lake, orders(3)))
    lake.commit(old, "c1", MIGRATION)
    lake.commit(group("c2", stage(lake, orders(4))), "c2", MIGRATION)
    with pytest.raises(LakeError, match="cut c1 landed before"):
        lake.commit(old, "c1", MIGRATION)
    state = lake.state("orders")
    assert state
    assert state.rows == 4


@pytest.mark.parametrize("first_cut", [True, False], ids=["first cut", "second cut"])
def test_of_two_workers_one_lands_and_both_are_told_the_same(
    lake: IcebergLake, connection: Connection, first_cut: bool
) -> None:
    if not first_cut:
        lake.commit(group("c0", stage(lake, orders(9))), "c0", MIGRATION)
    commits = group("c1", stage(lake, orders(300)))
    workers = [open_lake(connection, lake._namespace) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda worker: worker.commit(commits, "c1", MIGRATION), workers))
    assert len({tuple(replace(c, already=True) for c in committed) for _, committed in told}) == 1
    for n, one in enumerate(commits):
        assert [committed[n].already for _, committed in told].count(False) == 1
        live = lake._open(one.table)
        assert len(live.metadata.snapshots) == (1 if first_cut else 2)
    assert ids_in(lake, told[0][1][0].snapshot_id) == list(range(300))
    for worker in workers:
        worker.close()


def test_two_cuts_at_once_both_land_whole_one_after_the_other(lake: IcebergLake, connection: Connection) -> None:
    other = open_lake(connection, lake._namespace)
    cuts = {"c1": (lake, stage(lake, orders(10))), "c2": (other, stage(other, orders(20)))}
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda cut: cuts[cut][0].commit(group(cut, cuts[cut][1]), cut, MIGRATION), cuts))
    assert [len(ids_in(lake, committed[0].snapshot_id)) for _, committed in told] == [10, 20]
    live = lake._open("orders")
    assert len(live.metadata.snapshots) == 2
    assert live.scan().to_arrow().num_rows in {10, 20}
    other.close()


def test_a_commit_that_stopped_between_tables_is_finished(tmp_path: object, lake: IcebergLake) -> None:
    files = stage(lake, orders(30))
    _, (first,) = lake.commit([batch("c1", files)], "c1", MIGRATION)
    multi, (orders_, aside) = lake.commit(group("c1", files), "c1", MIGRATION)
    assert multi is False
    assert (orders_.already, aside.already) == (True, False)
    assert orders_.snapshot_id == first.snapshot_id


def _append_as_somebody_else(lake: IcebergLake, table: LakeTable) -> None:
    live = lake._open(table.name)
    live.append(pa.table({"cut_id": ["x"] * 5, "raw": ["y"] * 5}).cast(live.schema().as_arrow()))


def test_rows_of_somebody_else_are_never_replaced(lake: IcebergLake) -> None:
    _append_as_somebody_else(lake, ASIDE)
    with pytest.raises(LakeError, match="holds 5 rows that no batch of lakeward recorded"):
        lake.commit(group("c1", stage(lake, orders(30))), "c1", MIGRATION)
    assert lake._open("orders").metadata.snapshots == []


def test_rows_that_somebody_added_after_a_cut_are_never_replaced(lake: IcebergLake) -> None:
    rows = pa.table({"cut_id": ["c1"] * 3, "raw": ["z"] * 3})
    lake.commit([batch("c1", stage(lake, rows, ASIDE), ASIDE)], "c1", MIGRATION)
    _append_as_somebody_else(lake, ASIDE)
    with pytest.raises(LakeError, match="holds 8 rows that no batch"):
        lake.commit([batch("c2", (), ASIDE)], "c2", MIGRATION)


def test_files_that_are_gone_or_changed_are_refused_before_anything_lands(lake: IcebergLake) -> None:
    good, gone = stage(lake, orders(3)), stage(lake, orders(3))
    lake.unstage(gone)
    with pytest.raises(LakeError, match="is gone"):
        lake.commit(group("c1", gone), "c1", MIGRATION)
    with pytest.raises(LakeError, match="holds 3 rows, 4 were staged"):
        lake.commit(group("c1", (replace(good[0], rows=4),)), "c1", MIGRATION)
    with pytest.raises(LakeError, match="named twice"):
        lake.commit(group("c1", good * 2), "c1", MIGRATION)
    assert [lake._open(table.name).metadata.snapshots for table in TABLES] == [[], []]


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "was changed since it was staged"), (b"PAR1", "is no Parquet file")]
)
def test_a_staged_file_that_was_changed_in_its_place_is_refused(lake: IcebergLake, content: bytes, said: str) -> None:
    """As many rows as before, and one cent more in one of them."""
    files = stage(lake, orders(300))
    io = lake._open("orders").io
    changed_in_place(io, files[0].url, "price", lambda price: price + Decimal("0.01"), content)
    with pytest.raises(LakeError, match=said) as told:
        lake.commit(group("c1", files), "c1", MIGRATION)
    assert files[0].url in told.value.what
    assert "Nothing was committed" in told.value.what
    assert lake._open("orders").metadata.snapshots == []


@pytest.mark.usefixtures("lab")
def test_multi_table_commit_can_be_switched_off() -> None:
    lake = open_lake(lab_connection(multi_table_commit="off"))
    lake.prepare(TABLES, MIGRATION)
    multi, landed = lake.commit(group("c1", stage(lake, orders(30))), "c1", MIGRATION)
    assert (multi, len(landed)) == (False, 2)
    assert lake.commit(group("c1", ()), "c1", MIGRATION)[0] is False
    lake.close()


def test_multi_table_commit_can_be_required(tmp_path: object) -> None:
    lake = open_lake(sql_connection(tmp_path, multi_table_commit="required"))  # type: ignore[arg-type]
    lake.prepare(TABLES, MIGRATION)
    with pytest.raises(LakeError, match="has no multi-table commit"):
        lake.commit(group("c1", stage(lake, orders(3))), "c1", MIGRATION)
    assert lake._open("orders").metadata.snapshots == []
    lake.close()


def test_an_unknown_mode_is_refused(tmp_path: object) -> None:
    with pytest.raises(SpecError, match="auto, required, off"):
        IcebergLake(properties_from(sql_connection(tmp_path, multi_table_commit="yes")), "n")  # type: ignore[arg-type]


def test_a_table_that_was_not_prepared_is_an_error_with_what_to_do(connection: Connection) -> None:
    lake = open_lake(connection)
    lake.prepare([ASIDE], MIGRATION)
    with pytest.raises(LakewardError, match="Run the prepare step first"):
        lake.commit([batch("c1", ())], "c1", MIGRATION)
    with pytest.raises(LakewardError, match="Run the prepare step first"):
        stage(lake, orders(1), ORDERS)
    lake.close()


def test_a_table_that_others_altered_since_it_was_prepared_is_refused_with_what_differs(lake: IcebergLake) -> None:
    files = stage(lake, orders(3))
    live = lake._open("orders")
    with live.update_spec() as spec:
        spec.add_field("id", BucketTransform(4), "id_bucket")
    with live.update_sort_order() as order:
        order.desc("price", IdentityTransform(), NullOrder.NULLS_LAST)
    with live.update_schema() as schema:
        schema.add_column("theirs", LongType())
    with pytest.raises(LakeError) as told:
        lake.commit(group("c1", files), "c1", MIGRATION)
    said = told.value.what
    assert "column 'theirs' is not in the plan" in said
    assert "partitioned by month(ordered_at), bucket[4](id), expected month(ordered_at)" in said
    assert "sorted by price desc nulls-last, expected ordered_at asc nulls-first" in said
    assert "Find out who did that" in told.value.todo
    assert [lake._open(table.name).metadata.snapshots for table in TABLES] == [[], []]


def test_a_table_that_was_altered_after_its_batch_landed_is_left_alone(lake: IcebergLake) -> None:
    files = stage(lake, orders(3))
    lake.commit(group("c1", files), "c1", MIGRATION)
    with lake._open("orders").update_schema() as schema:
        schema.add_column("theirs", LongType())
    assert all(one.already for one in lake.commit(group("c1", files), "c1", MIGRATION)[1])


def test_a_table_that_was_dropped_since_it_was_prepared_and_made_anew(lake: IcebergLake) -> None:
    """Some catalogs delete the files with the table; where they don't, files whose columns have other ids would be read wrongly."""
    files = stage(lake, orders(3))
    theirs = Schema(*reversed(lake._open("orders").schema().fields))
    lake._catalog.drop_table(lake.qualified("orders"))
    with pytest.raises(LakeError, match="has no such table") as told:
        lake.commit(group("c1", files), "c1", MIGRATION)
    assert "prepare" in told.value.todo
    lake._catalog.create_table(lake.qualified("orders"), theirs)
    with pytest.raises(LakeError, match="dropped and created anew, since it was prepared: partitioned by nothing"):
        lake.commit(group("c1", files), "c1", MIGRATION)
    lake._catalog.drop_table(lake.qualified("orders"))
    swapped = replace(ORDERS, columns=ORDERS.columns[::-1])
    lake.prepare([swapped], MIGRATION)
    with pytest.raises(
        LakeError, match=r"other field ids than the table in id, ordered_at, price, note|is gone"
    ) as told:
        lake.commit(group("c1", files), "c1", MIGRATION)
    assert "new cut" in told.value.todo
    assert lake._open("orders").metadata.snapshots == []
    lake._catalog.drop_table(lake.qualified("orders"))
    lake.prepare([ORDERS], MIGRATION)
    _, landed = lake.commit(group("c1", stage(lake, orders(3))), "c1", MIGRATION)
    assert ids_in(lake, landed[0].snapshot_id) == [0, 1, 2]
