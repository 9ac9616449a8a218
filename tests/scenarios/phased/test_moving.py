"""A group is moved window by window: each at a cut of its own, none twice, nothing lost between them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kill import Call, watched

from lakeward.errors import DataError
from lakeward.lab import Lab
from lakeward.spec.models import BudgetSpec
from phased import Shop

MAY, APRIL, MARCH = (f"2024-0{n}-01/2024-0{n + 1}-01" for n in (5, 4, 3))


@pytest.fixture
def shop(lab: Lab, tmp_path: Path) -> Shop:
    return Shop(lab, tmp_path)


def test_every_row_is_in_one_window_and_rows_that_move_between_them_are_told(shop: Shop) -> None:
    done = shop.move()
    assert (done.complete, done.moved) == (True, (MAY, APRIL, MARCH, "unplaced"))
    shop.check_same()
    cuts = shop.pointer().windows
    assert {name: cut.rows for name, cut in cuts.items()} == {MAY: 20, APRIL: 1, MARCH: 23, "unplaced": 3}
    assert all(cut.ended and cut.gate == "open" for cut in cuts.values())
    assert set(shop.compare().values()) == {"pass"}
    again = shop.move()
    assert (again.moved, again.complete) == ((), True)
    assert shop.pointer().windows == cuts

    shop.source("UPDATE orders SET placed_at = placed_at - interval '40 days' WHERE order_id = 505")
    shop.source("INSERT INTO order_lines VALUES (506, 3, 1.00)")
    told = shop.compare()
    assert {name for name, outcome in told.items() if outcome == "fail"} == {
        "kpi revenue",
        "kpi lines",
        "rows orders",
        "rows order_lines",
    }
    assert shop.move(window="2024-03", again=True).complete
    ids = [key for (key,) in shop.lake("orders")]
    assert ids.count(505) == 2
    told = shop.compare()
    assert told["rows orders"] == told["rows order_lines"] == told["rows picks"] == "fail"
    assert shop.move(window="2024-05", again=True).complete
    shop.check_same()
    assert set(shop.compare().values()) == {"pass"}
    after = shop.pointer().windows
    assert {name for name in cuts if after[name].cut_id != cuts[name].cut_id} == {MAY, MARCH}


def test_a_run_ends_with_its_budget_and_the_next_one_goes_on(shop: Shop) -> None:
    budget = BudgetSpec(rows=16)
    first = shop.move("stock", budget=budget)
    assert (first.moved, first.left) == (("-10/0", "0/10"), 2)
    assert "would exceed the budget of 16" in first.why
    assert shop.lake("stock") == shop.source("SELECT sku FROM stock WHERE sku < 10 ORDER BY 1")
    assert set(shop.compare("stock").values()) == {"pass"}
    shop.source("INSERT INTO stock VALUES (9000, 1.00)")
    assert shop.move("stock").moved == ("20/30", "30/40", "9000/9010")
    shop.check_same("stock")
    shop.source("INSERT INTO stock VALUES (9001, 1.00)")
    assert shop.move("stock").moved == ("9000/9010",), "the last slice of keys has no end yet"
    shop.check_same("stock")


def test_a_window_that_has_not_ended_is_read_again_by_the_next_run(shop: Shop) -> None:
    shop.source("INSERT INTO orders VALUES (2000, 1, now(), 5.00)")
    first = shop.move(budget=BudgetSpec(rows=1))
    (name,) = first.moved
    assert not shop.pointer().windows[name].ended
    shop.source("INSERT INTO orders VALUES (2001, 1, now(), 6.00)")
    assert shop.move(window=name).moved == (name,)
    assert shop.lake("orders") == [(2000,), (2001,)]


def test_rows_that_do_not_fit_stop_their_window_alone_and_a_new_cut_takes_them(shop: Shop) -> None:
    shop.change("  - name: stock\n", "    quarantine: {max_share: 0.04}\n  - name: stock\n")
    shop.source("""UPDATE orders SET payload = '{"channel": 7}' WHERE order_id = 303""")
    with pytest.raises(DataError, match="orders"):
        shop.move(window="2024-03")
    assert shop.move("stock", window="0").moved == ("0/10",), "other groups go on"
    shop.source("UPDATE orders SET payload = '{}' WHERE order_id = 303")
    assert shop.move(window="2024-03").moved == (MARCH,)
    assert len(shop.lake("orders")) == 23


def test_what_nobody_foresaw_is_tried_again_at_its_cut_and_then_read_anew(shop: Shop) -> None:
    def fail(call: Call, when: str) -> None:
        if call.port == "engine":
            raise RuntimeError(f"{call.name} {when}")

    for _ in range(3):
        with shop.ports() as ports, pytest.raises(RuntimeError):
            shop.move("stock", ports=watched(ports, fail))
    cuts = {line.rpartition(" ")[2] for line in shop.said if "rows, cut" in line}
    assert shop.move("stock", window="-10").moved == ("-10/0",)
    assert (len(cuts), shop.pointer("stock").windows["-10/0"].cut_id in cuts) == (1, False)


def test_a_held_window_holds_its_group_until_it_is_read_again(shop: Shop) -> None:
    shop.change("  - name: stock\n", "    quarantine: {max_share: 1}\n  - name: stock\n")
    shop.source("""UPDATE orders SET payload = '{"channel": 7}' WHERE order_id = 503""")
    held = shop.move()
    assert (held.moved, held.held, held.complete) == ((MAY,), MAY, False)
    assert any("is held: sales: kpi revenue: fail" in line for line in shop.said)
    assert shop.move().moved == ()
    shop.source("UPDATE orders SET payload = '{}' WHERE order_id = 503")
    mended = shop.move(window="2024-05", again=True)
    assert (mended.moved, mended.held) == ((MAY,), "")
    assert len(shop.lake("orders")) == 20
