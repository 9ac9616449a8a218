"""An acceptance covers exactly what it names: whatever grows, moves or is new is open again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from lakeward.domain.acceptance import Acceptance, Difference
from lakeward.domain.accepted import id_of, of_count, of_row, open_differences
from lakeward.domain.evidence import Evidence, Finding, Outcome, Verdict
from lakeward.domain.gate import decide, evidence_hash
from lakeward.spec.models import GateSpec

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = date(2026, 3, 31)
CELL = Difference(
    "figure",
    "day",
    "2026-02-03",
    (("status", "paid"), ("country", None)),
    expected="10.00",
    found="10.01",
    marks=("1", "2"),
)
ROW = Difference("changed_value", "", "2026-02-03", (), ("7",), "amount", "10.00", "10.01")


def accepted(rule: str, *covers: Difference, **scope: object) -> Acceptance:
    made = Acceptance("shop", "sales", rule, "revenue", "finance", "T-12", DAY, "ann", AT, covers)
    return replace(made, **scope)  # type: ignore[arg-type]


def is_open(acceptance: Acceptance, difference: Difference, on: date = DAY) -> bool:
    return bool(open_differences([difference], [acceptance], on).open)


@pytest.mark.parametrize("difference", [CELL, ROW])
def test_without_an_amount_only_what_was_found_is_covered(difference: Difference) -> None:
    acceptance = accepted("kpi" if difference is CELL else "rows", difference)
    assert not is_open(acceptance, difference)
    for other in (
        replace(difference, found="10.02"),
        replace(difference, found="9.99"),
        replace(difference, found=None),
        replace(difference, period="2026-02-04"),
        replace(difference, place=("8",)),
        replace(difference, column="tax"),
        replace(difference, kind="missing"),
        replace(difference, rows=1),
        replace(difference, marks=("1", "3")),
        replace(difference, dimensions=(("status", "open"), ("country", None))),
    ):
        assert is_open(acceptance, other), other


def test_an_amount_bounds_both_ways_and_never_covers_rows() -> None:
    figure = accepted("kpi", CELL, amount="0.01", periods=("2026-02-03",), dimensions={"status": "paid"})
    assert not is_open(figure, replace(CELL, found="9.99"))
    assert not is_open(figure, replace(CELL, expected=None, found="-0.01"))  # no such cell on one side
    for other in (
        replace(CELL, found="10.0100000000000000000000000000001"),
        replace(
            CELL, expected="99999999999999999999999999999999999.98", found="100000000000000000000000000000000000.00"
        ),
        replace(CELL, rows=1),
        replace(CELL, period=None),
        replace(CELL, dimensions=(("status", None), ("country", None))),
        replace(CELL, found="a text"),
        replace(CELL, kind="offsetting", found="10.00", marks=("1", "2")),  # of what size, an equal sum does not tell
    ):
        assert is_open(figure, other), other
    row = accepted("rows", ROW, amount="0.01", keys=(("7",),), column="amount")
    assert not is_open(row, replace(ROW, found="9.99"))
    for other in (replace(ROW, found="9.98"), replace(ROW, found=None), replace(ROW, place=("8",))):
        assert is_open(row, other), other


def test_it_holds_to_the_end_of_its_last_day_and_is_told_when_it_is_over() -> None:
    acceptance = accepted("kpi", CELL)
    late = open_differences([CELL], [acceptance], date(2026, 4, 1))
    assert (late.open, late.count, late.settled) == ((CELL,), 0, False)
    assert late.told() == f"the acceptance {id_of(acceptance)} of 1 difference expired on 2026-03-31"
    held = open_differences([CELL, replace(CELL, period=None)], [acceptance], DAY)
    assert "1 difference accepted by ann for finance until 2026-03-31" in held.told()
    assert held.told().endswith("T-12; 1 difference open")
    assert not open_differences([CELL], [acceptance], DAY, whole=False).settled, "there is more than was looked at"


def test_rows_without_a_key_are_told_apart_by_their_values() -> None:
    rows = [
        Finding("visits", "landing-lake", kind="extra", values={"page": page}, times=times)
        for page, times in (("a", 1), ("b", 1), ("a", 2))
    ]
    first, other, twice = map(of_row, rows)
    acceptance = accepted("rows", first)
    assert not is_open(acceptance, first)
    assert is_open(acceptance, other)
    assert is_open(acceptance, twice)


def test_the_gate_opens_on_what_is_accepted_and_the_hash_binds_to_it() -> None:
    verdict = Verdict("kpi", "revenue", "shop", "sales", "c1", Outcome.FAIL, "i", "1 of 9 cells differs", 9, 1, AT)
    acceptance = accepted("kpi", CELL)
    evidence = Evidence(
        "shop", "r", "f", "1", {"sales": "c1"}, {"sales": {"t": 1}}, {"sales": {"t": (1, 1, 0)}}, (verdict,)
    )
    place = ("sales", "kpi", "revenue")
    for on, cells, opens in ((DAY, [CELL], True), (date(2026, 4, 1), [CELL], False), (DAY, [CELL, ROW], False)):
        known = {place: open_differences(cells, [acceptance], on)}
        decision = decide(evidence, GateSpec(), [], (), known)
        told = [one for one in (*decision.reasons, *decision.warnings) if one.startswith("sales: kpi revenue: fail")]
        assert [one in decision.warnings for one in told] == [opens]
        assert id_of(acceptance) in told[0]
    assert evidence_hash(replace(evidence, accepted=(acceptance,))) != evidence_hash(evidence)


def test_a_row_that_one_side_lacks_is_bound_by_all_that_is_in_it() -> None:
    lost = Finding(
        "sales",
        "source-lake",
        kind="missing",
        table="sales",
        key=(7,),
        values={"id": "7", "total": "1.00", "memo": None},
    )
    acceptance = accepted("rows", of_row(lost))
    assert not is_open(acceptance, of_row(lost))
    for values in ({"id": "7", "total": "1.01", "memo": None}, {"id": "7", "total": "1.00", "memo": ""}):
        assert is_open(acceptance, of_row(replace(lost, values=values)))


def test_counts_are_accepted_as_they_are() -> None:
    apart = Finding("sales", "landing-lake", "total", None, {}, "100", "99", "100 read, but 99 in the lake")
    acceptance = accepted("counts", of_count(apart))
    assert not is_open(acceptance, of_count(apart))
    for change in ({"found": "98"}, {"expected": "101"}, {"leg": "source-landing"}, {"subject": "visits"}):
        assert is_open(acceptance, of_count(replace(apart, **change)))  # type: ignore[arg-type]
