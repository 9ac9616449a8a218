"""Rounds by watermarks: what long transactions commit late, what is deleted, and what they can't see and leave to the whole round."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from lakeward.lab import Lab
from lakeward.steps.catch_up import round_plan
from lakeward.steps.publish import find_pointer
from lakeward.steps.round_extract import extract_round
from lakeward.steps.round_publish import append_round
from lakeward.steps.round_stage import orphans, stage_round
from lakeward.steps.waves import spec_of
from phased import HERE, Shop, now

WINDOW = "column: placed_at, size: 1 month}\n"
TABLES = ("customers", "orders", "order_lines", "picks", "notes")
MARKS = ", ".join(f"{{table: public.{name}, column: updated_at, overlap: 0s}}" for name in TABLES)


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    found = Shop(lab, tmp_path_factory.mktemp("marks"))
    found.source((HERE / "marked.sql").read_text())
    found.change(WINDOW, f"{WINDOW.replace('1 month', '24 months')}    catch_up: {{lag: 1h, watermarks: [{MARKS}]}}\n")
    assert found.move().complete
    return found


def quick(shop: Shop, *, deletes: bool = True) -> tuple[int, int, int]:
    """A round by watermarks alone; rows that were landed, upserted and deleted."""
    with shop.ports() as ports:
        key = f"quick-{uuid4().hex[:8]}"
        base = shop.plan(ports, key)
        plan = round_plan(base, (spec_of(base, "sales"),), key)
        found = find_pointer(ports.store, plan, plan.groups[0])
        assert found
        assert found[0].caught
        before = found[0].caught.mark
        landed = extract_round(plan, "sales", ports, "t", before, whole=False, deletes=deletes)
        staged = stage_round(plan, "sales", ports, "t")
        assert orphans(plan, "sales", ports) == ()
        append_round(plan, "sales", ports, now())
        return sum(f.rows for t in landed.tables for f in t.files), staged.upserted, staged.deleted


def test_what_a_long_transaction_commits_late_is_not_missed(shop: Shop) -> None:
    with psycopg.connect(shop.uri) as late:
        late.execute("SELECT 1")  # it has begun, and has written nothing
        shop.source("UPDATE orders SET total = 1 WHERE order_id = 301")
        assert quick(shop)[1:] == (1, 0)
        late.execute("UPDATE orders SET total = 2 WHERE order_id = 302")
        late.execute("INSERT INTO orders VALUES (3000, 1, '2024-03-03', 3, NULL, '{}')")
        shop.source("INSERT INTO notes VALUES (9000, 301, 'meanwhile')")
        assert quick(shop)[1:] == (1, 0)
    landed, upserted, deleted = quick(shop)
    assert (upserted, deleted) == (2, 0)
    assert landed > upserted, "rows that were read again and are equal are dropped before anything is written"
    shop.check_same()
    assert shop.lake("orders", "order_id, total") == sorted(shop.source("SELECT order_id, total FROM orders"))


def test_deleted_rows_are_found_by_their_keys_or_left_to_the_whole_round(shop: Shop) -> None:
    shop.source("DELETE FROM notes WHERE note_id = 9000; DELETE FROM orders WHERE order_id = 3000")
    assert quick(shop, deletes=False)[2] == 0
    assert (3000,) in shop.lake("orders")
    assert quick(shop)[2] == 2
    shop.check_same()


def test_what_no_watermark_tells_is_found_by_the_whole_round(shop: Shop) -> None:
    shop.source("ALTER TABLE orders DISABLE TRIGGER stamped; UPDATE orders SET total = 77 WHERE order_id = 305")
    assert quick(shop)[1:] == (0, 0)
    assert shop.compare()["rows orders"] == "fail"
    assert shop.move().complete
    assert set(shop.compare().values()) == {"pass"}
    assert any("quick round" in line for line in shop.said)
