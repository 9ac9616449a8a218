"""Changes by key in live tables: once, in one snapshot a table, seen alike by us and by others; compaction folds them in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.lakes import (
    ASIDE,
    MIGRATION,
    ORDERS,
    TABLES,
    group,
    lab_connection,
    open_lake,
    orders,
    sql_connection,
    stage,
)

from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.iceberg import IcebergLake
from lakeward.domain.changes import found_sql
from lakeward.domain.file_facts import FileSet, LiveFile, StorageAccess
from lakeward.domain.identity import tag_name
from lakeward.domain.repair import Patch
from lakeward.errors import ConflictError, LakeError
from lakeward.ports import KeyedChange

CUT = "c1"


class Changes:
    """A lake with two hundred orders in two months, and changes to it."""

    def __init__(self, lake: IcebergLake, folder: Path) -> None:
        self.lake, self.folder, self.engine = lake, folder, DuckEngine(temp_dir=folder / "tmp")
        self.looks = 0
        lake.prepare(TABLES, MIGRATION)
        first = group(CUT, stage(lake, orders(200)))
        _, landed = lake.commit(first, CUT, MIGRATION)
        self.cut = {one.table: one.snapshot_id for one in landed}

    def find(self, live: FileSet, change: KeyedChange) -> pa.Table:
        """Where rows are that give way."""
        self.looks += 1
        return self.engine.table(found_sql(change.by), {"live": live, "keys": change.keys})

    def keys(self, *ids: int) -> FileSet:
        """Keys as a file."""
        path = self.folder / f"keys-{len(list(self.folder.iterdir()))}.parquet"
        pq.write_table(pa.table({"id": pa.array(ids, pa.int64())}), path)
        return FileSet((str(path),), StorageAccess(), (("id", "long"),))

    def change(self, gone: tuple[int, ...], new: pa.Table | None = None, *, emptied: bool = False) -> list[KeyedChange]:
        """What the orders get, and the quarantine nothing."""
        files = stage(self.lake, new) if new is not None else ()
        aside = FileSet((), StorageAccess(), (("cut_id", "string"),))
        return [
            KeyedChange(ORDERS, files, self.keys(*gone), ("id",), emptied),
            KeyedChange(ASIDE, (), aside, ("cut_id",)),
        ]

    def apply(self, changes: list[KeyedChange], since: int, until: int) -> dict[str, int]:
        """One batch."""
        return self.lake.apply(changes, since, until, CUT, MIGRATION, self.find)

    def prices(self, snapshot_id: int) -> dict[int, str]:
        """Every order's price, as our readers see it."""
        files = self.lake.snapshot(ORDERS, snapshot_id)
        return {
            r["id"]: str(r["price"]) for r in self.engine.table("SELECT id, price FROM t", {"t": files}).to_pylist()
        }

    def foreign(self, snapshot_id: int) -> dict[int, str]:
        """The same, as PyIceberg's own scan sees it."""
        found = self.lake._load("orders").scan(snapshot_id=snapshot_id).to_arrow().to_pylist()
        return {r["id"]: str(r["price"]) for r in found}


@pytest.fixture(params=["sql", "rest"])
def changes(request: pytest.FixtureRequest, tmp_path: Path) -> Changes:
    if request.param == "rest":
        request.getfixturevalue("lab")
        return Changes(open_lake(lab_connection()), tmp_path)
    return Changes(open_lake(sql_connection(tmp_path)), tmp_path)


def changed(ids: range, price: str = "9.99") -> pa.Table:
    """Orders with new prices."""
    new = orders(len(ids), first=ids.start, price=price)
    return new.set_column(2, new.schema.field(2), pa.array([new["price"][0]] * len(ids), pa.decimal128(12, 2)))


def test_rows_go_and_come_in_one_snapshot_that_everybody_reads_alike(changes: Changes) -> None:
    before = changes.prices(changes.cut["orders"])
    snapshots = changes.apply(changes.change((3, 50, 70, 500), changed(range(50, 51))), 10, 20)
    after = changes.prices(snapshots["orders"])
    assert after == {k: v for k, v in before.items() if k not in {3, 70}} | {50: "59.99"}
    assert changes.foreign(snapshots["orders"]) == after
    assert changes.prices(changes.cut["orders"]) == before
    state = changes.lake.state("orders")
    assert state is not None
    assert (state.rows, state.position, state.snapshot_id) == (198, 20, snapshots["orders"])
    table = changes.lake._load("orders")
    assert table.metadata.refs[tag_name(CUT)].snapshot_id == snapshots["orders"]
    assert len(table.metadata.snapshots) == 2
    assert table.current_snapshot().summary["total-position-deletes"] == "3"


def test_a_batch_lands_once_and_an_older_one_never(changes: Changes) -> None:
    work = changes.change((1,), changed(range(1, 2)))
    first = changes.apply(work, 10, 20)
    assert changes.apply(work, 10, 20) == first
    later = changes.apply(changes.change((1, 2)), 20, 30)
    with pytest.raises(ConflictError, match="past 0/14"):
        changes.apply(work, 10, 20)
    assert sorted(set(range(200)) - changes.prices(later["orders"]).keys()) == [1, 2]
    assert len(changes.lake._load("orders").metadata.snapshots) == 3


def test_dead_positions_are_not_named_again(changes: Changes) -> None:
    for n in range(3):
        snapshots = changes.apply(changes.change((7, 8), changed(range(7, 8), f"{n}.00")), n * 10 + 10, n * 10 + 20)
    state = changes.lake.state("orders")
    assert state is not None
    assert state.rows == 199
    assert len(changes.prices(snapshots["orders"])) == len(changes.foreign(snapshots["orders"])) == 199
    assert changes.foreign(snapshots["orders"])[7] == "9.00"
    assert changes.lake._load("orders").current_snapshot().summary["total-position-deletes"] == "4"


