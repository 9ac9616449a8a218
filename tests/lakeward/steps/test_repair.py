"""Mistakes planted in the real lake and the real source, repaired from the source alone: every verdict passes afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

import pytest
from parity_world import AT, SOURCE, World, admin, world

from lakeward.domain.evidence import Outcome, State
from lakeward.domain.identity import pointer_key
from lakeward.domain.stored import to_json
from lakeward.errors import GateError, UnsupportedError
from lakeward.lab import Lab
from lakeward.reader import resolve
from lakeward.steps.compare import compare
from lakeward.steps.compare_now import compare_now
from lakeward.steps.evidence import verify
from lakeward.steps.repair import repair

RUNS = count()
MISTAKES = {
    "sales": """SELECT * REPLACE (CASE WHEN id = 7 THEN amount + 0.01 WHEN id IN (200, 204) THEN amount + 202 - id ELSE amount END AS amount,
        CASE WHEN id = 24 THEN sold_at + INTERVAL 1 DAY ELSE sold_at END AS sold_at, CASE WHEN id = 30 THEN 'lost' ELSE status END AS status)
        FROM rows WHERE id NOT IN (13, 14) UNION ALL SELECT * FROM rows WHERE id BETWEEN 50 AND 52
        UNION ALL SELECT * REPLACE (9000 AS id) FROM rows WHERE id = 99""",
    "sales_lines": """SELECT * REPLACE (CASE WHEN sales_id = 301 THEN price + 1 ELSE price END AS price) FROM rows WHERE sales_id <> 302
        UNION ALL SELECT * FROM rows WHERE sales_id = 303""",
}


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("repair"), uuid4().hex) as found:
        yield found


def lay(shop: World, changed: dict[str, str]) -> None:
    """Lay the tables anew, with mistakes."""
    shop.publish(changed, f"{next(RUNS):04}")


def failed(shop: World) -> set[str]:
    found = (*compare(shop.plan, "shop", shop.ports, AT), *compare_now(shop.plan, shop.ports, datetime.now(UTC)))
    return {f"{v.kind} {v.subject}" for v in found if v.outcome is not Outcome.PASS and v.kind != "counts"}


def test_every_mistake_of_the_lake_is_repaired_in_one_commit(shop: World) -> None:
    lay(shop, MISTAKES)
    assert failed(shop) >= {"rows sales", "rows sales_lines", "kpi revenue", "kpi lines"}
    before = resolve(shop.ports.store, "parity", "shop")
    plan = repair(shop.plan, "shop", shop.ports, AT, "ann")
    assert (plan.done, resolve(shop.ports.store, "parity", "shop")) == ("", before), "a dry run changes nothing"
    keys = {f.key[0] for f in plan.findings}
    assert keys == {7, 13, 14, 24, 30, 50, 51, 52, 200, 204, 301, 302, 303, 9000}
    assert {m.table: m.keys for m in plan.mended} == {"sales": 14, "sales_lines": 14, "sales_fees": 14}
    done = repair(shop.plan, "shop", shop.ports, AT, "ann", dry_run=False)
    assert (done.left, done.whole, done.settled) == ((), True, True)
    after = resolve(shop.ports.store, "parity", "shop")
    assert after.version == before.version + 1
    assert (after.moved_by, after.state, after.cut_id) == ("ann", State.LEGACY, before.cut_id)
    changed = {name for name in after.tables if after.tables[name] != before.tables[name]}
    assert changed == {shop.ports.lake.qualified(name) for name in ("sales", "sales_lines", "sales_fees")}
    assert failed(shop) == set()
    images = shop.ports.engine.table(
        f"SELECT count(*) AS n, count(*) FILTER (WHERE id = 9000) AS extra FROM read_parquet('{done.images[0]}')", {}
    ).to_pylist()
    assert images == [{"n": 15, "extra": 1}], "of 13 and 14 the lake had no row, of 50 to 52 it had two"
    assert repair(shop.plan, "shop", shop.ports, AT, "ann", dry_run=False).findings == ()
    assert verify(shop.ports.store, signer=shop.ports.signer).wrong == ()


def test_what_has_changed_at_the_source_is_carried_over(shop: World) -> None:
    lay(shop, {})
    try:
        with admin() as connection:
            connection.execute(
                'UPDATE parity.sales SET amount = amount + 1, payload = payload || \'{"channel": "post"}\' WHERE id = 77'
            )
            connection.execute("DELETE FROM parity.sales WHERE id = 78")
            connection.execute(
                "INSERT INTO parity.sales SELECT 700, status, sold_at, shipped_on, amount, email, payload FROM parity.sales WHERE id = 79"
            )
        done = repair(shop.plan, "shop", shop.ports, AT, "ann", dry_run=False, tables=["sales"])
        assert {f.key for f in done.findings} == {(77,), (78,), (700,)}
        assert done.settled
        verdicts = compare_now(shop.plan, shop.ports, datetime.now(UTC))
        assert {v.subject for v in verdicts if v.failed} == set()
        assert {v.subject for v in compare(shop.plan, "shop", shop.ports, AT) if v.failed} >= {"sales", "revenue"}, (
            "the cut stays what it was"
        )
    finally:
        with admin() as connection:
            connection.execute(SOURCE)


def test_rows_without_a_key_and_what_readers_use_are_refused_by_name(shop: World) -> None:
    lay(shop, {"visits": "SELECT * FROM rows UNION ALL (SELECT * FROM rows LIMIT 1)"})
    with pytest.raises(UnsupportedError, match=r"parity.visits has no key"):
        repair(shop.plan, "shop", shop.ports, AT, "ann")
    assert repair(shop.plan, "shop", shop.ports, AT, "ann", tables=["sales"]).findings == ()
    pointer = resolve(shop.ports.store, "parity", "shop")
    shop.ports.store.put(pointer_key("parity", "shop"), to_json(replace(pointer, state=State.READERS)))
    with pytest.raises(GateError, match="state readers"):
        repair(shop.plan, "shop", shop.ports, AT, "ann")
