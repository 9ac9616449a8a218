"""Tables follow what their plans let them be given: ids stay, files stay, and what was written before is read beside what comes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import Table
from tests.lakes import ASIDE, MIGRATION, ORDERS, batch, column, open_lake, orders, read, stage

from lakeward.adapters.connections import Connection
from lakeward.adapters.iceberg import IcebergLake
from lakeward.domain.evolving import evolve
from lakeward.errors import LakeError, UnsupportedError
from lakeward.spec.models import DriftSpec

SMALL = replace(
    ORDERS,
    columns=(column("id", "int", required=True), *ORDERS.columns[1:3], column("note", "string", required=True)),
)
WIDE = replace(
    ORDERS,
    columns=(
        *ORDERS.columns[:2],
        column("price", "decimal(20,2)"),
        column("note", "string"),
        column("shop", "string", required=True),
    ),
)
POLICY = DriftSpec(added="evolve", widened="evolve", dropped="evolve")


@pytest.fixture
def small(connection: Connection) -> IcebergLake:
    """A table as it was at first, with rows in it."""
    lake = open_lake(connection)
    lake.prepare((SMALL, ASIDE), MIGRATION)
    rows = orders(8)
    rows = rows.set_column(0, "id", rows["id"].cast(pa.int32())).set_column(3, "note", pa.array(["n"] * 8))
    lake.commit([batch("c1", stage(lake, rows, SMALL), SMALL)], "c1", MIGRATION)
    return lake


def test_old_and_new_files_are_read_as_one(small: IcebergLake) -> None:
    live = small.live("orders")
    assert live
    evolved = evolve(WIDE, live, POLICY)
    assert evolved.held == ()
    assert [c.required for c in evolved.table.columns] == [True, False, False, False, False]
    assert small.differences((evolved.table,), MIGRATION) == ()
    with pytest.raises(LakeError, match="was altered"):
        small.commit([batch("c2", (), evolved.table)], "c2", MIGRATION)
    assert len(small.prepare((evolved.table,), MIGRATION)) == 4
    assert small.prepare((evolved.table,), MIGRATION) == ()
    assert [(f.field_id, f.name, str(f.field_type)) for f in small._open("orders").schema().fields] == [
        (1, "id", "long"),
        (2, "ordered_at", "timestamptz"),
        (3, "price", "decimal(20, 2)"),
        (4, "note", "string"),
        (5, "shop", "string"),
    ]
    pin = small.state("orders").snapshot_id  # type: ignore[union-attr]
    old = read(small, pin, "SELECT count(*) AS n, sum(price) AS p, count(shop) AS s FROM t", evolved.table)  # type: ignore[arg-type]
    assert old == [{"n": 8, "p": Decimal("38.00"), "s": 0}]

    rows = orders(4).append_column("shop", pa.array(["a"] * 4))
    rows = rows.set_column(0, "id", pa.array(range(2**33, 2**33 + 4), pa.int64()))
    rows = rows.set_column(2, "price", pa.array([Decimal("123456789012345678.25")] * 4, pa.decimal128(20, 2)))
    both = (
        *small.staged(evolved.table, stage(small, rows, evolved.table)).urls,
        *small.snapshot(evolved.table, pin).urls,
    )  # type: ignore[arg-type]
    files = replace(small.snapshot(evolved.table, pin), urls=both)  # type: ignore[arg-type]
    assert [len(set(files.ids)), len(files.urls)] == [5, 2]
    small.snapshot = lambda *_: files  # type: ignore[method-assign]
    found = read(small, 0, "SELECT shop, count(*) AS n, max(id) AS i, max(price) AS p FROM t GROUP BY ALL ORDER BY ALL")
    assert found == [
        {"shop": "a", "n": 4, "i": 2**33 + 3, "p": Decimal("123456789012345678.25")},
        {"shop": None, "n": 8, "i": 7, "p": Decimal("8.25")},
    ]


def test_what_the_source_has_lost_stays_and_may_come_back(small: IcebergLake) -> None:
    fewer = replace(SMALL, columns=SMALL.columns[:3])

    def now(wanted: DriftSpec = POLICY, table=fewer):  # type: ignore[no-untyped-def]
        live = small.live("orders")
        assert live
        return evolve(table, live, wanted)

    gone = now()
    assert small.prepare((gone.table,), MIGRATION) == (
        "orders: column 'note' is string, no longer at the source",
        "orders: column 'note' may be null",
    )
    assert now(DriftSpec(added="evolve")).held[0].startswith("column 'note' (string) is gone")
    other = replace(fewer, columns=(*fewer.columns, column("remark", "string")))
    assert now(table=other).held == (), "the one that came later is not taken for it"
    back = now(table=SMALL)
    assert back.table.drift == ("column 'note' (string) is back and carried from this run on",)
    small.prepare((back.table,), MIGRATION)
    assert now(table=SMALL).table.drift == ()


def test_several_workers_evolve_a_table_once(small: IcebergLake, connection: Connection) -> None:
    table = evolve(WIDE, small.live("orders"), POLICY).table  # type: ignore[arg-type]
    lakes = [open_lake(connection, small._namespace) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda lake: lake.prepare((table,), MIGRATION), lakes))
    assert small.differences((replace(table, evolve=()),), MIGRATION) == ()
    assert sorted(f.field_id for f in small._open("orders").schema().fields) == [1, 2, 3, 4, 5]


def test_an_answer_that_never_came_is_learned_from_the_table(
    small: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, asked = evolve(WIDE, small.live("orders"), POLICY).table, []  # type: ignore[arg-type,var-annotated]
    commit = Table._do_commit

    def lost(self: Table, updates: object, requirements: object) -> None:
        asked.append(updates)
        commit(self, updates, requirements)  # type: ignore[arg-type]
        raise CommitStateUnknownException("gone")

    monkeypatch.setattr(Table, "_do_commit", lost)
    assert len(small.prepare((table,), MIGRATION)) == 4
    assert len(asked) == 1


def test_tables_with_adopted_files_do_not_evolve(small: IcebergLake) -> None:
    with small._open("orders").transaction() as change:
        change.set_properties({"lakeward.adopted": "true"})
    with pytest.raises(UnsupportedError, match="without field ids"):
        small.prepare((evolve(WIDE, small.live("orders"), POLICY).table,), MIGRATION)  # type: ignore[arg-type]
