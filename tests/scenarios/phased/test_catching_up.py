"""A group whose windows are done follows its source: inserts, updates, deletes, moves between windows, and rows that don't fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakeward.errors import DataError, GateError
from lakeward.lab import Lab
from phased import Shop

WINDOW = "    window: {table: public.orders, column: placed_at, size: 1 month}\n"
CATCH_UP = WINDOW.replace("1 month", "3 months") + "    catch_up: {lag: 1h}\n"
MEASURED = """
reports:
  - {name: daily, group: sales, runs: 1, source: SELECT sum(total) AS s FROM orders, lake: SELECT sum(total) AS s FROM orders}
sla: {write: 1h, freshness: 1h, failures: 0}
"""
ALL = ("orders", "order_lines", "picks", "notes")


@pytest.fixture
def shop(lab: Lab, tmp_path: Path) -> Shop:
    found = Shop(lab, tmp_path)
    found.change(WINDOW, CATCH_UP)
    found.change("calendar: {time_zone: Europe/Zurich}", f"calendar: {{time_zone: Europe/Zurich}}{MEASURED}")
    return found


CHANGES = """
UPDATE orders SET placed_at = placed_at - interval '40 days' WHERE order_id = 505;
UPDATE orders SET total = total + 1, payload = payload || '{"items": [{"sku": 7, "price": 2.20}, {"sku": 8, "price": 3.30}]}' WHERE order_id = 304;
UPDATE customers SET tags = '["c"]' WHERE customer_id = 3;
DELETE FROM notes WHERE order_id = 306;
DELETE FROM orders WHERE order_id = 306;
INSERT INTO customers VALUES (77, 'AT', '[]');
INSERT INTO orders VALUES (2000, 77, '2023-01-05', 5.00, NULL, '{"channel": "new", "items": [{"sku": 1, "price": 1.00}]}');
INSERT INTO order_lines VALUES (2000, 1, 5.00);
INSERT INTO notes VALUES (7000, NULL, 'also of nobody');
"""


def test_changes_of_every_kind_reach_the_lake_in_one_cut(shop: Shop) -> None:
    done = shop.move()
    assert done.complete
    assert "caught up" in done.caught
    pointer = shop.pointer()
    assert pointer.caught
    assert (pointer.caught.rounds, pointer.caught.upserted, pointer.caught.deleted) == (1, 0, 0)
    assert pointer.caught.gate == "open"
    before = pointer.tables
    shop.source(CHANGES)
    again = shop.move()
    assert again.complete
    after = shop.pointer()
    assert after.caught
    assert (after.caught.rounds, after.caught.gate) == (2, "open")
    assert (after.caught.upserted, after.caught.deleted) == (7, 6)
    with shop.ports() as ports:
        (meter,) = ports.ledger.meters("phased")
    assert (meter.group, meter.batches, meter.changes) == ("sales", 2, 13)
    assert meter.fresh.slowest > meter.write.slowest > 0
    assert (meter.source.queries["daily"].count, meter.lake.queries["daily"].count) == (2, 2)
    shop.check_same(*ALL)
    assert set(shop.compare().values()) == {"pass"}
    changed = {name.rpartition(".")[2] for name in before if before[name] != after.tables[name]}
    assert changed == {"customers", "customer_tags", "orders", "order_items", "order_lines", "picks", "notes"}
    assert shop.lake("order_items", "orders_order_id, sku") == sorted(
        shop.source("SELECT order_id, (i->>'sku')::int FROM orders, jsonb_array_elements(payload->'items') i")
    )
    with pytest.raises(GateError, match="can't be read again by itself"):
        shop.move(window="2024-03", again=True)


def test_rows_that_do_not_fit_are_set_aside_unless_others_name_them(shop: Shop) -> None:
    shop.change("  - name: stock\n", "    quarantine: {max_share: 1}\n  - name: stock\n")
    shop.change("3 months", "24 months")
    shop.move()
    before = shop.pointer().version
    shop.source("""UPDATE orders SET payload = '{"channel": 7}' WHERE order_id = 303""")
    with pytest.raises(
        DataError, match=r"2 rows of order_lines name rows of orders that are not there: \{'order_id': 303\}"
    ):
        shop.move()
    assert shop.pointer().version == before, "nothing was published"
    shop.source("DELETE FROM picks WHERE order_id = 303; DELETE FROM order_lines WHERE order_id = 303")
    held = shop.move()
    assert (held.held, held.complete) == ("catch-up", False)
    assert any("the round is held: sales: kpi revenue: fail" in line for line in shop.said)
    assert any("rows are quarantined" in line and 'orders {"order_id":"303"}: ' in line for line in shop.said)
    assert shop.lake("sales_quarantine", "table_name, row_key") == [("orders", '{"order_id":"303"}')]
    assert (303,) not in shop.lake("orders")
    shop.source("UPDATE orders SET payload = '{}' WHERE order_id = 303")
    assert shop.move().complete
    assert shop.lake("sales_quarantine", "table_name") == []
    shop.check_same(*ALL)


def test_rows_without_a_key_follow_by_their_hash(shop: Shop) -> None:
    shop.source("ALTER TABLE stock DROP CONSTRAINT stock_pkey; INSERT INTO stock VALUES (3, 3), (4, 4)")
    shop.change(
        "size: 10 keys, order: oldest_first}\n", "size: 10 keys, order: oldest_first}\n    catch_up: {lag: 1h}\n"
    )
    assert shop.move("stock").complete
    shop.source("DELETE FROM stock WHERE sku = 3; INSERT INTO stock VALUES (3, 3), (3, 3), (3, 3), (9, 1)")
    shop.source("UPDATE stock SET amount = 7 WHERE sku = 4")
    done = shop.move("stock")
    assert done.complete
    assert shop.lake("stock", "sku, amount") == sorted(shop.source("SELECT sku, amount FROM stock"))
    assert set(shop.compare("stock").values()) == {"pass"}
    untouched = shop.pointer("stock").tables
    shop.move("stock")
    assert shop.pointer("stock").tables == untouched, "nothing has changed, so nothing was written"
