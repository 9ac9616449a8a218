"""The gate opens on complete and good evidence only, and its hash binds to every part of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from gate_support import AT, SHOW, evidence, expected, with_verdict
from hypothesis import given
from hypothesis import strategies as st

from lakeward.domain.evidence import Evidence, Outcome, Verdict
from lakeward.domain.file_facts import FileFact
from lakeward.domain.gate import Check, canonical, changes, decide, evidence_hash
from lakeward.domain.stored import from_json
from lakeward.spec.models import GateSpec


def test_complete_and_good_evidence_opens_it() -> None:
    found = evidence()
    decision = decide(found, SHOW, expected(found))
    assert decision.open
    assert (decision.reasons, decision.warnings, decision.quarantined) == ((), (), 0)
    assert decision.evidence_hash == evidence_hash(found)
    assert len(decision.evidence_hash) == 64


@given(st.data())
def test_removing_any_verdict_closes_it_and_changes_the_hash(data: st.DataObject) -> None:
    found = evidence(data.draw(st.integers(1, 4)))
    wanted = expected(found)
    gone = data.draw(st.sets(st.integers(0, len(found.verdicts) - 1), min_size=1))
    less = replace(found, verdicts=tuple(v for n, v in enumerate(found.verdicts) if n not in gone))
    decision = decide(less, SHOW, wanted)
    assert not decision.open
    assert len(decision.reasons) == len(gone)
    assert all(any(str(wanted[n]) in reason for reason in decision.reasons) for n in gone)
    assert decision.evidence_hash != evidence_hash(found)
    assert changes(found, less)


ALTERED = {
    "kind": "other",
    "subject": "other",
    "group": "other",
    "cut_id": "other",
    "migration": "other",
    "outcome": Outcome.FAIL,
    "inputs_hash": "other",
    "summary": "other",
    "checked": 11,
    "failed": 1,
    "decided_at": AT + timedelta(microseconds=1),
    "findings": (),
    "files": (FileFact("s3://x/y", 1, 2, "abd"),),
    "whole": False,
    "open": 1,
    "open_failed": 1,
    "open_from": {"day": "2026-11-22"},
    "basis": {"cut": "other"},
}
CLOSING = {"kind", "subject", "group", "cut_id", "outcome", "inputs_hash"}


@given(st.integers(0, 7), st.sampled_from(sorted(ALTERED)))
def test_altering_any_part_of_a_verdict_changes_the_hash(number: int, name: str) -> None:
    found = evidence()
    other = with_verdict(found, number, replace(found.verdicts[number], **{name: ALTERED[name]}))
    decision = decide(other, SHOW, expected(found))
    assert decision.evidence_hash != evidence_hash(found)
    assert decision.open == (name not in CLOSING)
    assert changes(found, other)


def test_every_part_of_a_verdict_is_tried_above() -> None:
    assert set(ALTERED) == set(Verdict.__slots__)


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_evidence_was_collected_does_not_matter(random: Random) -> None:
    found = evidence()

    def shuffled(items: list[str]) -> list[str]:
        return random.sample(items, len(items))

    other = replace(
        found,
        verdicts=tuple(random.sample(found.verdicts, len(found.verdicts))),
        cuts={g: found.cuts[g] for g in shuffled(list(found.cuts))},
        tables={
            g: {t: found.tables[g][t] for t in shuffled(list(found.tables[g]))} for g in shuffled(list(found.tables))
        },
        rows={g: {t: found.rows[g][t] for t in shuffled(list(found.rows[g]))} for g in shuffled(list(found.rows))},
    )
    assert evidence_hash(other) == evidence_hash(found)
    assert changes(found, other) == ()


@pytest.mark.parametrize(
    "other",
    [
        replace(evidence(), run_key="x"),
        replace(evidence(), migration="x"),
        replace(evidence(), file_hash="x"),
        replace(evidence(), version="x"),
        replace(evidence(), cuts={"sales": "x", "stock": "cut-stock"}),
        replace(evidence(), tables={**evidence().tables, "sales": {"lake.sales": 9, "lake.sales_lines": 8}}),
        replace(evidence(), rows={**evidence().rows, "sales": {"sales": (11, 11, 0), "sales_lines": (30, 30, 0)}}),
    ],
)
def test_every_other_part_enters_the_hash(other: Evidence) -> None:
    assert evidence_hash(other) != evidence_hash(evidence())


def test_the_hash_can_be_taken_again_from_what_was_stored() -> None:
    found = evidence()
    assert evidence_hash(from_json(Evidence, canonical(found))) == evidence_hash(found)


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR])
@pytest.mark.parametrize("number", range(8))
def test_fail_and_error_close_it(number: int, outcome: Outcome) -> None:
    found = evidence()
    bad = with_verdict(found, number, replace(found.verdicts[number], outcome=outcome, summary="1 cell differs"))
    decision = decide(bad, SHOW, expected(found))
    assert not decision.open
    assert [r for r in decision.reasons if outcome.value in r and "1 cell differs" in r]


def test_a_warning_is_shown_or_holds_as_the_file_says() -> None:
    found = evidence()
    warned = with_verdict(found, 0, replace(found.verdicts[0], outcome=Outcome.WARN, summary="odd"))
    shown, held = (decide(warned, GateSpec(warnings=way), expected(found)) for way in ("show", "hold"))
    assert shown.open
    assert [w for w in shown.warnings if "odd" in w]
    assert not held.open
    assert [r for r in held.reasons if "odd" in r]


def test_quarantined_rows_need_acceptance_or_hold_as_the_file_says() -> None:
    found = evidence()
    aside = replace(found, rows={**found.rows, "sales": {"sales": (10, 7, 3), "sales_lines": (30, 30, 0)}})
    accepted, held = (decide(aside, GateSpec(quarantine=way), expected(found)) for way in ("accept", "hold"))
    assert accepted.open
    assert accepted.quarantined == held.quarantined == 3
    assert [w for w in accepted.warnings if "3 rows are quarantined" in w]
    assert not held.open
    (named,) = decide(aside, GateSpec(quarantine="hold"), expected(found), aside=["sales 7: total: no number"]).reasons
    assert named.endswith("(sales 7: total: no number)")


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_a_lost_or_invented_row_closes_it(read: int, landed: int, aside: int) -> None:
    found = evidence()
    counted = replace(found, rows={**found.rows, "stock": {"stock": (read, landed, aside)}})
    assert decide(counted, SHOW, expected(found)).open == (read == landed + aside)


@pytest.mark.parametrize(
    ("hollow", "said"),
    [
        (replace(evidence(), tables={"sales": evidence().tables["sales"]}), "stock: no snapshot is pinned"),
        (replace(evidence(), rows={"sales": evidence().rows["sales"], "stock": {}}), "stock: no rows are accounted"),
        (replace(evidence(), cuts={"sales": "cut-sales"}), "stock: there are snapshots but no cut"),
        (Evidence("retail", "run", "f", "v", {}, {}, {}, ()), "there is no cut"),
    ],
)
def test_hollow_evidence_closes_it(hollow: Evidence, said: str) -> None:
    decision = decide(hollow, SHOW, expected(hollow))
    assert not decision.open
    assert any(said in reason for reason in decision.reasons)
    assert all(reason.todo for reason in decision.why)


def test_a_group_of_which_nothing_is_expected_closes_it() -> None:
    found = evidence()
    decision = decide(found, SHOW, [c for c in expected(found) if c.group == "sales"])
    assert not decision.open
    assert "nothing is expected" in decision.reasons[0]


def test_a_check_without_subject_takes_any_of_its_kind() -> None:
    found = evidence()
    wanted = [Check(g, k) for g in found.cuts for k in ("records", "counts", "kpi")]
    assert decide(found, SHOW, wanted).open
    assert not decide(found, SHOW, [*wanted, Check("sales", "cells")]).open


def test_changes_are_told_by_name() -> None:
    found = evidence()
    other = with_verdict(
        replace(found, tables={**found.tables, "sales": {"lake.sales": 9, "lake.sales_lines": 8}}),
        3,
        replace(found.verdicts[3], outcome=Outcome.FAIL, summary="2 cells differ"),
    )
    told = changes(found, other)
    assert "snapshot of sales.lake.sales was 7 and is 9" in told
    assert [t for t in told if "kpi sales_1" in t and "fail (2 cells differ" in t]
    assert len(told) == 2
