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

REVISED = """
CREATE SEQUENCE revisions;
CREATE FUNCTION revise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.rev := nextval('revisions'); RETURN NEW; END $$;
ALTER TABLE stock ADD COLUMN rev bigint NOT NULL DEFAULT nextval('revisions');
CREATE TRIGGER revised BEFORE INSERT OR UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION revise();
"""
STAMPED = "{lag: 1h, watermarks: [{table: public.customers, column: updated_at, overlap: 0s}]}"
NUMBERED = "{lag: 1h, watermarks: [{table: public.stock, column: rev, overlap_numbers: 0}]}"


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    found = Shop(lab, tmp_path_factory.mktemp("marks"))
    found.source((HERE / "marked.sql").read_text() + REVISED)
    found.shrink(STAMPED)
    found.change(
        f"    catch_up: {STAMPED}\n    tables: [{{table: public.stock}}]",
        f"    catch_up: {NUMBERED}\n    tables: [{{table: public.stock}}]",
    )
    for group in ("people", "stock"):
        assert found.move(group).complete
    return found


def quick(shop: Shop, group: str = "people", *, deletes: bool = True) -> tuple[int, int, int]:
    """A round by watermarks alone; rows that were landed, upserted and deleted."""
    with shop.ports() as ports:
        key = f"quick-{uuid4().hex[:8]}"
        base = shop.plan(ports, key)
        plan = round_plan(base, (spec_of(base, group),), key)
        found = find_pointer(ports.store, plan, plan.groups[0])
        assert found
        assert found[0].caught
        before = found[0].caught.mark
        landed = extract_round(plan, group, ports, "t", before, whole=False, deletes=deletes)
        staged = stage_round(plan, group, ports, "t")
        assert orphans(plan, group, ports) == ()
        append_round(plan, group, ports, now())
        return sum(f.rows for t in landed.tables for f in t.files), staged.upserted, staged.deleted


def people(shop: Shop) -> list[tuple[object, ...]]:
    return sorted(shop.source("SELECT customer_id, country FROM customers"))


def test_what_a_long_transaction_commits_late_is_not_missed(shop: Shop) -> None:
    with psycopg.connect(shop.uri) as late:
        late.execute("SELECT 1")  # it has begun, and has written nothing
        shop.source("UPDATE customers SET country = 'IT' WHERE customer_id = 1")
        assert quick(shop)[1:] == (1, 0)
        late.execute("UPDATE customers SET country = 'ES' WHERE customer_id = 2")
        late.execute("INSERT INTO customers VALUES (300, 'PT', '[\"late\"]')")
        shop.source("UPDATE customers SET tags = '[]' WHERE customer_id = 3")
        assert quick(shop)[1:] == (1, 0)
    landed, upserted, deleted = quick(shop)
    assert (upserted, deleted) == (2, 0)
    assert landed > upserted, "rows that were read again and are equal are dropped before anything is written"
    assert shop.lake("customers", "customer_id, country") == people(shop)
    assert len(shop.lake("customer_tags", "position")) == 20 * 2 - 2 + 1


def test_numbers_that_are_committed_late_are_not_missed(shop: Shop) -> None:
    shop.source("UPDATE stock SET amount = amount + 1 WHERE sku = 1")
    assert quick(shop, "stock")[1:] == (1, 0)
    with psycopg.connect(shop.uri) as late:
        late.execute("UPDATE stock SET amount = amount + 1 WHERE sku = 2")  # the smaller number
        shop.source("UPDATE stock SET amount = amount + 1 WHERE sku = 3")
        assert quick(shop, "stock")[1:] == (1, 0)
    assert quick(shop, "stock")[1:] == (1, 0)
    assert shop.lake("stock", "sku, amount") == sorted(shop.source("SELECT sku, amount FROM stock"))


def test_deleted_rows_are_found_by_their_keys_or_left_to_the_whole_round(shop: Shop) -> None:
    shop.source("DELETE FROM stock WHERE sku IN (7, 8)")
    assert quick(shop, "stock", deletes=False)[2] == 0
    assert (7,) in shop.lake("stock")
    assert quick(shop, "stock")[2] == 2
    shop.check_same("stock")


def test_what_no_watermark_tells_is_found_by_the_whole_round(shop: Shop) -> None:
    shop.source(
        "ALTER TABLE customers DISABLE TRIGGER stamped; UPDATE customers SET country = 'XX' WHERE customer_id = 5"
    )
    assert quick(shop)[1:] == (0, 0)
    assert shop.move("people").complete
    assert shop.lake("customers", "customer_id, country") == people(shop)
    assert set(shop.compare("people").values()) == {"pass"}
    assert any("quick round" in line for line in shop.said)
