"""Marks and watermarks: what a cut could not see is read by the next one, whatever clocks, sequences and slow transactions do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeward.domain.catch_up import caught_up, later_mark, since
from lakeward.domain.facts import Follower, GroupPlan, LakeTable, TablePlan, Watermark, Windowing
from lakeward.domain.file_facts import Mark
from lakeward.spec.models import WindowSpec

AT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
STAMPED = Watermark("orders", "updated at", "timestamptz", "Europe/Zurich", 60)
NUMBERED = Watermark("orders", "rev", "number", "Europe/Zurich", 10)


def test_instants_are_read_from_before_the_oldest_open_transaction() -> None:
    assert (
        since(STAMPED, Mark(AT, AT - timedelta(hours=3))) == "\"updated at\" >= timestamptz '2026-03-28T22:29:00+00:00'"
    )
    local = since(replace(STAMPED, kind="timestamp"), Mark(AT, AT))
    assert local == "\"updated at\" >= timestamp '2026-03-29 00:29:00'", "on the night of the change an hour is missing"


def test_a_table_of_which_a_mark_knows_no_number_has_no_bound() -> None:
    assert since(NUMBERED, Mark(AT, AT)) is None
    assert since(NUMBERED, Mark(AT, AT, ((AT + timedelta(seconds=1), {"orders": 5}),))) is None
    assert since(NUMBERED, Mark(AT, AT, ((AT, {"lines": 5}), (AT, {"orders": 7})))) == '"rev" > -3'


def instant(second: int) -> datetime:
    return AT + timedelta(seconds=second)


@settings(max_examples=200)
@given(st.data())
def test_no_number_is_missed_whenever_transactions_end(data: st.DataObject) -> None:
    """Numbers are drawn one a second by transactions that end later; cuts at any second read from their mark on.

    The snapshot of a cut is taken some seconds after its clock and its open transactions were looked at.
    """
    ends = {n: n + data.draw(st.integers(1, 8)) for n in range(40)}
    begins = {n: n - data.draw(st.integers(0, 1)) for n in ends}
    cuts = sorted(data.draw(st.sets(st.integers(1, 60), min_size=2, max_size=8)))
    seen: set[int] = set()
    mark: Mark | None = None
    exact = replace(NUMBERED, overlap=0)
    for cut in cuts:
        snapshot = cut + data.draw(st.integers(0, 6))
        there = {n for n, end in ends.items() if end <= snapshot}
        bound = since(exact, mark) if mark else None
        low = int(bound.rpartition(" ")[2]) if bound else -1
        seen |= {n for n in there if n > low}
        assert seen >= there, f"cut at {cut} from {low}"
        running = [begins[n] for n, end in ends.items() if begins[n] <= cut < end]
        tops = {"orders": max(there)} if there else {}
        mark = later_mark(mark, instant(cut), instant(min([cut, *running])), instant(snapshot), tops)


@pytest.mark.parametrize("bounds", [{}, {"from": "2024-01-01"}])
def test_a_round_holds_all_rows_but_those_that_stay_behind(bounds: dict[str, str]) -> None:
    def plan(name: str) -> TablePlan:
        lake = (LakeTable(name, (), ("id",)),)
        return TablePlan("public", name, (), (), (), lake, scan=True, ctid=True, estimated_rows=1)

    how = Windowing("orders", "day", "date", "UTC", (Follower("lines", ("o",), "orders", ("id",)),))
    group = GroupPlan("g", "c", (plan("orders"), plan("lines"), plan("shops")), (), 0.0, windowing=how)
    spec = WindowSpec.model_validate(
        {"table": "public.orders", "column": "day", "size": "1 month", **bounds}, strict=False
    )
    found = caught_up("m", group, spec, "r1")
    assert (found.windowing, found.sliced, found.cut_id == group.cut_id) == (None, frozenset(), False)
    assert not any(t.scan for t in found.tables), "a scan knows no condition"
    orders, lines, shops = (t.within for t in found.tables)
    assert shops == ""
    assert ("2024-01-01" in orders, "EXISTS" in lines) == (bool(bounds), bool(bounds))
    assert caught_up("m", group, spec, "r2").cut_id != found.cut_id
