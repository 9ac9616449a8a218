"""Hold, ready or roll back, by a real source and a real lake: open and closed periods, what voids a verdict, looks after a cutover."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from parity_world import AT, World, admin, world

from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.acceptance import Acceptance
from lakeward.domain.decision import Decision, GateDecision
from lakeward.domain.dialect import Dialect
from lakeward.domain.dossier import render
from lakeward.domain.evidence import Outcome, Pointer, State, Verdict
from lakeward.domain.identity import pointer_key
from lakeward.domain.stored import from_json, to_json
from lakeward.domain.zone_rules import disputed, rules_sql
from lakeward.errors import SourceError
from lakeward.lab import Lab
from lakeward.steps import compare as comparing
from lakeward.steps.accept import keep_acceptance, propose
from lakeward.steps.compare import compare
from lakeward.steps.compare_now import compare_now
from lakeward.steps.dossier import collect
from lakeward.steps.gate import collect_evidence, evaluate, judge, judge_group
from lakeward.steps.validate import validate

RUNS = count(1)
SOURCE = """
DROP SCHEMA IF EXISTS parity CASCADE;
CREATE SCHEMA parity;
CREATE TABLE parity.sales (id bigint PRIMARY KEY, sold_at timestamptz, amount numeric(14,2));
INSERT INTO parity.sales SELECT i, now() - i * interval '1 day', i FROM generate_series(0, 40) i WHERE i <> 5;
GRANT USAGE ON SCHEMA parity TO lakeward_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA parity TO lakeward_reader;
"""
FILE = """
version: 1
migration: parity
pattern: lift_and_shift
source: {connection: retail_source}
target: {connection: lakehouse, namespace: decision_ns}
landing: {path: ./the-landing-zone}  # a name that is part of the names of files, too
groups: [{name: shop, tables: [{table: parity.sales, prove_rows: false}]}]
kpis: [{name: revenue, table: sales, measure: sum(amount), date: sold_at}]
calendar: {closed_after: 1d}
gate: {closed_periods: {day: 14, week: 2}}
"""


def cent_more(number: int) -> dict[str, str]:
    return {"sales": f"SELECT * REPLACE (amount + CASE WHEN id = {number} THEN 0.01 ELSE 0 END AS amount) FROM rows"}


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("decision"), uuid4().hex, SOURCE, FILE) as found:
        yield found


def pointer(shop: World) -> Pointer:
    found = shop.ports.store.get(pointer_key("parity", "shop"))
    assert found is not None
    return from_json(Pointer, found[0])


def point(shop: World, to: Pointer) -> None:
    shop.ports.store.put(pointer_key("parity", "shop"), to_json(to))


def proved(shop: World, changed: dict[str, str] | None = None) -> GateDecision:
    """The gate's decision on the lake with these mistakes, all checks made."""
    shop.publish(changed, f"{next(RUNS):04}")
    validate(shop.plan, "shop", shop.ports, AT)
    compare(shop.plan, "shop", shop.ports, AT)
    return evaluate(shop.plan, shop.ports)


def decided(shop: World) -> GateDecision:
    return judge(shop.plan, shop.ports, collect_evidence(shop.plan, shop.ports))


def revenue(shop: World) -> Verdict:
    return next(v for v in collect_evidence(shop.plan, shop.ports).verdicts if v.kind == "kpi")


def test_so_many_closed_periods_in_a_row_make_it_ready(shop: World) -> None:
    decision = proved(shop)
    assert decision.decision is Decision.READY, decision.reasons
    assert [(s.grain, s.passed, s.wanted) for s in decision.streaks] == [("day", 14, 14), ("week", 2, 2)]
    latest = shop.manifest.taken_at - timedelta(days=2)
    assert decision.streaks[0].latest == latest.date().isoformat()
    verdict = revenue(shop)
    assert verdict.open > 0
    assert verdict.open_failed == 0
    assert verdict.open_from["day"] == (latest + timedelta(days=1)).date().isoformat()
    assert {"cut", "snapshot", "rule", "kpi", "calendar", "figures"} <= set(verdict.basis)
    assert judge_group(shop.plan, "shop", shop.ports, AT).decision is Decision.READY
    elsewhere = replace(shop.ports, ledger=MemoryLedger())  # another scheduler, or one that has lost its memory
    assert judge(shop.plan, elsewhere, collect_evidence(shop.plan, elsewhere)) == decision


