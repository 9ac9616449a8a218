"""Moving the pointers of a run to the lake, and back. Two outcomes: done, or as before.

Killed anywhere, a transition is finished, or taken back, when it is asked for again. docs/cut-over.md tells it to operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from lakeward.domain.chain import Entry
from lakeward.domain.evidence import Evidence, Pointer, State, Transition
from lakeward.domain.facts import Plan
from lakeward.domain.identity import transition_key
from lakeward.domain.stored import to_json
from lakeward.domain.transitions import back, check_move
from lakeward.errors import GateError, LakeError, LakewardError
from lakeward.ports import Ports
from lakeward.steps.approve import stamped
from lakeward.steps.chain import keep, require_key
from lakeward.steps.claim import ClaimLostError, Held, last_claim, may_take_over, same_intent, take
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
) -> Transition:
    """Move every group of a run to state ``writers``, all or none; what was done before is returned as it is.

    :param approved_hash: of the evidence that ``by`` has approved.
    :param source_frozen: the approver declares that nobody writes to the source any more.
    :param accept_quarantine: why the migration may go on without the quarantined rows.
    :param dry_run: look at everything, write nothing; the outcome is then ``planned`` or ``refused``.
    :param ready: asked once the pointers are claimed, before the first is moved: it raises when the source is not frozen any more.
    :raises GateError: refused; nothing was changed, and what an earlier try that died had moved was taken back.
    :raises ConflictError: somebody else is moving these pointers; nothing was changed.
    :raises LakeError: it failed midway and is as before; the transition is recorded as ``reverted``.
    """
    asked = _asked(plan, State.LEGACY, State.WRITERS, approved_hash, by, why, at)
    try:
        if done := _done_before(plan, ports, asked):
            return done
        evidence, sure = preconditions(plan, ports, asked, Declared(source_frozen, accept_quarantine))
    except LakewardError as refusal:
        if dry_run:
            return replace(asked, outcome="refused", message=str(refusal))
        _take_back_unfinished(ports, asked, refusal)
        _refused(ports, asked, refusal)
        raise
    if dry_run:
        return replace(asked, outcome=PLANNED, message=f"{_would(asked)} {sure}")
    keep_sealed(plan, ports, evidence, approved_hash)
    held = take(ports.store, asked)
    try:
        ready()
        _move_all(plan, ports, held, asked, lambda pointer: _to_lake(plan, asked, evidence, pointer))
        read = read_as_consumer(plan, ports, evidence, asked.after)
    except ClaimLostError:
        raise  # whoever has the claim now answers for every pointer
    except BaseException as error:
        _revert(ports, held, asked, error)
        raise
    return _done(ports, held, asked, f"{sure} {read} rows were read through the pointers afterwards.")


def cut_back(plan: Plan, ports: Ports, *, by: str, why: str, at: datetime, dry_run: bool = False) -> Transition:
    """Move every group of a run back to the state before; cuts and tables stay published. Also ends a cutover that died midway.

    :raises GateError: there is nothing to go back from, or no way back; nothing was changed.
    :raises ConflictError: somebody else took the pointers over meanwhile, who now answers for them.
    """
    pointers = pointers_of(plan, ports.store)
    claim = last_claim(ports.store, plan.migration.migration)
    asked = _asked(plan, *_way_back(pointers), "", by, why, at)
    settled = claim is not None and not claim.open and same_intent(claim, asked) and claim.transition.outcome == "done"
    if claim and settled and not any(p.previous for p in pointers):
        return claim.transition
    try:
        _check_way_back(plan, pointers, unfinished=claim is not None and claim.open)
    except GateError as refusal:
        if dry_run:
            return replace(asked, outcome="refused", message=str(refusal))
        _refused(ports, asked, refusal)
        raise
    if dry_run:
        return replace(asked, outcome=PLANNED, message=_would(asked))
    require_key(ports, asked.migration)
    held = take(ports.store, asked, anyway=True)
    _move_all(plan, ports, held, asked, lambda pointer: _before(pointer, asked))
    return _done(ports, held, asked, "The lake's tables stay published at their cut.")


def _asked(plan: Plan, before: State, after: State, evidence: str, by: str, why: str, at: datetime) -> Transition:
    if not by.strip():
        raise GateError("Nobody is named who asks for this.", todo="Say who: it is kept with the transition.")
    groups = tuple(sorted(group.name for group in plan.groups))
    return Transition(
        plan.migration.migration, plan.run_key, groups, before, after, evidence, by, why, at, outcome="begun"
    )


def _done_before(plan: Plan, ports: Ports, asked: Transition) -> Transition | None:
    """The transition that has done already what is asked for."""
    pointers = pointers_of(plan, ports.store)
    if any((p.state, p.evidence_hash) != (asked.after, asked.evidence_hash) for p in pointers):
        return None
    claim = last_claim(ports.store, asked.migration)
    if claim is None or claim.open or not same_intent(claim, asked):
        return None
    _record(ports, claim.transition)
    return claim.transition


def _way_back(pointers: Sequence[Pointer]) -> tuple[State, State]:
    """From where to where: what the pointers remember, or what a cutover that died before its first move had in mind."""
    for pointer in pointers:
        if pointer.previous is not None:
            return pointer.state, pointer.previous
    return State.WRITERS, State.LEGACY


def _check_way_back(plan: Plan, pointers: Sequence[Pointer], *, unfinished: bool) -> None:
    """Pointers that a transition which died had not reached yet have no state before, and need none."""
    moved = [p for p in pointers if p.previous is not None]
    for pointer in pointers:
        if pointer.state is State.RETIRED:
            raise GateError(
                f"Group {pointer.group} is retired: the old system is gone.", todo="There is no way back from here."
            )
        if pointer in moved and back(plan.migration.pattern, pointer.state, pointer.previous) is None:
            raise GateError(f"Group {pointer.group} has no state before {pointer.state.value}.")
    if not moved and not unfinished:
        raise GateError(
            f"{plan.migration.migration} is in state {pointers[0].state.value}: there is nothing to go back from.",
            todo="Nothing needs to be done.",
        )


# --- the moves ------------------------------------------------------------------------------------------------------


def _to_lake(plan: Plan, asked: Transition, evidence: Evidence, pointer: Pointer) -> Pointer:
    """The pointer after the cutover; the same again, with a new version, when a try that died had moved it."""
    if (pointer.cut_id, pointer.content) != (evidence.cuts[pointer.group], evidence.tables[pointer.group]):
        raise LakeError(
            f"Group {pointer.group} was published anew meanwhile.", todo="Approve the evidence of that run."
        )
    previous = pointer.previous
    if not _moved_by(asked, pointer):
        check_move(plan.migration.pattern, pointer.state, asked.after, pointer.previous)
        previous = pointer.state
    return replace(_stamped(pointer, asked), state=asked.after, evidence_hash=asked.evidence_hash, previous=previous)


def _before(pointer: Pointer, asked: Transition) -> Pointer:
    """The pointer in the state before; one that was not moved gets a new version only, which fences."""
    if pointer.previous is None:
        return _stamped(pointer, asked)
    return replace(_stamped(pointer, asked), state=pointer.previous, previous=None, evidence_hash="")


def _moved_by(asked: Transition, pointer: Pointer) -> bool:
    return (pointer.state, pointer.evidence_hash) == (asked.after, asked.evidence_hash)


def _stamped(pointer: Pointer, asked: Transition) -> Pointer:
    return replace(pointer, version=pointer.version + 1, moved_at=asked.at, moved_by=asked.by, why=asked.why)


def _move_all(plan: Plan, ports: Ports, held: Held, asked: Transition, change: Change) -> None:
    _record(ports, asked)
    for group in asked.groups:
        held.in_time()
        move(ports.store, held, plan.migration.migration, group, change)


def _revert(ports: Ports, held: Held, asked: Transition, error: BaseException) -> None:
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
                lambda p: _before(p, undo) if _moved_by(asked, p) else _stamped(p, undo),
            )
        _record(ports, reverted)
        held.give_back(reverted)
    except ClaimLostError:
        return
    except LakeError as second:
        raise LakeError(
            f"The cutover failed ({what}), and taking it back failed too ({second.what}): pointers may disagree.",
            todo="Ask for the same cutover again, which finishes it or takes it back; or cut back.",
        ) from error


def _take_back_unfinished(ports: Ports, asked: Transition, refusal: LakewardError) -> None:
    """When an earlier try of this very cutover died midway and may not be finished any more, take back what it moved."""
    claim = last_claim(ports.store, asked.migration)
    if claim and claim.open and same_intent(claim, asked) and may_take_over(claim, asked):
        _revert(ports, take(ports.store, asked), asked, refusal)


# --- the record -----------------------------------------------------------------------------------------------------


def _done(ports: Ports, held: Held, asked: Transition, message: str) -> Transition:
    done = replace(asked, outcome="done", message=message)
    held.make_sure()
    _record(ports, done)
    held.give_back(done)
    return done


def _refused(ports: Ports, asked: Transition, refusal: LakewardError) -> None:
    with suppress(LakeError):  # a store that is gone is what the refusal tells already
        _record(ports, replace(asked, outcome="refused", message=refusal.what))


def _record(ports: Ports, transition: Transition) -> None:
    """Record a transition, and tell the ledger, which follows and never holds a move up."""
    key = transition_key(
        transition.migration, stamped(transition.at, transition.outcome, transition), transition.run_key
    )
    content = to_json(transition).decode()
    keep(ports, Entry(transition.migration, "transition", transition.outcome, key, content, transition.at, {}))
    with suppress(LakeError):
        ports.ledger.record_transition(transition)


def _would(asked: Transition) -> str:
    return f"Would move {', '.join(asked.groups)} from {asked.before.value} to {asked.after.value}."
