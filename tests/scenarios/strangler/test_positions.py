"""The gate of a strangler fig decides on what its tenures have compared, each at a position of the log, while changes go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyiceberg.catalog import load_catalog
from strangler import Shop, now

from lakeward.adapters.connections import from_environment
from lakeward.adapters.iceberg import properties_from
from lakeward.domain.changes import spelled
from lakeward.domain.decision import GateDecision
from lakeward.domain.evidence import Evidence
from lakeward.domain.facts import Plan
from lakeward.domain.identity import sealed_key
from lakeward.domain.stored import from_json
from lakeward.errors import DataError, GateError
from lakeward.lab import Lab
from lakeward.steps.check import check_file
from lakeward.steps.compact import compact
from lakeward.steps.compared import judge_compared
from lakeward.steps.gate import evaluate
from lakeward.steps.holdings import look


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop that was loaded, and whose gate asks for closed days."""
    one = Shop(lab, tmp_path_factory.mktemp("shop"))
    one.file.write_text(f"{one.file.read_text()}gate: {{closed_periods: {{day: 3}}}}\n")
    one.load()
    yield one
    one.close()


def judged(shop: Shop) -> tuple[Plan, GateDecision]:
    with shop.ports() as ports:
        return judge_compared(check_file(shop.file), ports, now())


def test_it_waits_for_a_comparison_and_decides_on_the_newest(shop: Shop) -> None:
    with pytest.raises(GateError, match="not compared since its initial load"):
        judged(shop)
    shop.run("UPDATE orders SET total = total + 1 WHERE id = 7")
    assert shop.serve().equal
    plan, decision = judged(shop)
    assert decision.open, decision.reasons
    assert [(s.kpi, s.passed, s.wanted) for s in decision.streaks] == [("revenue", 3, 3)]
    pointer = shop.pointer()
    assert pointer.compared
    with shop.ports() as ports:
        found = ports.store.get(sealed_key(shop.name, decision.evidence_hash))
    evidence = from_json(Evidence, found[0] if found else b"")
    assert evidence.cuts == {"sales": pointer.compared.cut_id}
    assert evidence.tables == {"sales": pointer.compared.tables}
    assert {v.basis["position"] for v in evidence.verdicts if v.kind != "records"} == {spelled(pointer.position)}
    assert {v.kind for v in evidence.verdicts} == {"counts", "kpi", "records", "rows"}

    shop.run("UPDATE orders SET total = total + 1 WHERE id = 8")
    assert shop.serve().equal
    with shop.ports() as ports, pytest.raises(GateError, match="is published at cut"):
        evaluate(plan, ports, now())
    newer, again = judged(shop)
    assert again.open
    assert newer.run_key != plan.run_key
    assert again.evidence_hash != decision.evidence_hash


def test_neither_compaction_nor_what_is_applied_since_changes_what_was_proved(shop: Shop) -> None:
    for n in range(2):
        shop.run(f"UPDATE orders SET status = 'c{n}' WHERE id % 9 = {n}")
        assert shop.serve().equal
    _, before = judged(shop)
    with shop.ports() as ports:
        compact(shop.plan(ports), "sales", ports, now())
    assert judged(shop)[1].evidence_hash == before.evidence_hash
    shop.run("UPDATE orders SET placed_at = 'infinity' WHERE id = 6")
    with pytest.raises(DataError):  # applied, the row in quarantine, and not compared
        shop.serve()
    with pytest.raises(GateError, match="has not ended, or could not be made"):
        judged(shop)
    shop.run(
        "UPDATE orders SET placed_at = '2026-01-01Z' WHERE id = 6", "UPDATE orders SET payload = large(6) WHERE id = 6"
    )
    assert shop.serve().equal
    with shop.ports() as ports:
        pinned = look(ports.store, shop.name).pinned
    compared = shop.pointer().compared
    assert compared
    assert all(snapshot in pinned[name] for name, snapshot in compared.tables.items())


def test_a_difference_is_followed_to_the_row_and_holds_the_gate(shop: Shop) -> None:
    shop.run("UPDATE orders SET payload = '{\"channel\": 7}' WHERE id = 5")
    done = shop.serve()
    assert not done.equal
    _, decision = judged(shop)
    assert not decision.open
    assert decision.quarantined == 1
    assert any(reason.proven and reason.subject == "revenue" for reason in decision.why)
    counts = next(v for v in done.verdicts if v.kind == "counts")
    assert counts.outcome == "pass", counts.summary  # the row is in quarantine, not lost
    shop.run("UPDATE orders SET payload = large(5) WHERE id = 5")
    assert shop.serve().equal
    assert judged(shop)[1].open


def test_a_commit_of_somebody_else_holds_it(shop: Shop) -> None:
    assert judged(shop)[1].open
    table = load_catalog("lake", **properties_from(from_environment("lakehouse"))).load_table(f"{shop.name}.customers")
    table.append(table.scan(limit=1).to_arrow())
    _, decision = judged(shop)
    assert ["changed rows on top of the cut's" in str(reason) for reason in decision.why] == [True]
