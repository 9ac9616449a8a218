"""Everything that somebody should know is told once, as long as it stands, and again when it comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.alerts import Alert
from lakeward.domain.decision import Decision, GateDecision, Reason
from lakeward.domain.evidence import Outcome, Pointer, State, Verdict
from lakeward.domain.overview import Need
from lakeward.domain.standing import Card, Decided, GroupCard
from lakeward.ports import StepRecord
from lakeward.spec.models import LandingSpec
from lakeward.steps.status import statuses, tell_alerts

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
CARD = Card(
    "retail",
    "retail.yaml",
    "lift_and_shift",
    "",
    "x",
    "UTC",
    LandingSpec(path="/x"),
    (GroupCard("sales", ("orders",)),),
    (),
)
VERDICT = Verdict(
    "kpi", "revenue", "retail", "sales", "c1", Outcome.FAIL, "h1", "differs", checked=1, failed=1, decided_at=AT
)
DIFFERS = Reason("sales: revenue differs", "sales", "kpi", "revenue", todo="Mend it.", proven=True)
BROKEN = Reason("the chain of records is broken: record 3", kind="evidence", todo="Verify.")


def known(*reasons: Reason, minute: int = 0, ledger: MemoryLedger | None = None) -> MemoryLedger:
    """A ledger of one run whose gate says this."""
    ledger = ledger or MemoryLedger()
    at = AT + timedelta(minutes=minute)
    ledger.record_standing("retail", "", CARD, at)
    pointer = Pointer("retail", "sales", State.LEGACY, 1, "c1", {}, "", AT, "", "")
    ledger.record_standing("retail", "sales", pointer, at)
    decision = GateDecision(Decision.HOLD if reasons else Decision.READY, reasons, (), "e", 0)
    ledger.record_standing("retail", "", Decided("run", "", decision), at)
    outcome = "held" if reasons else "done"
    ledger.record_step(StepRecord("retail", "run", "", "gate", outcome, at, 1.0, 0))
    return ledger


def told(ledger: MemoryLedger, minute: int = 0) -> list[tuple[str, str]]:
    found: list[Alert] = []
    tell_alerts(ledger, "retail", AT + timedelta(minutes=minute), found.append)
    return [(one.kind, one.what) for one in found]


def test_the_same_thing_is_told_once_and_again_when_it_comes_back() -> None:
    ledger = known(DIFFERS)
    assert told(ledger) == [("gate held", DIFFERS.what)]
    assert told(known(DIFFERS, minute=1, ledger=ledger), 1) == []
    assert told(known(minute=2, ledger=ledger), 2) == [
        ("approval wanted", "Everything is proved: somebody may approve the cutover.")
    ]
    assert told(known(DIFFERS, minute=3, ledger=ledger), 3) == [("gate held", DIFFERS.what)]


def test_broken_evidence_and_failed_checks_are_told_by_name() -> None:
    ledger = known(BROKEN, DIFFERS)
    for n in range(7):
        ledger.record_verdict(replace(VERDICT, subject=f"k{n}"))
    ledger.record_verdict(replace(VERDICT, subject="fine", outcome=Outcome.WARN))
    kinds = dict(told(ledger))
    assert set(kinds) == {"gate held", "evidence broken", "verdict failed"}
    assert kinds["evidence broken"] == BROKEN.what
    assert kinds["verdict failed"].startswith("7 checks do not pass: sales: kpi k0 at cut c1, ")
    assert kinds["verdict failed"].endswith("k4 at cut c1 and 2 more")


def test_what_could_not_be_sent_is_sent_the_next_time() -> None:
    ledger = known(DIFFERS)

    def fail(alert: Alert) -> None:
        raise OSError("no route")

    with pytest.raises(OSError, match="no route"):
        tell_alerts(ledger, "retail", AT, fail)
    assert told(ledger) == [("gate held", DIFFERS.what)]


def test_a_migration_without_a_plan_is_told_nothing_of() -> None:
    assert tell_alerts(MemoryLedger(), "retail", AT, print) is None


def test_each_migration_has_its_own_facts() -> None:
    ledger = known(DIFFERS)
    other = replace(CARD, migration="other")
    ledger.record_standing("other", "", other, AT)
    ledger.record_verdict(VERDICT)
    first, second = statuses(ledger, [CARD, other])
    assert (first.need, first.run_key, dict(first.checks)) == (Need.HELD, "run", {Outcome.FAIL: 1})
    assert (second.need, second.run_key, dict(second.checks), second.state) == (Need.NOTHING, "", {}, "not published")
