"""Patches of live tables: once for each repair, whatever the catalog answers, and only onto the rows that they were made for."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tests.fault_proxy import Faults, fault_proxy
from tests.lakes import (
    ASIDE,
    MIGRATION,
    ORDERS,
    TABLES,
    group,
    ids_in,
    lab_connection,
    open_lake,
    orders,
    stage,
)

from lakeward.adapters.connections import from_environment
from lakeward.adapters.iceberg import IcebergLake
from lakeward.adapters.iceberg.read import readable
from lakeward.domain.repair import Patch
from lakeward.errors import ConflictError

pytestmark = pytest.mark.usefixtures("lab")
ONE_ASIDE = pa.table({"cut_id": ["c1"], "raw": ["{}"]})


def published(lake: IcebergLake) -> dict[str, int]:
    """Thirty orders, nothing set aside; table to snapshot."""
    lake.prepare(TABLES, MIGRATION)
    _, landed = lake.commit(group("c1", stage(lake, orders(30))), "c1", MIGRATION)
    return {one.table: one.snapshot_id for one in landed}


def patches(lake: IcebergLake, base: dict[str, int]) -> list[Patch]:
    """The file with the first orders gives way to one with other ids; one row is set aside."""
    first = sorted(lake.live_files("orders"), key=lambda file: file.partition)[0]
    new = stage(lake, orders(first.rows, price="9.00"))
    return [
        Patch("orders", base["orders"], (readable(first.url),), new),
        Patch(ASIDE.name, base[ASIDE.name], (), stage(lake, ONE_ASIDE, ASIDE)),
    ]


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("fault", ["409 before", "503 before", "504 after", "torn before", "torn after", "twice"])
def test_whatever_the_answer_a_repair_lands_once(fault: str, mode: str) -> None:
    direct = open_lake(lab_connection())
    base = published(direct)
    asked = patches(direct, base)
    with fault_proxy(from_environment("lakehouse").host, fault) as faults:
        lake = open_lake(lab_connection(host=faults.url, multi_table_commit=mode), direct._namespace)
        landed = lake.patch(asked, "r1", "c1")
        check(direct, landed, base, faults)
        assert lake.patch(asked, "r1", "c1") == landed, "again changes nothing"
        lake.close()
    for table in TABLES:
        assert direct.drop_batch(table.name, "c1"), "taken out with its repairs"
        assert direct._open(table.name).properties.get("lakeward.window.all") is None
    direct.close()


def check(direct: IcebergLake, landed: dict[str, int], base: dict[str, int], faults: Faults) -> None:
    for table in TABLES:
        live = direct._open(table.name)
        assert [s.snapshot_id for s in live.metadata.snapshots] == [base[table.name], landed[table.name]]
        assert live.metadata.refs["cut_c1"].snapshot_id == landed[table.name] == live.metadata.current_snapshot_id
        assert live.properties["lakeward.window.all"].endswith(f":{landed[table.name]}")
        state = direct.state(table.name)
        assert state
        assert state.repair == "r1"
    assert ids_in(direct, landed["orders"]) == list(range(30))
    again, committed = direct.commit(group("c1", stage(direct, orders(30))), "c1", MIGRATION)
    assert {c.table: (c.snapshot_id, c.already) for c in committed} == {name: (landed[name], True) for name in landed}
    assert again is (direct._open("orders").current_snapshot().summary["lakeward.tables-in-commit"] == "2")  # type: ignore[union-attr,index]
    assert faults.met >= 1


def test_of_two_repairs_of_the_same_rows_one_lands() -> None:
    lake = open_lake(lab_connection())
    base = published(lake)
    first, second = patches(lake, base), patches(lake, base)
    landed = lake.patch(first, "r1", "c1")
    with pytest.raises(ConflictError, match="has other rows or files"):
        lake.patch(second, "r2", "c1")
    state = lake.state(ORDERS.name)
    assert state
    assert (state.snapshot_id, state.repair) == (landed["orders"], "r1")
    lake.close()


def test_a_table_that_others_have_changed_is_left_out_once_another_one_has_landed() -> None:
    lake = open_lake(lab_connection(multi_table_commit="off"))
    base = published(lake)
    asked = patches(lake, base)
    lake.patch(asked[:1], "r1", "c1")  # a process that died between two tables
    lake.patch(patches(lake, base)[1:], "r2", "c1")
    assert set(lake.patch(asked, "r1", "c1")) == {"orders"}
    lake.close()