def test_a_table_that_was_emptied_holds_the_new_rows_alone(changes: Changes) -> None:
    changes.apply(changes.change((4,)), 10, 20)
    snapshots = changes.apply(changes.change((), changed(range(200, 203)), emptied=True), 20, 30)
    assert (
        sorted(changes.prices(snapshots["orders"])) == sorted(changes.foreign(snapshots["orders"])) == [200, 201, 202]
    )
    state = changes.lake.state("orders")
    assert state is not None
    assert state.rows == 3


def test_nothing_to_do_moves_the_position_and_no_rows(changes: Changes) -> None:
    snapshots = changes.apply(changes.change((12345,)), 10, 20)
    assert snapshots == changes.cut
    state = changes.lake.state("shop_quarantine")
    assert state is not None
    assert state.position == 20


def test_positions_are_looked_up_anew_when_compaction_came_between(
    changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = changes.change((5, 6), changed(range(5, 6)))
    look = changes.find

    def find(live: FileSet, change: KeyedChange) -> pa.Table:
        found = look(live, change)
        if changes.looks == 1:
            compact(changes)
        return found

    monkeypatch.setattr(changes, "find", find)
    snapshots = changes.apply(work, 10, 20)
    after = changes.prices(snapshots["orders"])
    assert (len(after), after[5], 6 in after) == (199, "14.99", False)
    assert changes.foreign(snapshots["orders"]) == after
    assert changes.looks >= 3


def compact(changes: Changes, *urls: str) -> int | None:
    """Rewrite files into one; all, or those named."""
    old = [file for file in changes.lake.live_files("orders") if not urls or file.url in urls]
    return changes.lake.replace_files("orders", old, rewritten(changes, old), CUT)


def rewritten(changes: Changes, old: list[LiveFile]) -> tuple[object, ...]:
    rows = changes.engine.table("SELECT * FROM t ORDER BY ordered_at", {"t": changes.lake.staged(ORDERS, old)})
    return stage(changes.lake, rows)


def test_compaction_folds_dead_rows_in(changes: Changes) -> None:
    for n in range(3):
        snapshots = changes.apply(changes.change((n, 40 + n), changed(range(n, n + 1))), n * 10 + 10, n * 10 + 20)
    before = changes.prices(snapshots["orders"])
    assert changes.lake.statistics("orders", 10**9).largest_delete_run == 3
    new = compact(changes)
    assert new is not None
    assert changes.prices(new) == changes.foreign(new) == before
    summary = changes.lake._load("orders").current_snapshot().summary
    assert (summary["total-position-deletes"], summary["total-records"]) == ("0", str(len(before)))
    assert [file.dead for file in changes.lake.live_files("orders")] == [0] * len(changes.lake.live_files("orders"))
    assert changes.prices(snapshots["orders"]) == before, "a reader of the older snapshot still sees it"


def test_folding_some_files_leaves_one_delete_file_a_partition_for_the_others(changes: Changes) -> None:
    for n in range(3):
        snapshots = changes.apply(changes.change((n, 160 + n)), n * 10 + 10, n * 10 + 20)
    before, files = changes.prices(snapshots["orders"]), changes.lake.live_files("orders")
    victim = max(files, key=lambda file: file.dead)
    new = compact(changes, victim.url)
    assert new is not None
    assert changes.prices(new) == changes.foreign(new) == before
    assert changes.lake.statistics("orders", 10**9).largest_delete_run == 1
    assert sum(file.dead for file in changes.lake.live_files("orders")) == 6 - victim.dead


def test_rows_that_died_while_files_were_rewritten_stay_dead(changes: Changes) -> None:
    old = list(changes.lake.live_files("orders"))
    new = rewritten(changes, old)
    snapshots = changes.apply(changes.change((9,)), 10, 20)
    assert changes.lake.replace_files("orders", old, new, CUT) is None
    assert 9 not in changes.prices(snapshots["orders"])
    assert changes.lake.state("orders").snapshot_id == snapshots["orders"]


def test_a_cut_that_changes_came_upon_is_taken_out_whole(changes: Changes) -> None:
    changes.apply(changes.change((9,)), 10, 20)
    changes.apply(changes.change((10,)), 20, 30)
    assert changes.lake.drop_batch("orders", CUT)
    state = changes.lake.state("orders")
    assert state is not None
    assert (state.rows, state.position, dict(state.batches)) == (0, 0, {})


def test_a_new_cut_replaces_dead_rows_too(changes: Changes) -> None:
    changes.apply(changes.change((9,)), 10, 20)
    _, landed = changes.lake.commit(group("c2", stage(changes.lake, orders(5))), "c2", MIGRATION)
    assert len(changes.foreign(landed[0].snapshot_id)) == len(changes.prices(landed[0].snapshot_id)) == 5


def test_whoever_exchanges_whole_files_is_told_of_dead_rows(changes: Changes) -> None:
    changes.apply(changes.change((9,)), 10, 20)
    state = changes.lake.state("orders")
    assert state is not None
    assert state.snapshot_id
    with pytest.raises(LakeError, match="delete files hide rows"):
        changes.lake.patch([Patch("orders", state.snapshot_id, (), ())], "r", CUT)


def test_the_janitor_spares_delete_files(changes: Changes) -> None:
    changes.apply(changes.change((9,)), 10, 20)
    assert changes.lake.leftovers("orders", datetime.now(UTC) + timedelta(days=1), ()) == ()
