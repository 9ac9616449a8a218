"""Repair and compaction take turns on one published cut: each finds what the other has left, and every verdict passes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from parity_world import AT, FILE, World, admin, world

from lakeward.domain.evidence import Outcome
from lakeward.lab import Lab
from lakeward.reader import resolve
from lakeward.steps.compact import compact
from lakeward.steps.compare import compare
from lakeward.steps.compare_now import compare_now
from lakeward.steps.evidence import verify
from lakeward.steps.repair import repair

MISTAKES = {
    "sales": "SELECT * REPLACE (CASE WHEN id IN (7, 300) THEN amount + 0.01 ELSE amount END AS amount) FROM rows WHERE id <> 13",
    "sales_lines": "SELECT * REPLACE (CASE WHEN sales_id = 301 THEN price + 1 ELSE price END AS price) FROM rows",
}


@pytest.fixture
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    text = f"{FILE}compaction: {{mode: rewrite, min_small_files: 2}}\n"
    with world(tmp_path_factory.mktemp("compacted"), uuid4().hex, text=text) as found:
        yield found


def publish(shop: World) -> None:
    """Lay the tables as the cut's own, in several files each, with mistakes."""
    shop.publish(MISTAKES, shop.plan.group("shop").cut_id[12:], parts=4)


def differing(shop: World) -> set[str]:
    """What differs now; at the cut, rows that the source has changed since are the source's of then."""
    verdicts = compare_now(shop.plan, shop.ports, datetime.now(UTC))
    return {f"{v.kind} {v.subject}" for v in verdicts if v.outcome is not Outcome.PASS}


def rewritten(shop: World) -> set[str]:
    """The tables whose files a compaction has rewritten."""
    names = [table.name for table in shop.plan.group("shop").lake_tables]
    told = compact(shop.plan, "shop", shop.ports, AT, tables=names)
    return {table.table for table in told.tables if table.rewritten}


def mended(shop: World) -> set[object]:
    """The keys that a repair has found, all of which are mended."""
    done = repair(shop.plan, "shop", shop.ports, datetime.now(UTC), "ann", dry_run=False)
    assert (done.left, done.whole, done.settled) == ((), True, True)
    assert repair(shop.plan, "shop", shop.ports, datetime.now(UTC), "ann", dry_run=False).findings == ()
    return {finding.key[0] for finding in done.findings}


def test_each_goes_on_where_the_other_has_been(shop: World) -> None:
    publish(shop)
    assert rewritten(shop) >= {"sales", "sales_lines"}
    assert mended(shop) == {7, 13, 300, 301}
    assert differing(shop) == set()
    assert {v.outcome for v in compare(shop.plan, "shop", shop.ports, AT) if v.kind != "counts"} == {Outcome.PASS}

    with admin() as connection:
        connection.execute("UPDATE parity.sales SET amount = amount + 1 WHERE id BETWEEN 20 AND 22")
    assert mended(shop) == {20, 21, 22}
    rewritten(shop)
    assert differing(shop) == set()

    pointer = resolve(shop.ports.store, "parity", "shop")
    for table in shop.plan.group("shop").lake_tables:
        state = shop.ports.lake.state(table.name)
        assert state
        assert pointer.tables[shop.ports.lake.qualified(table.name)] == state.snapshot_id
    assert verify(shop.ports.store, signer=shop.ports.signer).wrong == ()


def test_files_that_are_compacted_after_a_repair_hold_its_rows(shop: World) -> None:
    publish(shop)
    assert mended(shop) == {7, 13, 300, 301}
    before = resolve(shop.ports.store, "parity", "shop")
    assert rewritten(shop) >= {"sales", "sales_lines"}
    after = resolve(shop.ports.store, "parity", "shop")
    assert after.tables != before.tables
    assert after.content == before.content
    assert differing(shop) == set()
    assert mended(shop) == set()
