"""The source's tables are altered while they are moved: told before anything is read, and followed as far as the file permits."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from tests.kill import Call

from lakeward.errors import AlteredError, SpecError
from lakeward.lab import Lab
from lakeward.spec.models import BudgetSpec
from phased import Shop, run_killed

EVOLVE = "drift: {added: evolve, widened: evolve, dropped: evolve}\n"
ONE = BudgetSpec(rows=1)


@pytest.fixture
def shop(lab: Lab, tmp_path: Path) -> Shop:
    return alone(Shop(lab, tmp_path))


def alone(shop: Shop) -> Shop:
    """The group of one small table, and nothing else."""
    text = shop.file.read_text()
    sales, stock, waves, _, goods, calendar = (
        text.index(part)
        for part in ("  - name: sales", "  - name: stock", "waves:", "kpis:", "  - {name: goods", "calendar:")
    )
    shop.file.write_text(text[:sales] + text[stock:waves] + "kpis:\n" + text[goods:calendar])
    shop.source("ALTER TABLE stock ADD note text NOT NULL DEFAULT 'old', ADD weight real DEFAULT 0.1, ADD packed date")
    shop.source("ALTER TABLE stock ADD maker text NOT NULL DEFAULT 'm'")
    return shop


def follow(shop: Shop, policy: str = EVOLVE) -> None:
    """Write the policy into the file."""
    shop.change("groups:\n", f"{policy}groups:\n")


def test_each_kind_of_change_holds_and_says_what_to_write(shop: Shop) -> None:
    assert shop.move("stock", budget=ONE).moved == ("-10/0",)
    before = shop.pointer("stock")
    shop.source("""ALTER TABLE stock ADD shelf int, DROP weight, ALTER amount TYPE numeric(20,2), ALTER packed TYPE text;
        ALTER TABLE stock RENAME note TO remark; ALTER TABLE stock ALTER maker DROP NOT NULL""")
    with pytest.raises(SpecError, match="not as source and file say now, and nothing was read") as told:
        shop.move("stock")
    for sentence in (
        r"column 'shelf' \(int\) is new: .*added: evolve.*`drop: \[shelf\]`",
        r"column 'weight' \(float\) is gone: .*dropped: evolve",
        r"column 'note' is gone and 'remark', of the same type.*`rename: \{remark: note\}`",
        r"column 'amount' was decimal\(12,2\) and is decimal\(20,2\): .*widened: evolve",
        r"column 'packed' was date and is string, and the lake's column can't become that.*`rename: \{packed: packed_2\}`",
        r"column 'maker' was not null and may be null now: .*widened: evolve",
    ):
        assert re.search(sentence, str(told.value)), sentence
    assert str(told.value).count("\n  - ") == 6
    assert shop.pointer("stock") == before, "nothing was published"

    shop.source("""ALTER TABLE stock DROP shelf, ADD weight real, ALTER amount TYPE numeric(10,2), ALTER packed TYPE date USING NULL;
        ALTER TABLE stock ALTER maker SET NOT NULL""")  # and the number holds less than the lake's column, by which nothing is lost
    shop.change("tables: [{table: public.stock}]", "tables: [{table: public.stock, rename: {remark: note}}]")
    assert shop.move("stock").complete
    assert shop.lake("stock", "sku, amount, note") == shop.source("SELECT sku, amount, remark FROM stock ORDER BY 1")
    assert shop.compare("stock")["kpi goods"] == "pass"


def test_windows_on_both_sides_of_every_change_stay_readable_and_equal(shop: Shop) -> None:
    follow(shop)
    assert shop.move("stock", budget=ONE).moved == ("-10/0",)
    shop.source("ALTER TABLE stock ADD shelf text")
    assert set(shop.compare("stock").values()) == {"pass"}, "before the lake has the column, too"
    shop.source("UPDATE stock SET shelf = 's' || sku WHERE sku >= 0")
    assert shop.move("stock", budget=ONE).moved == ("0/10",)
    with shop.ports() as ports:
        (rows,) = (v for v in ports.ledger.verdicts("phased") if v.kind == "rows")
    assert "column 'shelf' (string) is new and carried from this run on" in rows.summary
    shop.source(
        "ALTER TABLE stock ALTER sku TYPE bigint, ALTER amount TYPE numeric(20,2), ALTER weight TYPE double precision"
    )
    shop.source(
        "ALTER TABLE stock ALTER note DROP NOT NULL; UPDATE stock SET note = NULL, amount = 1e17, weight = 1e300 WHERE sku = 25"
    )
    expected = shop.source("SELECT sku, amount, note, weight, shelf FROM stock ORDER BY 1")
    with shop.ports() as ports:
        notes = shop.plan(ports, "look").notes
    assert sum(note.startswith("public.stock: stock: column") for note in notes) == 4
    assert shop.move("stock", budget=ONE).moved == ("20/30",)
    shop.source("ALTER TABLE stock DROP note, DROP weight")
    assert shop.move("stock").moved == ("30/40",)
    found = shop.lake("stock", "sku, amount, note, weight, shelf")
    assert [row[:2] + row[4:] for row in found] == [row[:2] + row[4:] for row in expected]
    assert [row[2:4] for row in found] == [row[2:4] if row[0] < 30 else (None, None) for row in expected]  # type: ignore[operator]
    assert set(shop.compare("stock").values()) == {"pass"}
    with shop.ports() as ports:
        plan = shop.plan(ports, "after")
        (table,) = plan.group("stock").lake_tables
        pin = shop.pointer("stock").tables[ports.lake.qualified("stock")]
        ids = dict(zip((c.name for c in table.columns), ports.lake.snapshot(table, pin).ids, strict=True))
        verdicts = [v for v in ports.ledger.verdicts("phased") if v.kind == "rows"]
    assert ids == {"sku": 1, "amount": 2, "note": 3, "weight": 4, "packed": 5, "maker": 6, "shelf": 7}
    assert [("column 'note' (string) is gone: the lake keeps it" in v.summary) for v in verdicts] == [True]


def test_rows_that_no_longer_fit_are_set_aside_and_the_rest_goes_on(shop: Shop) -> None:
    follow(shop, "drift: {retyped: quarantine}\n")
    shop.change("tables: [{table: public.stock}]", "quarantine: {max_share: 1}\n    tables: [{table: public.stock}]")
    assert shop.move("stock", budget=ONE).moved == ("-10/0",)
    shop.source("""ALTER TABLE stock ALTER amount TYPE text, ALTER maker DROP DEFAULT, ALTER maker TYPE int USING 7;
        UPDATE stock SET amount = '1.2345' WHERE sku = 3; UPDATE stock SET amount = '9999999999.9900' WHERE sku = 4;
        UPDATE stock SET amount = '12345678901.00' WHERE sku = 5; UPDATE stock SET amount = 'two' WHERE sku = 6;
        UPDATE stock SET amount = 'NaN' WHERE sku = 7""")
    assert shop.move("stock").complete
    gone = {key for (key,) in shop.source("SELECT sku FROM stock")} - {key for (key,) in shop.lake("stock", "sku")}
    assert gone == {3, 5, 6, 7}
    assert shop.lake("stock", "max(amount), max(maker)") == [(Decimal("9999999999.99"), "m")]
    aside = shop.lake("stock_quarantine", "row_key, column_name, reason, raw")
    assert [row[:2] for row in aside] == [(f'{{"sku":"{n}"}}', "amount") for n in (3, 5, 6, 7)]
    assert (aside[2][2], "two" in str(aside[2][3])) == ('amount: "two" is no decimal(12,2)', True)
    shop.source("UPDATE stock SET amount = '1' WHERE sku IN (3, 5, 6, 7)")
    assert shop.move("stock", window="0", again=True).complete
    shop.check_same("stock")
    assert shop.lake("stock_quarantine", "row_key") == []


def test_what_is_to_be_ignored_is_left_behind_and_told_each_time(shop: Shop) -> None:
    follow(shop, "drift: {added: evolve}\n")
    shop.change("tables: [{table: public.stock}]", "tables: [{table: public.stock, drift: {added: ignore}}]")
    shop.move("stock", budget=ONE)
    shop.source('ALTER TABLE stock ADD odd numeric, ADD "wh*t" text')
    shop.move("stock", budget=ONE)
    with shop.ports() as ports:
        plan = shop.plan(ports, "look")
    for name in ("odd", "wh*t"):
        assert (
            f"public.stock: stock: column {name!r} is new at the source and left behind, as `drift` says" in plan.notes
        )
    assert set(shop.compare("stock").values()) == {"pass"}
    shop.source("ALTER TABLE stock DROP note")
    with pytest.raises(SpecError, match="'note' is gone and 'wh\\*t', of the same type, is new") as told:
        shop.move("stock")
    assert "'odd'" not in str(told.value)


def test_rounds_follow_too_and_what_is_gone_stays_in_rows_that_did_not_change(shop: Shop) -> None:
    follow(shop)
    shop.change("order: oldest_first}\n", "order: oldest_first}\n    catch_up: {lag: 1h}\n")
    assert shop.move("stock").complete
    shop.source("ALTER TABLE stock ADD shelf int DEFAULT 7, DROP note, ALTER amount TYPE numeric(14,2)")
    assert shop.move("stock").complete
    assert shop.lake("stock", "DISTINCT shelf, note") == [(7, None)], "every row has changed"
    shop.source('ALTER TABLE stock DROP weight, ADD "last" date; UPDATE stock SET amount = 1e11 WHERE sku = 3')
    caught = shop.move("stock")
    assert caught.complete
    assert "1 rows upserted" in caught.caught
    assert shop.lake("stock", "count(*) FILTER (WHERE weight IS NULL), max(amount)") == [(1, 10**11)]
    assert set(shop.compare("stock").values()) == {"pass"}


def test_a_change_during_a_run_stops_it_and_the_next_one_follows(shop: Shop) -> None:
    follow(shop)
    with shop.ports() as ports:
        plan = shop.plan(ports, "early")
        shop.source("ALTER TABLE stock ADD shelf text")
        shop.plan = lambda _ports, _run: plan  # type: ignore[method-assign]
        with pytest.raises(AlteredError, match=r"column 'shelf' \(text\) is new"):
            shop.move("stock", ports=ports)
    del shop.plan  # type: ignore[method-assign]
    assert shop.move("stock").complete


@pytest.mark.parametrize(
    ("call", "when"), [(Call("lake", "prepare", 1), "after"), (Call("lake", "commit", 1), "before")]
)
def test_killed_between_evolution_and_append_another_run_goes_on(
    lab: Lab, tmp_path: Path, call: Call, when: str
) -> None:
    shop = alone(Shop(lab, tmp_path))
    follow(shop)
    shop.move("stock", budget=ONE)
    shop.source("ALTER TABLE stock ADD shelf text; UPDATE stock SET shelf = 'x' WHERE sku > 25")
    assert run_killed(shop, "stock", call, when)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda run: shop.move("stock", run=run), ["a", "b"]))
    assert shop.move("stock").complete
    assert shop.lake("stock", "sku, shelf") == shop.source("SELECT sku, shelf FROM stock ORDER BY 1")
    assert set(shop.compare("stock").values()) == {"pass"}
