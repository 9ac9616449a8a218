"""What must hold right before readers and writers are moved to the lake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakeward.domain.decision import GateDecision
from lakeward.domain.evidence import Evidence, State, Transition
from lakeward.domain.facts import Plan
from lakeward.domain.gate import changes
from lakeward.domain.identity import sealed_key
from lakeward.domain.stored import from_json
from lakeward.domain.transitions import check_move
from lakeward.errors import GateError
from lakeward.ports import ObjectStore, Ports
from lakeward.steps.claim import last_claim, may_take_over
from lakeward.steps.feed import feed_faults, was_approved_since_load
from lakeward.steps.frozen import changes_at_source
from lakeward.steps.gate import collect_evidence, judge
from lakeward.steps.pointers import pointers_of, read_as_consumer
from lakeward.steps.still_equal import check_figures


@dataclass(frozen=True, slots=True)
class Declared:
    """What the approver declares beside approving a hash."""

    source_frozen: bool
    accept_quarantine: str


def preconditions(plan: Plan, ports: Ports, asked: Transition, declared: Declared) -> tuple[Evidence, str]:
    """The evidence as it is now, and in words what was made sure of; writes nothing.

    :raises GateError: what the evidence, the approval or the source have against it.
    :raises ConflictError: somebody else's transition has not ended.
    :raises LakeError: a pinned snapshot is gone, or has other rows or figures.
    """
    _nobody_else(ports.store, asked)
    for pointer in pointers_of(plan, ports.store):
        if (pointer.state, pointer.evidence_hash) != (
            asked.after,
            asked.evidence_hash,
        ):  # else moved by a try that died
            check_move(plan.migration.pattern, pointer.state, asked.after, pointer.previous)
    evidence = collect_evidence(plan, ports)
    decision = judge(plan, ports, evidence, asked.at)
    fed = asked.after is State.READERS
    against = list(_objections(ports.store, plan, asked, evidence, decision, declared))
    if fed:
        against += feed_faults(plan, ports, asked.at)
    if against:
        raise GateError(" ".join(what for what, _ in against), todo=" ".join(todo for _, todo in against))
    rows = read_as_consumer(plan, ports, evidence)
    check_figures(plan, ports, evidence)
    if not fed and (found := changes_at_source(plan, ports)):
        raise GateError(
            f"The source has changed since the cut: {'. '.join(found)}.",
            todo="Freeze it and start a new run: the lake lacks these changes.",
        )
    accepted = (
        f" {decision.quarantined} quarantined rows are accepted by {asked.by}: {declared.accept_quarantine.strip()}."
    )
    source = (
        "are what they were at the cut" if not fed else "were equal when they were compared last, and the feed goes on"
    )
    return evidence, (
        f"{len(plan.migration.kpis)} KPIs and all row counts of the source {source}; "
        f"the pinned snapshots hold {rows} rows and give the figures that were compared.{accepted if decision.quarantined else ''}"
    )


def _objections(
    store: ObjectStore,
    plan: Plan,
    asked: Transition,
    evidence: Evidence,
    decision: GateDecision,
    declared: Declared,
) -> Iterator[tuple[str, str]]:
    """What speaks against it, and what to do, all at once."""
    if not decision.open:
        yield f"The gate is shut: {'; '.join(decision.reasons)}.", "Mend what the reasons name."
    fed = asked.after is State.READERS
    if asked.evidence_hash != decision.evidence_hash and not (
        fed and was_approved_since_load(store, plan, evidence, asked.evidence_hash)
    ):
        told = "; ".join(_what_changed(store, asked, evidence))
        yield (
            f"Evidence {asked.evidence_hash[:12]} was approved, but it is {decision.evidence_hash[:12]} now: {told}.",
            "Look at the evidence as it is now and approve it anew.",
        )
    if decision.quarantined and not declared.accept_quarantine.strip():
        yield (
            f"{decision.quarantined} rows are quarantined, and nobody accepts that.",
            "Say with the approval why the migration may go on without them, or mend them and start a new run.",
        )
    if not fed and not declared.source_frozen:
        yield (
            "The source is not declared frozen.",
            "Stop everything that writes to the old system, then say so with the approval.",
        )


def _what_changed(store: ObjectStore, asked: Transition, evidence: Evidence) -> tuple[str, ...]:
    key = sealed_key(asked.migration, asked.evidence_hash)
    found = store.get(key) if asked.evidence_hash.isalnum() else None
    if found is None:
        return ("no evidence with that hash was ever shown",)
    return changes(from_json(Evidence, found[0], store.url(key)), evidence)


def _nobody_else(store: ObjectStore, asked: Transition) -> None:
    """Say early what the claim itself would refuse later."""
    claim = last_claim(store, asked.migration)
    if claim and claim.open and not may_take_over(claim, asked):
        raise claim.busy()
