"""Figures by SQL written by hand: asked of the landing too, and followed to rows of the tables, or to rows that the texts give."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from parity_world import AT, FILE, SOURCE, World, admin, world

from lakeward.domain.evidence import Finding, Outcome, Verdict
from lakeward.lab import Lab
from lakeward.steps.compare import compare
from lakeward.steps.compare_now import compare_now
from lakeward.steps.drill import drill_all
from lakeward.steps.recheck import Recheck

HAND = """
  - name: paid
    table: sales
    sql:
      source: SELECT s.shipped_on AS day, s.amount * 2 AS twice, v.cents FROM parity.sales s LEFT JOIN (SELECT min(cents) AS cents FROM parity.visits) v ON true WHERE s.status = 'paid'
      lake: SELECT shipped_on AS day, amount * 2 AS twice, v.cents FROM sales LEFT JOIN (SELECT min(cents) AS cents FROM visits) v ON true WHERE status = 'paid'
      columns: {day: date, twice: "decimal(16,2)", cents: int}
    measure: sum(twice)
    date: day
    grains: [month]
  - name: lines_by_hand
    table: sales_lines
    sql:
      source: SELECT id FROM parity.sales WHERE status <> 'open'
      lake: SELECT id FROM sales WHERE status = 'paid'
      columns: {id: long}
    measure: count()
calendar:"""
CENT = "SELECT * REPLACE (amount + CASE WHEN id = 8 THEN 0.01 ELSE 0 END AS amount) FROM rows"


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hand"), uuid4().hex, text=FILE.replace("\ncalendar:", HAND)) as found:
        yield found


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    with admin() as connection:
        connection.execute(SOURCE.encode())


def told(findings: tuple[Finding, ...]) -> set[tuple[object, ...]]:
    return {(f.table, f.key, f.column, f.expected, f.found) for f in findings}


def by_name(verdicts: tuple[Verdict, ...]) -> dict[str, Verdict]:
    return {v.subject: v for v in verdicts if v.kind == "kpi"}


def test_a_wrong_cell_is_named_with_the_figure_that_it_enters(shop: World) -> None:
    shop.publish({"sales": CENT}, run="0001")
    verdicts = compare(shop.plan, "shop", shop.ports, AT)
    paid = by_name(verdicts)["paid"]
    assert (paid.outcome, paid.findings[0].leg) == (Outcome.FAIL, "landing-lake")
    assert "the landing still gives the source's figures" in paid.summary
    drilled = {v.subject: found for v, found in drill_all(shop.plan, verdicts, shop.ports, now=False)}
    assert [(f.key, f.column, f.kpis) for f in drilled["sales"]] == [((8,), "amount", ("revenue", "paid"))]
    assert drilled["paid"] == (), "the verdict on the table has named the row"
    again = compare_now(shop.plan, shop.ports, AT, kpis=["paid"])
    for found, now in ((again, True), ((paid,), False)):
        ((_, rows),) = drill_all(shop.plan, found, shop.ports, now=now)
        assert told(rows) == {("sales", (8,), "amount", "-0.04", "-0.03")}


def test_texts_that_say_different_things_are_told_and_no_recheck_settles_them(shop: World) -> None:
    shop.publish({"sales": "SELECT * FROM rows WHERE id <> 8"}, run="0002")
    verdicts = compare(shop.plan, "shop", shop.ports, AT)
    drilled = {v.subject: found for v, found in drill_all(shop.plan, verdicts, shop.ports, now=False)}
    assert {f.key for f in drilled["lines_by_hand"]} == {(8,), ()}, (
        "a row that the lake lacks explains the rows, not the texts"
    )
    shop.publish(run="0003")
    verdict = by_name(compare(shop.plan, "shop", shop.ports, AT))["lines_by_hand"]
    assert (verdict.outcome, verdict.findings[0].leg) == (Outcome.FAIL, "source-landing")
    assert "both texts say different things" in verdict.summary
    later = Recheck(timedelta(seconds=1), lambda _: None)
    verdicts = compare_now(shop.plan, shop.ports, datetime.now(UTC), recheck=later)
    assert {v.subject for v in verdicts if v.failed} == {"lines_by_hand"}
    rows = drill_all(shop.plan, verdicts, shop.ports, now=True)
    found = next(f for v, f in rows if v.subject == "lines_by_hand")
    assert {f.kind for f in found} == {"missing"}
    assert {int(str(f.values["id"])) % 4 for f in found} == {2}, "every fourth sale has an empty status"
    assert "by the SELECTs of `sql`" in found[0].message
