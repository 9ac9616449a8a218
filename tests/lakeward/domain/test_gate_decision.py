"""Hold, ready or roll back, with reasons that tell what, where, since when and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from gate_support import AT, SHOW, evidence, expected, with_verdict

from lakeward.domain.acceptance import Acceptance, Difference
from lakeward.domain.accepted import Explained, Explanations, place_of
from lakeward.domain.decision import Decision, Streak
from lakeward.domain.evidence import Evidence, Finding, Outcome
from lakeward.domain.gate import Check, Past, decide


def failing(kind: str = "kpi", outcome: Outcome = Outcome.FAIL) -> tuple[Evidence, list[Check]]:
    found = evidence()
    number = next(n for n, v in enumerate(found.verdicts) if v.kind == kind)
    findings = (
        Finding("sales_0", "source-lake", "day", "2026-11-21", open=True),
        Finding("sales_0", "source-lake", "day", "2026-11-01", expected="1.00", found="1.01"),
    )
    bad = replace(found.verdicts[number], outcome=outcome, failed=2, findings=findings, summary="2 cells differ")
    return with_verdict(found, number, bad), expected(found)


def test_a_reason_tells_what_where_since_when_and_what_to_do() -> None:
    (reason,) = decide(failing()[0], SHOW, failing()[1]).why
    assert (reason.group, reason.kind, reason.subject, reason.grain) == ("sales", "kpi", "sales_0", "day")
    assert reason.period == "2026-11-01", "that of a closed period"
    assert (reason.since, reason.proven) == (AT, True)
    assert reason.todo
    assert str(reason).endswith("(since 2026-11-22 12:00:00Z)")


@pytest.mark.parametrize(
    ("outcome", "before", "after"),
    [
        (Outcome.FAIL, Decision.HOLD, Decision.ROLL_BACK),
        (Outcome.ERROR, Decision.HOLD, Decision.HOLD),
        (Outcome.WARN, Decision.READY, Decision.READY),
        (Outcome.PASS, Decision.READY, Decision.READY),
    ],
)
def test_only_a_proven_difference_after_the_cutover_means_to_roll_back(
    outcome: Outcome, before: Decision, after: Decision
) -> None:
    found, wanted = failing(outcome=outcome)
    assert decide(found, SHOW, wanted).decision is before
    assert decide(found, SHOW, wanted, cut_over=True).decision is after


def test_progress_that_is_short_holds_and_is_told() -> None:
    found = evidence()
    short = Streak("sales", "sales_0", "day", 11, 14, "2026-11-20", "2026-11-09 differs")
    whole = Streak("sales", "sales_0", "week", 2, 2, "2026-11-09")
    decision = decide(found, SHOW, expected(found), streaks=[short, whole])
    assert decision.decision is Decision.HOLD
    assert decision.reasons == ("sales: sales_0: 11 of 14 closed days, back from 2026-11-20; 2026-11-09 differs",)
    assert decision.streaks == (short, whole)
    assert decide(found, SHOW, expected(found), streaks=[short], cut_over=True).decision is Decision.HOLD


def accepted(of: Evidence, *, open_too: bool = False) -> Explanations:
    by = Acceptance(
        "retail", "sales", "kpi", "sales_0", "controlling", "late invoices", date(2027, 1, 1), "Ann", AT, ()
    )
    left = (Difference("figure", "day", "2026-11-01"),) if open_too else ()
    return {place_of(v): Explained(((by, 2),), left, ()) for v in of.verdicts if v.subject == "sales_0"}


def test_a_failure_holds_unless_every_difference_is_accepted() -> None:
    found, wanted = failing()
    whole = decide(found, SHOW, wanted, explained=accepted(found))
    assert whole.decision is Decision.READY
    assert any("accepted by Ann for controlling until 2027-01-01" in warning for warning in whole.warnings)
    part = decide(found, SHOW, wanted, explained=accepted(found, open_too=True), cut_over=True)
    assert part.decision is Decision.ROLL_BACK
    assert "1 difference open" in part.reasons[0]


def test_what_could_not_be_measured_is_never_accepted() -> None:
    found, wanted = failing(outcome=Outcome.ERROR)
    assert not decide(found, SHOW, wanted, explained=accepted(found)).open


def test_a_void_verdict_is_told_with_its_reason_and_since_when() -> None:
    found = evidence()
    number, published = 2, AT + timedelta(hours=1)
    gone = found.verdicts[number]
    less = replace(found, verdicts=tuple(v for v in found.verdicts if v is not gone))
    wanted = [replace(c, basis={"cut": "c2", "rule": "3"}) if c.subject == gone.subject else c for c in expected(found)]
    past = [
        replace(gone, cut_id="older", basis={"cut": "c0", "rule": "3"}),
        replace(gone, cut_id="old", basis={"cut": "c1", "rule": "3"}),
        replace(gone, outcome=Outcome.ERROR, basis={"cut": "c3", "rule": "3"}),
    ]
    decision = decide(less, SHOW, wanted, past=Past(tuple(past), {"sales": published}, AT))
    (reason,) = decision.why
    assert "cut c2 has replaced cut c1" in reason.what
    assert (reason.since, reason.proven) == (published, False)
    ruled = [replace(c, basis={"cut": "c1", "rule": "4"}) if c.basis else c for c in wanted]
    (reason,) = decide(less, SHOW, ruled, past=Past(tuple(past[:2]), {"sales": published}, AT)).why
    assert "compared by rule 4, it was 3" in reason.what
    assert reason.since == AT
