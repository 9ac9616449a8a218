"""Where each migration is and what it needs of people, from what stands in the ledger. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum

from lakeward.domain.decision import Decision, Reason, Streak
from lakeward.domain.evidence import UNSWITCHED, Outcome, Pointer, State
from lakeward.domain.meters import Meter
from lakeward.domain.parts import JOINED
from lakeward.domain.progress import GroupProgress
from lakeward.domain.standing import Card, Decided, Judged
from lakeward.domain.words import counted

STEPS = ("extract", "prepare", "flatten", "validate", "append", "compact", "compare")
"""What is done to every group of a lift-and-shift."""
DRY = ", dry run"
"""End of the name of a step that only looked: its outcome says nothing of the migration."""


class Need(IntEnum):
    """What a migration needs, the most urgent first."""

    ROLL_BACK = 0
    FAILED = 1
    HELD = 2
    APPROVE = 3
    MOVING = 4
    NOTHING = 5


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the newest run, as the ledger knows it."""

    group: str
    step: str
    outcome: str
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: parts done of all, in words."""

    done: int
    total: int
    told: str


@dataclass(frozen=True, slots=True)
class Status:
    """One migration. ``why`` is the first thing that speaks against it and ``todo`` what to do; ``gate`` is told in a few words.

    ``lake_since``: when the first group was cut over. ``first_day``: of the first increment that was measured, from when on both
    systems are paid for; ``metered`` are the groups' meters of their newest day. ``fresh_at``: what was committed at the source until
    then, readers of all groups see; of a migration that follows its source.
    """

    card: Card
    state: str
    lake_since: datetime | None
    need: Need
    why: str
    todo: str
    progress: Progress
    gate: str
    reasons: tuple[Reason, ...]
    streaks: tuple[Streak, ...]
    checks: Mapping[Outcome, int]
    run_key: str
    signatures: str
    at: datetime | None
    decision: Decision | None
    evidence_hash: str
    first_day: str = ""
    metered: tuple[Meter, ...] = ()
    fresh_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known of one migration; decisions by group, that on the whole run under an empty name."""

    card: Card
    pointers: Mapping[str, Pointer]
    decisions: Mapping[str, tuple[Decided, datetime]]
    progress: Mapping[str, GroupProgress]
    steps: Sequence[Step]
    run_key: str
    judged: Sequence[Judged]
    first_day: str = ""
    metered: tuple[Meter, ...] = ()


def status_of(facts: Facts) -> Status:
    """Where a migration is."""
    facts = replace(facts, steps=[step for step in facts.steps if not step.step.endswith(DRY)])
    decided = _newest(facts)
    reasons = tuple(reason for one in decided for reason in one.decision.why)
    streaks = tuple(streak for one in decided for streak in one.decision.streaks)
    need, why, todo = _need(facts, decided, reasons)
    times = [step.at for step in facts.steps] + [judged.decided_at for judged in facts.judged]
    return Status(
        card=facts.card,
        state=_state(facts.pointers.values()),
        lake_since=min((p.moved_at for p in facts.pointers.values() if p.state in _LAKE), default=None),
        need=need,
        why=why,
        todo=todo,
        progress=_progress(facts),
        gate=_gate(decided, streaks),
        reasons=reasons,
        streaks=streaks,
        checks=Counter(judged.outcome for judged in facts.judged),
        run_key=facts.run_key,
        signatures=next((one.decision.signatures for one in decided), ""),
        at=max(times, default=None),
        decision=min((one.decision.decision for one in decided), key=_ORDER.index, default=None),
        evidence_hash=next((one.decision.evidence_hash for one in decided), ""),
        first_day=facts.first_day,
        metered=facts.metered,
        fresh_at=_fresh_at(facts.pointers.values()),
    )


def in_order(found: Iterable[Status]) -> list[Status]:
    """What needs a person first comes first, then by name."""
    return sorted(found, key=lambda one: (one.need, one.card.migration))


_LAKE = frozenset({State.READERS, State.WRITERS})
_ORDER = (Decision.ROLL_BACK, Decision.HOLD, Decision.READY)


def _newest(facts: Facts) -> list[Decided]:
    """The decision on the whole run, unless a group was judged since."""
    whole = facts.decisions.get("")
    groups = [one for name, one in facts.decisions.items() if name]
    if whole and all(whole[1] >= at for _, at in groups):
        return [whole[0]]
    return [one for one, _ in groups]


def _state(pointers: Iterable[Pointer]) -> str:
    found = sorted({pointer.state for pointer in pointers}, key=list(State).index)
    return " and ".join(state.value for state in found) or "not published"


def _fresh_at(pointers: Iterable[Pointer]) -> datetime | None:
    found = [one.fresh_at or (one.caught.mark.at if one.caught else None) for one in pointers]
    known = [at for at in found if at]
    return min(known) if known and len(known) == len(found) else None


