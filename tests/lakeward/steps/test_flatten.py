"""The flatten step on a real catalog and lake: what is staged, what is set aside, what follows, and what is left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import cast
from uuid import uuid4

import psycopg
import pyarrow as pa
import pytest
from flatten_world import GOOD, World, world
from tests.chain import Chain

from lakeward.domain.facts import LakeTable
from lakeward.domain.file_facts import Staged, StagedFile
from lakeward.errors import DataError, LakeError, LakewardError
from lakeward.lab import Lab
from lakeward.ports import Lake, Progress
from lakeward.steps.artifacts import find_staged, read_plan


def changed(table: str, position: int, row: tuple[object, ...]) -> dict[str, Sequence[tuple[object, ...]]]:
    rows = list(GOOD[table])
    rows[position] = row
    return {table: rows}


def test_good_rows_are_staged_and_add_up(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        staged = here.flatten()
        assert {t.table: (t.read, t.rows, t.quarantined) for t in staged.tables} == {
            "customers": (5, 5, 0),
            "products": (5, 5, 0),
            "orders": (5, 5, 0),
            "lines": (10, 10, 0),
            "shipments": (5, 5, 0),
            "notes": (5, 5, 0),
            "shop_quarantine": (0, 0, 0),
        }
        assert here.rows(staged, "orders")[0] == (1, 1, "web", None, None)
        assert here.rows(staged, "lines")[:2] == [
            (1, 0, "p1", Decimal("1.10"), None),
            (1, 1, "p1", Decimal("1.99"), None),
        ]
        assert staged.table("shop_quarantine").files == ()
        assert {f.url.removeprefix("file://") for t in staged.tables for f in t.files} == set(
            map(str, here.data_files())
        )


def test_a_staged_group_is_left_as_it_is(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        first, files = here.flatten("try1"), here.data_files()
        assert here.flatten("try2") == first
        assert here.data_files() == files


def test_what_refers_to_a_quarantined_row_follows(tmp_path: Path) -> None:
    """A customer takes orders, these shipments, these notes, these their replies; what names nothing known stays."""
    with world(tmp_path, changed("customers", 0, (1, '{"vip": "yes"}'))) as here:
        staged = here.flatten()
        assert here.reasons(staged) == {
            ("customers", '{"id":"1"}'): 'profile: vip: expected boolean, found the string "yes"',
            ("orders", '{"id":"1"}'): "refers to quarantined customers (id=1)",
            ("shipments", '{"id":"10"}'): "refers to quarantined orders (id=1)",
            ("notes", '{"id":"1"}'): "refers to quarantined shipments (id=10)",
            ("notes", '{"id":"2"}'): "refers to quarantined notes (id=1)",
            ("notes", '{"id":"3"}'): "refers to quarantined notes (id=2)",
        }
        assert {t.table: (t.read, t.rows, t.quarantined) for t in staged.tables} == {
            "customers": (5, 4, 1),
            "products": (5, 5, 0),
            "orders": (5, 4, 1),
            "lines": (10, 8, 2),
            "shipments": (5, 4, 1),
            "notes": (5, 2, 3),
            "shop_quarantine": (6, 6, 0),
        }
        assert [row[0] for row in here.rows(staged, "notes")] == [4, 5]
        assert [row[0] for row in here.rows(staged, "lines", "DISTINCT orders_id")] == [2, 3, 4, 5]


def test_a_parent_goes_with_the_child_that_refers(tmp_path: Path) -> None:
    """A product's order line can't leave its order alone."""
    with world(tmp_path, changed("products", 1, ("p2", '{"kg": 1.2345}'))) as here:
        staged = here.flatten()
        assert here.reasons(staged) == {
            ("products", '{"sku":"p2"}'): "extra: kg: expected decimal(6,3), found the number 1.2345",
            ("orders", '{"id":"2"}'): "refers to quarantined products (sku=p2)",
            ("shipments", '{"id":"20"}'): "refers to quarantined orders (id=2)",
        }


def test_a_row_that_is_still_there_holds_those_that_refer(tmp_path: Path) -> None:
    """Two rows of one key: while a good one stays, nothing dangles."""
    with world(tmp_path, {"products": [*GOOD["products"], ("p1", '{"kg": "heavy"}')]}) as here:
        staged = here.flatten()
        assert list(here.reasons(staged)) == [("products", '{"sku":"p1"}')]
        assert staged.table("lines").quarantined == 0


def test_what_refers_to_nothing_at_all_is_not_judged_here(tmp_path: Path) -> None:
    with world(tmp_path, changed("orders", 0, (1, 999, '{"channel": "web"}'))) as here:
        staged = here.flatten()
        assert here.reasons(staged) == {}
        assert staged.table("orders").rows == 5


def test_the_quarantined_row_is_kept_as_it_landed(tmp_path: Path) -> None:
    with world(tmp_path, changed("orders", 2, (3, None, '{"channel":  5}'))) as here:
        staged = here.flatten()
        rows = here.rows(staged, "shop_quarantine")
        assert rows[0] == (
            here.plan.group("shop").cut_id,
            "orders",
            '{"id":"3"}',
            "payload: channel: expected string, found the number 5",
            "payload",
            '{"id":"3","customer_id":null,"payload":"{\\"channel\\":  5}"}',
        )


def test_too_much_is_refused_with_the_first_reasons(tmp_path: Path) -> None:
    rows = [(n, "{}" if n > 3 else '{"vip": 1}') for n in range(1, 31)]
    with world(tmp_path, {"customers": rows}, max_share=0.05) as here:
        with pytest.raises(DataError) as raised:
            here.flatten()
        said = str(raised.value)
        assert "public.customers: 3 of 30 rows (10.00%) would be quarantined, more than the permitted 5.00%" in said
        assert said.count("expected boolean, found the number 1") == 3
        assert '{"id":"1"}' in said
        assert "max_share" in said
        assert here.data_files() == set()
        assert find_staged(here.ports.store, here.plan, here.plan.group("shop")) is None


def test_the_share_counts_what_follows_too(tmp_path: Path) -> None:
    orders = [(n, 1, "{}") for n in range(1, 11)]
    customers = [(n, '{"vip": 1}' if n == 1 else None) for n in range(1, 31)]
    rows: dict[str, Sequence[tuple[object, ...]]] = {"customers": customers, "orders": orders}
    with world(tmp_path, rows, max_share=0.5) as here, pytest.raises(DataError) as raised:
        here.flatten()
    assert "public.orders: 10 of 10 rows" in str(raised.value)
    assert str(raised.value).count("refers to quarantined customers (id=1)") == 5


def test_everything_may_be_set_aside_where_that_is_permitted(tmp_path: Path) -> None:
    with world(tmp_path, {"customers": [(n, "[]") for n in range(1, 6)]}) as here:
        staged = here.flatten()
        assert staged.table("customers").files == ()
        assert staged.table("orders").quarantined == 5
        assert staged.table("lines").quarantined == 10
        assert staged.table("shop_quarantine").rows == 5 + 5 + 5 + 5


def test_empty_tables_are_staged_empty(tmp_path: Path) -> None:
    with world(tmp_path, dict.fromkeys(GOOD, ())) as here:
        staged = here.flatten()
        assert {(t.read, t.rows, t.quarantined, t.files) for t in staged.tables} == {(0, 0, 0, ())}


class Meddling:
    """A lake that does something else when a certain table is written."""

    def __init__(self, lake: Lake, table: str, **does: object) -> None:
        self._lake, self._table, self._does = lake, table, does

    def __getattr__(self, name: str) -> object:
        return getattr(self._lake, name)

    def write(
        self, table: LakeTable, batches: pa.RecordBatchReader, attempt: str, progress: Progress
    ) -> tuple[StagedFile, ...]:
        if table.name != self._table:
            return self._lake.write(table, batches, attempt, progress)
        match self._does:
            case {"raises": BaseException() as error}:
                raise error
            case {"loses": int() as rows}:
                less = batches.read_all().slice(rows)
                return self._lake.write(table, less.to_reader(), attempt, progress)
            case {"meanwhile": other} if callable(other):
                other()
        return self._lake.write(table, batches, attempt, progress)


def meddled(here: World, table: str, **does: object) -> World:
    lake = Meddling(here.ports.lake, table, **does)
    return replace(here, ports=replace(here.ports, lake=cast("Lake", lake)))


@pytest.mark.parametrize("error", [LakeError("the store is gone"), KeyboardInterrupt()])
def test_nothing_stays_of_a_try_that_failed(tmp_path: Path, error: BaseException) -> None:
    with world(tmp_path) as here:
        with pytest.raises(type(error)):
            meddled(here, "notes", raises=error).flatten()
        assert here.data_files() == set()
        assert here.flatten("try2").table("notes").rows == 5


def test_a_lost_row_is_noticed(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        with pytest.raises(DataError, match="lines: 10 read, 9 staged and 0 quarantined"):
            meddled(here, "lines", loses=1).flatten()
        assert here.data_files() == set()


def test_of_two_tries_the_first_wins_and_the_other_leaves_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        won: list[object] = []
        staged = meddled(here, "notes", meanwhile=lambda: won.append(here.flatten("faster"))).flatten("slower")
        assert won == [staged]
        assert {f.url.removeprefix("file://") for t in staged.tables for f in t.files} == set(
            map(str, here.data_files())
        )
        assert all("faster" in str(path) for path in here.data_files())


def test_a_group_that_has_not_landed_is_refused(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        group = replace(here.plan.group("shop"), cut_id="another")
        with pytest.raises(LakewardError, match="has not landed"):
            replace(here, plan=replace(here.plan, groups=(group,))).flatten()


@pytest.fixture
def retail(lab: Lab, tmp_path: Path) -> Chain:
    """The sample on the lab, into a namespace and a landing of its own."""
    name = f"retail_{uuid4().hex[:8]}"
    text = (Path(__file__).parents[3] / "dags/migrations/retail.yaml").read_text()
    file = tmp_path / "retail.yaml"
    file.write_text(
        text.replace("namespace: retail", f"namespace: {name}").replace("landing/lakeward", f"landing/{name}")
    )
    return Chain(file, tmp_path, "run")


SOURCE_FIGURES = """
SELECT (SELECT count(*) FROM orders), count(i), sum((i ->> 'quantity')::numeric * (i ->> 'unit_price')::numeric)::text,
    sum((i ->> 'discount')::numeric)::text, count(*) FILTER (WHERE NOT i ? 'discount'),
    (SELECT count(*) FROM orders WHERE payload -> 'items' = '[]'),
    (SELECT count(*) FROM orders WHERE payload -> 'items' = 'null'),
    (SELECT count(*) FROM orders WHERE NOT payload ? 'items')