def test_a_difference_in_an_open_period_is_shown_and_decides_nothing(shop: World) -> None:
    decision = proved(shop, cent_more(0))
    assert decision.decision is Decision.READY, decision.reasons
    verdict = revenue(shop)
    assert (verdict.outcome, verdict.failed) == (Outcome.PASS, 0)
    assert verdict.open_failed >= 4  # day, week, month, total
    assert all(finding.open for finding in verdict.findings)
    assert "of open periods" in verdict.summary
    page = render(collect(shop.plan, shop.ports))
    assert f"{shop.manifest.taken_at.date()} (open)" in page
    assert "14 of 14 closed days" in page


def test_a_closed_day_that_differs_ends_the_row_and_holds(shop: World) -> None:
    decision = proved(shop, cent_more(8))
    assert decision.decision is Decision.HOLD
    days = decision.streaks[0]
    day = (shop.manifest.taken_at - timedelta(days=8)).date().isoformat()
    assert (days.passed, days.why) == (6, f"{day} differs")
    reason = next(r for r in decision.why if r.kind == "kpi" and r.proven)
    assert (reason.group, reason.subject, reason.since) == ("shop", "revenue", AT)
    assert "--drill" in reason.todo
    assert f"shop: revenue: 6 of 14 closed days, back from {days.latest}; {day} differs" in decision.reasons


def test_differences_that_are_accepted_break_no_row_and_are_shown(shop: World) -> None:
    assert not proved(shop, cent_more(8)).open
    verdict = revenue(shop)
    until = AT.date() + timedelta(days=300)
    wanted = Acceptance("parity", "shop", "kpi", "revenue", "controlling", "rounded", until, "Ann", AT, ())
    proposed, left = propose(shop.plan, verdict, wanted, shop.ports)
    assert left.settled, "the open periods of the figure need nobody's word"
    keep_acceptance(shop.ports, proposed)
    decision = judge(shop.plan, shop.ports, collect_evidence(shop.plan, shop.ports), AT)
    assert decision.decision is Decision.READY, decision.reasons
    assert any("accepted by Ann for controlling" in warning for warning in decision.warnings)
    assert {s.passed for s in decision.streaks} == {14, 2}
    expired = judge(shop.plan, shop.ports, collect_evidence(shop.plan, shop.ports), AT + timedelta(days=301))
    assert expired.decision is Decision.HOLD
    assert expired.streaks[0].passed == 6


def test_other_content_voids_and_says_why_until_it_is_measured_again(shop: World) -> None:
    assert proved(shop).open
    before = pointer(shop)
    after = shop.publish(None, f"{next(RUNS):04}")  # as a repair does: other snapshots of the same cut
    later = replace(after, moved_at=AT + timedelta(hours=1))
    point(shop, later)
    decision = decided(shop)
    table = shop.ports.lake.qualified("sales")
    assert decision.decision is Decision.HOLD
    void = next(r for r in decision.why if r.kind == "kpi")
    assert f"snapshot {before.tables[table]} became {after.tables[table]}" in void.what
    assert void.since == later.moved_at
    assert not void.proven
    assert {(s.passed, s.why) for s in decision.streaks} == {(0, "not measured")}
    compare(shop.plan, "shop", shop.ports, AT)
    assert decided(shop).open


def test_a_commit_on_top_of_the_cut_holds_and_one_that_changed_no_rows_does_not(shop: World) -> None:
    assert proved(shop).open
    before = pointer(shop)
    shop.publish(cent_more(3), f"{next(RUNS):04}")
    point(shop, before)
    decision = decided(shop)
    (reason,) = decision.why
    assert "changed rows on top of the cut's" in reason.what
    assert reason.since is not None
    assert reason.since > datetime(2026, 1, 1, tzinfo=UTC)
    point(shop, replace(before, state=State.WRITERS, previous=State.LEGACY))
    assert decided(shop).decision is Decision.READY, "after the cutover it is the lake that is written to"


def test_a_snapshot_that_was_expired_voids_what_was_proved_on_it(shop: World) -> None:
    assert proved(shop).open
    before = pointer(shop)
    table = shop.ports.lake.qualified("sales")
    gone = replace(before, tables=before.tables | {table: 12345}, origins={table: before.tables[table]})
    point(shop, gone)
    decision = decided(shop)
    assert decision.decision is Decision.HOLD
    assert any(f"{table} has lost snapshot 12345" in reason for reason in decision.reasons)
    point(shop, replace(gone, state=State.WRITERS, previous=State.LEGACY))
    assert decided(shop).decision is Decision.ROLL_BACK


