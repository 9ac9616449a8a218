"""What a migration needs, and in which order people are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lakeward.domain.decision import Decision, GateDecision, Reason, Streak
from lakeward.domain.evidence import Outcome, Pointer, State, WindowCut
from lakeward.domain.overview import Facts, Need, Status, Step, in_order, status_of
from lakeward.domain.progress import GroupProgress
from lakeward.domain.standing import Card, Decided, GroupCard, Judged
from lakeward.spec.models import LandingSpec

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
CARD = Card(
    "retail",
    "retail.yaml",
    "lift_and_shift",
    "",
    "data",
    "Europe/Zurich",
    LandingSpec(path="/tmp/landing"),
    (GroupCard("sales", ("orders",)), GroupCard("stock", ("products",))),
    (),
)
POINTER = Pointer("retail", "sales", State.LEGACY, 1, "c1", {"retail.orders": 1}, "", AT, "Ann", "published")
PROVEN = Reason("sales: revenue differs", "sales", "kpi", "revenue", todo="Mend it.", proven=True)
WANTING = Reason("sales: not compared", "sales")
READY = GateDecision(Decision.READY, (), (), "e" * 64, 0)


def held(*why: Reason, streaks: tuple[Streak, ...] = ()) -> GateDecision:
    return GateDecision(Decision.HOLD, why, (), "", 0, streaks)


def step(name: str, outcome: str, minute: int = 0, group: str = "sales", message: str = "") -> Step:
    return Step(group, name, outcome, AT + timedelta(minutes=minute), message)


def told(
    *steps: Step,
    decisions: Mapping[str, tuple[GateDecision, int]] | None = None,
    pointers: Sequence[Pointer] = (POINTER,),
    card: Card = CARD,
    progress: Mapping[str, GroupProgress] | None = None,
    window: str = "",
) -> Status:
    given = decisions or {}
    return status_of(
        Facts(
            card=card,
            pointers={pointer.group: pointer for pointer in pointers},
            decisions={
                group: (Decided("run", window, decision), AT + timedelta(minutes=minute))
                for group, (decision, minute) in given.items()
            },
            progress=progress or {},
            steps=steps,
            run_key="run",
            judged=(Judged("retail", "sales", "kpi", "revenue", "c1", Outcome.FAIL, AT),),
        )
    )


def test_a_difference_that_is_proved_after_the_cutover_comes_before_everything() -> None:
    back = GateDecision(Decision.ROLL_BACK, (PROVEN,), (), "", 0)
    found = told(step("extract", "failed"), decisions={"": (back, 0)}, pointers=[replace(POINTER, state=State.WRITERS)])
    assert (found.need, found.why, found.state, found.gate) == (Need.ROLL_BACK, PROVEN.what, "writers", "roll back")


MIXED = replace(
    CARD,
    pattern="hybrid",
    groups=(
        GroupCard("sales", ("orders",), pattern="strangler_fig"),
        GroupCard("past", ("invoices",), "", "1 month of invoices.placed", "phased"),
        GroupCard("stock", ("products",), pattern="lift_and_shift"),
    ),
)


def test_a_hybrid_is_as_far_as_its_windows_and_its_other_groups() -> None:
    past = replace(POINTER, group="past", windows={"2024-01-01/2024-02-01": WindowCut("c1", 10, 1, 1.0, ended=True)})
    waiting = GroupProgress("past", 1, 10, 2, 20, 0.0)
    begun = told(card=MIXED, pointers=[POINTER, past], progress={"past": waiting})
    assert (begun.progress.done, begun.progress.total) == (2, 5)
    assert begun.progress.told == "1 of 3 windows, 10 rows; 1 of 2 other groups there, stock not begun"


def test_the_joint_gate_of_a_hybrids_run_asks_nobody_and_that_of_a_synchronisation_does() -> None:
    opened = step("gate", "done", 5, group="")
    run = told(opened, card=MIXED, decisions={"": (READY, 5)})
    assert (run.need, run.gate) == (Need.NOTHING, "open")
    facts = Facts(MIXED, {}, {"": (Decided("sync.try1.gate.ab", "", READY), AT)}, {}, [opened], "sync.try1.gate.ab", ())
    assert status_of(facts).need is Need.APPROVE


def test_a_failed_step_is_told_with_its_message() -> None:
    found = told(step("plan", "done", group=""), step("extract", "failed", 1, message="no route"))
    assert (found.need, found.why) == (Need.FAILED, "sales: extract failed: no route")


def test_what_is_proved_is_told_before_what_is_wanting() -> None:
    found = told(step("compare", "held"), decisions={"sales": (held(WANTING, PROVEN), 0)})
    assert (found.need, found.why, found.todo) == (Need.HELD, PROVEN.what, PROVEN.todo)
    assert found.gate == "held, 2 reasons"


def test_the_task_of_a_gate_that_is_shut_holds_and_has_not_failed() -> None:
    found = told(step("gate", "failed", group="", message="stays shut"), decisions={"": (held(PROVEN), 0)})
    assert (found.need, found.why) == (Need.HELD, PROVEN.what)


def test_a_dry_run_that_was_refused_says_nothing_of_the_migration() -> None:
    found = told(
        step("gate", "done", group=""), step("cut_over, dry run", "failed", 1, group=""), decisions={"": (READY, 0)}
    )
    assert (found.need, found.progress.told) == (Need.APPROVE, "gate done")


def test_a_rejection_is_told_with_who_and_why() -> None:
    rejected = step("approve", "held", 1, group="", message="rejected by Ann: too early")
    found = told(step("gate", "done", group=""), rejected, decisions={"": (READY, 0)})
    assert (found.need, found.why) == (Need.HELD, "approve is held: rejected by Ann: too early")


def test_without_a_decision_the_held_step_tells() -> None:
    assert told(step("compare", "held", message="kpi revenue")).why == "sales: compare is held: kpi revenue"


@pytest.mark.parametrize(
    ("newest", "state", "need"),
    [
        ("gate", State.LEGACY, Need.APPROVE),
        ("compare", State.LEGACY, Need.NOTHING),
        ("gate", State.WRITERS, Need.NOTHING),
    ],
)
def test_an_open_gate_asks_for_approval_until_it_is_switched(newest: str, state: State, need: Need) -> None:
    found = told(step(newest, "done", group=""), decisions={"": (READY, 0)}, pointers=[replace(POINTER, state=state)])
    assert found.need is need


def test_a_group_that_was_judged_since_outdates_the_whole_runs_decision() -> None:
    decisions = {"": (READY, 0), "sales": (held(PROVEN), 1), "stock": (READY, 1)}
    assert told(step("compare", "held"), decisions=decisions).gate == "held, 1 reason"
    decisions[""] = (READY, 2)
    assert told(decisions=decisions).gate == "open"


def test_the_shortest_row_of_closed_periods_is_told() -> None:
    streaks = (Streak("sales", "revenue", "day", 11, 14), Streak("sales", "orders", "week", 2, 2))
    assert told(decisions={"": (held(WANTING, streaks=streaks), 0)}).gate == "held, 1 reason; 11 of 14 closed days"


def test_progress_counts_steps_of_the_newest_run() -> None:
    found = told(step("extract", "done"), step("prepare", "done"), step("flatten", "running", 1))
    assert (found.progress.done, found.progress.total, found.progress.told) == (2, 15, "sales: flatten running")
    assert found.need is Need.MOVING


def test_progress_of_a_phased_migration_counts_windows() -> None:
    windows = {name: WindowCut(f"c{name}", 10, 1, 1.0, ended=True, gate="open") for name in ("2025", "2026")}
    found = told(
        card=replace(CARD, pattern="phased"),
        pointers=[replace(POINTER, windows=windows)],
        progress={"sales": GroupProgress("sales", 2, 20, 3, 30, 1.0)},
    )
    assert (found.progress.done, found.progress.total) == (2, 6)
    assert found.progress.told == "2 of 5 windows, 20 rows, stock not begun"


def test_states_that_differ_are_all_told() -> None:
    pointers = [POINTER, replace(POINTER, group="stock", state=State.WRITERS)]
    found = told(pointers=pointers)
    assert (found.state, found.lake_since) == ("legacy and writers", AT)
    assert told().lake_since is None
    assert told(pointers=()).state == "not published"


def test_what_needs_a_person_first_comes_first() -> None:
    calm = told()
    names = [replace(calm, card=replace(CARD, migration=name)) for name in ("b", "a")]
    urgent = replace(calm, need=Need.HELD, card=replace(CARD, migration="z"))
    assert [one.card.migration for one in in_order([*names, urgent])] == ["z", "a", "b"]