FROM orders CROSS JOIN LATERAL jsonb_path_query(payload, '$.items[*]') AS i
WHERE jsonb_typeof(i) = 'object'  -- a path takes `"items": null` for a list of one null
"""
LAKE_FIGURES = """
SELECT (SELECT count(*) FROM orders), count(*), sum(quantity * unit_price)::VARCHAR, sum(discount)::VARCHAR,
    count(*) FILTER (WHERE contains(shape, 'discount:missing')),
    (SELECT count(*) FROM orders WHERE contains(payload_shape, 'items:empty')),
    (SELECT count(*) FROM orders WHERE contains(payload_shape, 'items:null')),
    (SELECT count(*) FROM orders WHERE contains(payload_shape, 'items:missing'))
FROM order_items
"""


def test_the_sample_is_flattened_to_the_cent(lab: Lab, retail: Chain) -> None:
    """From PostgreSQL's jsonb to the lab's lake: the source's own figures over its JSON are the staged rows' figures."""
    staged = retail.run(until="flatten")["sales"]
    assert isinstance(staged, Staged)
    with retail.ports() as ports:
        plan = read_plan(ports.store, retail.loaded.spec.migration, "run")
        tables = {t.name: t for t in plan.group("sales").lake_tables if t.name in {"orders", "order_items"}}
        files = {name: ports.lake.staged(table, staged.table(name).files) for name, table in tables.items()}
        (found,) = ports.engine.table(LAKE_FIGURES, files).to_pylist()
    with psycopg.connect(lab.env()["LAKEWARD_LAB_POSTGRES"], dbname="retail") as con:
        expected = con.execute(SOURCE_FIGURES).fetchone()
    assert expected is not None
    assert tuple(found.values()) == expected
    assert all(count for count in expected)
    assert {t.quarantined for t in staged.tables} == {0}