def test_a_changed_rule_voids_since_the_run_was_planned(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert proved(shop).open
    monkeypatch.setattr(comparing, "RULE_VERSION", "next")
    void = next(r for r in decided(shop).why if r.kind == "kpi")
    assert "figures are compared by rule next, it was" in void.what
    assert void.since == shop.plan.planned_at


def test_after_the_cutover_a_failing_look_means_to_roll_back_until_one_is_good(shop: World) -> None:
    assert proved(shop).open
    over = replace(pointer(shop), state=State.WRITERS, previous=State.LEGACY, moved_at=AT + timedelta(hours=1))
    point(shop, over)
    assert decided(shop).decision is Decision.READY
    with admin() as connection:
        connection.execute("UPDATE parity.sales SET amount = amount + 1 WHERE id = 30")
    for minutes in (61, 62):
        compare_now(shop.plan, shop.ports, AT + timedelta(minutes=minutes))
    decision = decided(shop)
    assert decision.decision is Decision.ROLL_BACK
    (reason,) = decision.why
    assert reason.since == AT + timedelta(minutes=61), "since the first of those that failed in a row"
    assert "cutover" in reason.todo
    with admin() as connection:
        connection.execute("UPDATE parity.sales SET amount = amount - 1 WHERE id = 30")
    late = shop.manifest.taken_at.date() - timedelta(days=20)
    compare_now(shop.plan, shop.ports, AT + timedelta(minutes=63), since=late)
    assert decided(shop).decision is Decision.ROLL_BACK, "only the last periods were looked at"
    compare_now(shop.plan, shop.ports, AT + timedelta(minutes=64))
    assert decided(shop).decision is Decision.READY
    point(shop, replace(over, moved_at=AT))
    assert decided(shop).decision is Decision.READY


def test_a_new_cut_of_the_same_window_voids_what_the_one_before_proved(lab: Lab, tmp_path: Path) -> None:
    text = FILE.replace("decision_ns", "decision_again_ns")
    with world(tmp_path, uuid4().hex, SOURCE, text) as first:
        assert proved(first).open
    with world(tmp_path, uuid4().hex, SOURCE, text.replace("sum(amount)", "sum(amount * 2)")) as second:
        published = second.publish(None, f"{next(RUNS):04}")
        validate(second.plan, "shop", second.ports, AT)
        void = {r.kind: r for r in decided(second).why if r.since}
        assert set(void) == {"kpi", "counts"}
        was, is_now = first.plan.group("shop").cut_id, second.plan.group("shop").cut_id
        assert f"cut {is_now} has replaced cut {was}; the KPI is declared otherwise" in void["kpi"].what
        assert void["kpi"].since == published.moved_at
        compare(second.plan, "shop", second.ports, AT)
        assert decided(second).open


def test_days_on_which_the_clocks_of_the_two_sides_disagree_are_an_error_and_no_difference(
    lab: Lab, tmp_path: Path
) -> None:
    """British Columbia gave up changing its clocks: servers learn that at different times."""
    zone = FILE.replace("calendar: {closed_after: 1d}", "calendar: {time_zone: America/Vancouver}")
    source = f"{SOURCE}; INSERT INTO parity.sales VALUES (100, '2027-01-15 07:30:00+00', 1), (101, '2025-06-01', 1)"
    with world(tmp_path, uuid4().hex, source, zone.replace("decision_ns", "decision_zone_ns")) as shop:
        shop.publish(None, "0001")
        calendar = shop.plan.migration.calendar
        taken = shop.ports.source.query(rules_sql(calendar, Dialect.POSTGRES)).to_pylist()
        lake = shop.ports.engine.table(rules_sql(calendar, Dialect.DUCKDB), {}).to_pylist()
        pairs = [[(row["since"], row["ahead"]) for row in side] for side in (taken, lake)]
        apart = any(first.isoformat() <= "2027-01-15" <= last.isoformat() for first, last in disputed(*pairs))
        if not apart:
            assert all(v.outcome is Outcome.PASS for v in compare(shop.plan, "shop", shop.ports, AT))
            return
        for measure in (
            lambda: compare(shop.plan, "shop", shop.ports, AT),
            lambda: compare_now(shop.plan, shop.ports, AT),
        ):
            with pytest.raises(SourceError, match="America/Vancouver shows other clock times"):
                measure()
        assert revenue(shop).outcome is Outcome.ERROR
        shop.publish(cent_more(101), "0002")
        (wrong,) = [v for v in compare(shop.plan, "shop", shop.ports, AT) if v.kind == "kpi"]
        assert wrong.outcome is Outcome.FAIL, "another day differs too, on which nobody disputes"
