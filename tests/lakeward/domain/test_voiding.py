"""What a verdict was reached on, what has changed since, and what has not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lakeward.domain.maintenance import SnapshotFact, TableHistory
from lakeward.domain.voiding import inputs_of, is_gone, moved_on, voided_by_rule, why_void

BASIS = {"cut": "c1", "figures": "f1", "rule": "3", "kpi": "k", "calendar": "z", "table": "ns.t", "snapshot": "7"}
AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_same_basis_voids_nothing() -> None:
    assert tuple(why_void(BASIS, dict(BASIS))) == ()


def test_every_change_is_told() -> None:
    told = {name: tuple(why_void(BASIS, BASIS | {name: "other"})) for name in BASIS}
    assert told == {
        "cut": ("cut other has replaced cut c1",),
        "figures": ("the source's figures are others",),
        "rule": ("figures are compared by rule other, it was 3",),
        "kpi": ("the KPI is declared otherwise",),
        "calendar": ("the calendar is another",),
        "table": ("table was ns.t and is other",),
        "snapshot": ("its rows were changed by a repair or another commit: snapshot 7 became other",),
    }


def test_a_new_cut_explains_what_comes_with_it_and_a_rule_is_told_besides() -> None:
    now = BASIS | {"cut": "c2", "figures": "f2", "snapshot": "9", "calendar": "y"}
    assert tuple(why_void(BASIS, now)) == ("cut c2 has replaced cut c1", "the calendar is another")
    assert not voided_by_rule(BASIS, now)
    assert voided_by_rule(BASIS, BASIS | {"calendar": "y"})


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_two_bases_have_one_hash_only_if_they_are_the_same(one: dict[str, str], other: dict[str, str]) -> None:
    assert (inputs_of("kpi", one) == inputs_of("kpi", other)) == (one == other)
    assert inputs_of("kpi", one) == inputs_of("kpi", dict(reversed(one.items())))
    assert inputs_of("kpi", one) != inputs_of("rows", one)


def history(*snapshots: tuple[int, int | None, bool]) -> TableHistory:
    facts = tuple(SnapshotFact(s, parent, AT + timedelta(days=s), rewritten) for s, parent, rewritten in snapshots)
    return TableHistory("t", facts, {"main": snapshots[-1][0]}, {}, frozenset())


def test_compaction_moves_nothing_on_and_whatever_changes_rows_does() -> None:
    assert moved_on(history((1, None, False)), 1) is None
    assert moved_on(history((1, None, False), (2, 1, True), (3, 2, True)), 1) is None
    changed = history((1, None, False), (2, 1, True), (3, 2, False), (4, 3, False), (5, 4, True))
    assert moved_on(changed, 1) == (3, AT + timedelta(days=3)), "since the first of them"
    assert moved_on(history((8, 7, True)), 1) is None, "expired in between: nothing is known"


def test_a_snapshot_is_gone_when_the_table_has_it_no_more() -> None:
    assert is_gone(history((1, None, False)), 2)
    assert not is_gone(history((1, None, False)), 1)
