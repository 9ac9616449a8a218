"""Moving the pointers of a run to the lake, and back. Two outcomes: done, or as before.

Killed anywhere, a transition is finished, or taken back, when it is asked for again. docs/cut-over.md tells it to operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from lakeward.domain.evidence import Evidence, Pointer, State, Transition
from lakeward.domain.facts import Plan
from lakeward.domain.gate import evidence_hash
from lakeward.domain.transitions import back, check_move, earlier, forward
from lakeward.errors import GateError, LakeError, LakewardError
from lakeward.ports import Ports
from lakeward.spec.models import StranglerFig
from lakeward.steps.approve import keep_transition
from lakeward.steps.chain import require_key
from lakeward.steps.claim import ClaimLostError, Held, last_claim, may_take_over, same_intent, take
from lakeward.steps.feed import check_unwritten, load_of
from lakeward.steps.gate import keep_sealed
from lakeward.steps.pointers import Change, move, pointers_of, read_as_consumer
from lakeward.steps.preconditions import Declared, preconditions

PLANNED = "planned"
"""Outcome of a dry run that nothing speaks against."""


def _nothing() -> None:
    """Nobody else needs to be asked."""


def cut_over(
    plan: Plan,
    ports: Ports,
    *,
    approved_hash: str,
    by: str,
    why: str,
    at: datetime,
    source_frozen: bool,
    accept_quarantine: str = "",
    dry_run: bool = False,
    ready: Callable[[], None] = _nothing,
    to: State = State.WRITERS,
) -> Transition:
    """Move every group of a run forward, all or none; what was done before is returned as it is.

    :param approved_hash: of the evidence that ``by`` has approved.
    :param to: ``writers``; or ``readers``, while a change log is followed on.
    :param source_frozen: the approver declares that nobody writes to the source any more.
    :param accept_quarantine: why the migration may go on without the quarantined rows.
    :param dry_run: look at everything, write nothing; the outcome is then ``planned`` or ``refused``.
    :param ready: asked once the pointers are claimed, before the first is moved: it raises when the source is not frozen any more.
    :raises GateError: refused; nothing was changed, and what an earlier try that died had moved was taken back.
    :raises ConflictError: somebody else is moving these pointers; nothing was changed.
    :raises LakeError: it failed midway and is as before; the transition is recorded as ``reverted``.
    """
    before = earlier(plan.migration.pattern, to) or State.LEGACY
    asked = _asked(plan, before, to, approved_hash, by, why, at)
    try:
        if done := _done_before(plan, ports, asked):
            return done
        evidence, sure = preconditions(plan, ports, asked, Declared(source_frozen, accept_quarantine))
    except LakewardError as refusal:
        if dry_run:
            return replace(asked, outcome="refused", message=str(refusal))
        _take_back_unfinished(plan, ports, asked, refusal)
        _refused(ports, asked, refusal)
        raise
    if dry_run:
        return replace(asked, outcome=PLANNED, message=f"{_would(asked)} {sure}")
    keep_sealed(plan, ports, evidence, evidence_hash(evidence))
    held = take(ports.store, asked)
    if (done := held.done_meanwhile(asked)) and _is_done(plan, ports, asked):
        held.give_back(done)
        return done
    try:
        ready()
        _move_all(plan, ports, held, asked, lambda pointer: _to_lake(plan, asked, evidence, pointer))
        read = read_as_consumer(plan, ports, evidence, asked.after)
    except ClaimLostError:
        raise  # whoever has the claim now answers for every pointer
    except BaseException as error:
        _revert(plan, ports, held, asked, error)
        raise
    return _done(ports, held, asked, f"{sure} {read} rows were read through the pointers afterwards.")


def cut_back(
    plan: Plan,
    ports: Ports,
    *,
    by: str,
    why: str,
    at: datetime,
    dry_run: bool = False,
    to: State = State.LEGACY,
) -> Transition:
    """Move every group of a run back to the state before; cuts and tables stay published. Also ends a cutover that died midway.

    :param to: the state to come back to; named, so that who asks again for what is done does not go back twice.
    :raises GateError: there is nothing to go back from, or no way back; nothing was changed.
    :raises ConflictError: somebody else took the pointers over meanwhile, who now answers for them.
    """
    pointers, pattern = pointers_of(plan, ports.store), plan.migration.pattern
    claim = last_claim(ports.store, plan.migration.migration)
    asked = _asked(plan, forward(pattern, to) or State.WRITERS, to, "", by, why, at)
    settled = claim is not None and not claim.open and same_intent(claim, asked) and claim.transition.outcome == "done"
    if claim and settled and all(p.state is to for p in pointers):
        return claim.transition
    try:
        _check_way_back(plan, pointers, asked, unfinished=claim is not None and claim.open)
        if asked.before is State.WRITERS and isinstance(plan.migration, StranglerFig):
            check_unwritten(plan, pointers, ports)
    except GateError as refusal:
        if dry_run:
            return replace(asked, outcome="refused", message=str(refusal))
        _refused(ports, asked, refusal)
        raise
    if dry_run:
        return replace(asked, outcome=PLANNED, message=_would(asked))
    require_key(ports, asked.migration)
    held = take(ports.store, asked, anyway=True)
    _move_all(plan, ports, held, asked, lambda p: _stamped(p, asked) if p.state is to else _before(pattern, p, asked))
    return _done(ports, held, asked, "The lake's tables stay published at their cut.")


def _asked(plan: Plan, before: State, after: State, evidence: str, by: str, why: str, at: datetime) -> Transition:
    if not by.strip():
        raise GateError("Nobody is named who asks for this.", todo="Say who: it is kept with the transition.")
    groups = tuple(sorted(group.name for group in plan.groups))
    name, run = plan.migration.migration, load_of(plan)
    return Transition(name, run, groups, before, after, evidence, by, why, at, outcome="begun")


def _done_before(plan: Plan, ports: Ports, asked: Transition) -> Transition | None:
    """The transition that has done already what is asked for."""
    if not _is_done(plan, ports, asked):
        return None
    claim = last_claim(ports.store, asked.migration)
    if claim is None or claim.open or not same_intent(claim, asked):
        return None
    keep_transition(ports, claim.transition)
    return claim.transition


def _is_done(plan: Plan, ports: Ports, asked: Transition) -> bool:
    return all(_moved_by(asked, pointer) for pointer in pointers_of(plan, ports.store))


def _check_way_back(plan: Plan, pointers: Sequence[Pointer], asked: Transition, *, unfinished: bool) -> None:
    """Pointers that a transition which died had not reached yet are where they shall be, and need no way back."""
    pattern = plan.migration.pattern
    moved = [p for p in pointers if p.state is not asked.after]
    for pointer in moved:
        if pointer.state is State.RETIRED:
            raise GateError(
                f"Group {pointer.group} is retired: the old system is gone.", todo="There is no way back from here."
            )
        if back(pattern, pointer.state, pointer.previous) is not asked.after:
            before = pointer.previous.value if pointer.previous else "unknown"
            raise GateError(
                f"Group {pointer.group} is in state {pointer.state.value}, and the state before is {before}, not {asked.after.value}.",
                todo="Go back step by step.",
            )
    if not moved and not unfinished:
        raise GateError(
            f"{plan.migration.migration} is in state {pointers[0].state.value}: there is nothing to go back from.",
            todo="Nothing needs to be done.",
        )


# --- the moves ------------------------------------------------------------------------------------------------------


def _to_lake(plan: Plan, asked: Transition, evidence: Evidence, pointer: Pointer) -> Pointer:
    """The pointer after the cutover; the same again, with a new version, when a try that died had moved it."""
    cut = evidence.cuts[pointer.group]
    seen = pointer.at(cut) if asked.after is State.READERS else replace(pointer, cut_id=pointer.at(cut).cut_id)
    if (seen.cut_id, seen.content) != (cut, evidence.tables[pointer.group]):
        raise LakeError(
            f"Group {pointer.group} was published anew meanwhile.", todo="Approve the evidence of that run."
        )
    previous = pointer.previous
    if not _moved_by(asked, pointer):
        check_move(plan.migration.pattern, pointer.state, asked.after, pointer.previous)
        previous = pointer.state
    return replace(_stamped(pointer, asked), state=asked.after, evidence_hash=asked.evidence_hash, previous=previous)


def _before(pattern: str, pointer: Pointer, asked: Transition) -> Pointer:
    """The pointer in the state before; one that was not moved gets a new version only, which fences."""
    if pointer.previous is None:
        return _stamped(pointer, asked)
    before = earlier(pattern, pointer.previous)
    return replace(_stamped(pointer, asked), state=pointer.previous, previous=before, evidence_hash="")


def _moved_by(asked: Transition, pointer: Pointer) -> bool:
    return (pointer.state, pointer.evidence_hash) == (asked.after, asked.evidence_hash)


def _stamped(pointer: Pointer, asked: Transition) -> Pointer:
    return replace(pointer, version=pointer.version + 1, moved_at=asked.at, moved_by=asked.by, why=asked.why)


def _move_all(plan: Plan, ports: Ports, held: Held, asked: Transition, change: Change) -> None:
    keep_transition(ports, asked)
    for group in asked.groups:
        held.in_time()
        move(ports.store, held, plan.migration.migration, group, change)


def _revert(plan: Plan, ports: Ports, held: Held, asked: Transition, error: BaseException) -> None:
    """Every pointer as before; when that is not possible either, say so, and the next who asks finds the claim still open."""
    what = error.what if isinstance(error, LakewardError) else f"{type(error).__name__}: {error}"
    undo = replace(asked, why=f"taken back: {what}"[:500])
    reverted = replace(asked, outcome="reverted", message=f"As before: {what}")
    try:
        for group in asked.groups:
            move(
                ports.store,
                held,
                asked.migration,
                group,
                lambda p: _before(plan.migration.pattern, p, undo) if _moved_by(asked, p) else _stamped(p, undo),
            )
        keep_transition(ports, reverted)
        held.give_back(reverted)
    except ClaimLostError:
        return
    except LakeError as second:
        raise LakeError(
            f"The cutover failed ({what}), and taking it back failed too ({second.what}): pointers may disagree.",
            todo="Ask for the same cutover again, which finishes it or takes it back; or cut back.",
        ) from error


def _take_back_unfinished(plan: Plan, ports: Ports, asked: Transition, refusal: LakewardError) -> None:
    """When an earlier try of this very cutover died midway and may not be finished any more, take back what it moved."""
    claim = last_claim(ports.store, asked.migration)
    if claim and claim.open and same_intent(claim, asked) and may_take_over(claim, asked):
        _revert(plan, ports, take(ports.store, asked), asked, refusal)


# --- the record -----------------------------------------------------------------------------------------------------


def _done(ports: Ports, held: Held, asked: Transition, message: str) -> Transition:
    done = replace(asked, outcome="done", message=message)
    held.make_sure()
    keep_transition(ports, done)
    held.give_back(done)
    return done


def _refused(ports: Ports, asked: Transition, refusal: LakewardError) -> None:
    with suppress(LakeError):  # a store that is gone is what the refusal tells already
        keep_transition(ports, replace(asked, outcome="refused", message=refusal.what))


def _would(asked: Transition) -> str:
    return f"Would move {', '.join(asked.groups)} from {asked.before.value} to {asked.after.value}."