def _need(facts: Facts, decided: Sequence[Decided], reasons: Sequence[Reason]) -> tuple[Need, str, str]:
    """What it needs, why, and what to do: by the newest run's steps, and by what the gate said of that run."""
    first = next((r for r in reasons if r.proven), next(iter(reasons), None))
    said = (first.what, first.todo) if first else ("", "")
    if any(one.decision.decision is Decision.ROLL_BACK for one in decided):
        return Need.ROLL_BACK, *said
    failed, held, running = (
        [step for step in facts.steps if step.outcome == outcome] for outcome in ("failed", "held", "running")
    )
    shut = [step for step in failed if step.step == "gate" and reasons]  # the task of a gate that is held fails
    if broken := [step for step in failed if step not in shut]:
        return Need.FAILED, f"{_named(broken[-1])} failed: {broken[-1].message}", "See the task's log, then clear it."
    current = [one.decision for one in decided if _same_run(one.run_key, facts.run_key)]
    if held or shut or any(decision.decision is Decision.HOLD for decision in current):
        return (Need.HELD, *said) if first else (Need.HELD, _told(held), "")
    if _asks(facts) and any(decision.decision is Decision.READY for decision in current):
        return (
            Need.APPROVE,
            "Everything is proved: somebody may approve the cutover.",
            "Read the evidence, then answer.",
        )
    if running:
        return Need.MOVING, f"{_named(running[-1])} is running.", ""
    return Need.NOTHING, "", ""


def _same_run(one: str, other: str) -> bool:
    """Whether two keys are of one run; that of a window begins with its run's."""
    return one.startswith(other) or other.startswith(one)


def _asks(facts: Facts) -> bool:
    """Whether the opening of the whole run's gate is the last that happened, and nobody was switched yet; a hybrid's runs ask nobody by themselves."""
    if facts.card.pattern == "hybrid" and JOINED not in facts.run_key:
        return False
    newest = facts.steps[-1] if facts.steps else None
    unswitched = all(pointer.state in UNSWITCHED for pointer in facts.pointers.values())
    return newest is not None and (newest.group, newest.step, newest.outcome) == ("", "gate", "done") and unswitched


def _told(steps: Sequence[Step]) -> str:
    return f"{_named(steps[-1])} is held: {steps[-1].message}" if steps else "The gate is held."


def _named(step: Step) -> str:
    return f"{step.group}: {step.step}" if step.group else step.step


def _progress(facts: Facts) -> Progress:
    if facts.card.pattern in {"phased", "hybrid"}:
        return _by_windows(facts)
    if facts.card.pattern == "strangler_fig" and facts.pointers:
        followed = [pointer for pointer in facts.pointers.values() if pointer.position]
        told = f"{len(followed)} of {counted(len(facts.card.groups), 'group')} loaded and followed"
        return Progress(len(followed), len(facts.card.groups), told)
    total = len(facts.card.groups) * len(STEPS) + 1
    done = sum(step.outcome == "done" for step in facts.steps if step.step in STEPS or step.step == "gate")
    if any(pointer.state not in UNSWITCHED for pointer in facts.pointers.values()):
        return Progress(total, total, "cut over")
    newest = facts.steps[-1] if facts.steps else None
    return Progress(min(done, total), total, f"{_named(newest)} {newest.outcome}" if newest else "not begun")


def _by_windows(facts: Facts) -> Progress:
    """Windows that are done; of a hybrid's other groups those that are published, each as one."""
    others = [one.name for one in facts.card.groups if one.pattern not in {"", "phased"}]
    done = sum(len(pointer.windows) for pointer in facts.pointers.values())
    left = sum(one.left for one in facts.progress.values())
    rows = sum(cut.rows for pointer in facts.pointers.values() for cut in pointer.windows.values())
    known = {*facts.progress, *(name for name in others if name in facts.pointers)}
    unknown = [group.name for group in facts.card.groups if group.name not in known]
    there = sum(name in known for name in others)
    told = f"{done} of {counted(done + left, 'window')}, {rows:,} rows"
    told += f"; {there} of {counted(len(others), 'other group')} there" if others else ""
    told += f", {', '.join(unknown)} not begun" if unknown else ""
    return Progress(done + there, done + left + there + len(unknown), told)


def _gate(decided: Sequence[Decided], streaks: Sequence[Streak]) -> str:
    if not decided:
        return "not asked yet"
    short = [streak for streak in streaks if streak.passed < streak.wanted]
    told = min(short or streaks, key=lambda s: s.passed * 10_000 // s.wanted, default=None)
    held = sum(len(one.decision.why) for one in decided)
    worst = min((one.decision.decision for one in decided), key=_ORDER.index)
    word = {"ready": "open", "hold": f"held, {counted(held, 'reason')}", "roll_back": "roll back"}[worst.value]
    if told is None:
        return word
    return (
        f"{word}; {told.passed} of {told.wanted} closed {told.grain.replace('_', ' ')}{'' if told.wanted == 1 else 's'}"
    )
