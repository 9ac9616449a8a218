"""Tables that hold several windows: each is replaced by itself, in one commit, and lands once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.lakes import ASIDE, MIGRATION, ORDERS, batch, group, ids_in, orders, read, stage

from lakeward.adapters.iceberg import IcebergLake
from lakeward.adapters.iceberg.read import WINDOWS
from lakeward.domain.facts import LakeTable
from lakeward.domain.file_facts import StagedFile
from lakeward.domain.identity import WHOLE
from lakeward.domain.windows import token
from lakeward.errors import LakeError
from lakeward.ports import TableCommit, silent

JAN, FEB, MAR = "2024-01-01/2024-02-01", "2024-02-01/2024-03-01", "2024-03-01/2024-04-01"


def staged(lake: IcebergLake, window: str, first: int, count: int = 5) -> tuple[StagedFile, ...]:
    rows = orders(count, first=first)
    return lake.write(ORDERS, rows.to_reader(), f"{token(window)}try", silent)


def window(cut: str, name: str, files: tuple[StagedFile, ...], table: LakeTable = ORDERS) -> TableCommit:
    return replace(batch(cut, files, table), window=name)


def land(lake: IcebergLake, cut: str, name: str, first: int, count: int = 5) -> int:
    files = staged(lake, name, first, count) if count else ()
    _, (landed,) = lake.commit([window(cut, name, files)], cut, MIGRATION)
    return landed.snapshot_id


def test_windows_stand_beside_each_other_and_the_record_stays_small(lake: IcebergLake) -> None:
    land(lake, "c1", MAR, 300)
    land(lake, "c2", JAN, 100)
    last = land(lake, "c3", FEB, 200)
    assert ids_in(lake, last) == [*range(100, 105), *range(200, 205), *range(300, 305)]
    properties = lake._open("orders").properties
    assert properties[WINDOWS] == "2024-01-01/2024-04-01"
    assert [name for name in properties if name.startswith("lakeward.window.")] == [f"lakeward.window.{FEB}"]


def test_a_window_that_is_read_again_replaces_its_own_rows_only(lake: IcebergLake) -> None:
    land(lake, "c1", JAN, 100)
    before = land(lake, "c2", FEB, 200)
    last = land(lake, "c3", JAN, 150, 3)
    assert ids_in(lake, last) == [*range(150, 153), *range(200, 205)]
    assert ids_in(lake, before) == [*range(100, 105), *range(200, 205)]
    summary = lake._open("orders").snapshot_by_id(last).summary
    assert summary is not None
    assert (summary["added-records"], summary["deleted-records"], summary["total-records"]) == ("3", "5", "8")
    empty = land(lake, "c4", JAN, 0, 0)
    assert ids_in(lake, empty) == list(range(200, 205))


def test_a_batch_lands_once_though_others_came_after_it(lake: IcebergLake) -> None:
    files = staged(lake, JAN, 100)
    _, (first,) = lake.commit([window("c1", JAN, files)], "c1", MIGRATION)
    land(lake, "c2", FEB, 200)
    before = lake._open("orders").metadata
    _, (again,) = lake.commit([window("c1", JAN, files)], "c1", MIGRATION)
    assert (again.already, again.snapshot_id) == (True, first.snapshot_id)
    assert lake._open("orders").metadata == before


def test_a_cut_whose_window_was_read_again_never_comes_back(lake: IcebergLake) -> None:
    files = staged(lake, JAN, 100)
    lake.commit([window("c1", JAN, files)], "c1", MIGRATION)
    land(lake, "c2", JAN, 150)
    land(lake, "c3", FEB, 200)
    with pytest.raises(LakeError, match="cut c1 landed before"):
        lake.commit([window("c1", JAN, files)], "c1", MIGRATION)


def test_files_beside_a_window_make_way_with_it(lake: IcebergLake) -> None:
    def aside(cut: str, name: str, whole: int, own: int) -> int:
        files: tuple[StagedFile, ...] = ()
        for of, count in ((WHOLE, whole), (name, own)):
            rows = orders(count).select(["note"]).rename_columns(["raw"]).append_column("cut_id", [[cut] * count])
            files += lake.write(ASIDE, rows.select(["cut_id", "raw"]).to_reader(), f"{token(of)}try", silent)
        commit = replace(window(cut, name, files, ASIDE), beside=(WHOLE,))
        return lake.commit([commit], cut, MIGRATION)[1][0].snapshot_id

    aside("c1", JAN, 2, 1)
    last = aside("c2", FEB, 3, 1)
    found = read(lake, last, "SELECT cut_id, count(*) AS n FROM t GROUP BY 1 ORDER BY 1", ASIDE)
    assert found == [{"cut_id": "c1", "n": 1}, {"cut_id": "c2", "n": 4}]


def test_what_a_window_would_double_is_refused(lake: IcebergLake) -> None:
    with pytest.raises(LakeError, match="does not tell that it belongs to window"):
        lake.commit([window("c1", JAN, stage(lake, orders(3)))], "c1", MIGRATION)
    lake.commit(group("c1", stage(lake, orders(3))), "c1", MIGRATION)
    with pytest.raises(LakeError, match="holds a cut of the whole table"):
        land(lake, "c2", JAN, 100)


def test_files_that_the_store_has_mixed_are_noticed_before_a_window_is_read_again(lake: IcebergLake) -> None:
    land(lake, "c1", JAN, 100)
    land(lake, "c2", FEB, 200)
    old = lake.live_files("orders")
    mixed = stage(lake, orders(105, first=100).take([*range(5), *range(100, 105)]))
    assert lake.replace_files("orders", old, mixed, "c2") is not None
    last = land(lake, "c3", MAR, 300)  # one that comes for the first time is no problem
    assert len(ids_in(lake, last)) == 15
    with pytest.raises(LakeError, match="which of their rows are the window's can't be told"):
        land(lake, "c4", JAN, 100)
