"""A person's answer, recorded before anything follows from it, and the transitions that do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from lakeward.domain.chain import Entry
from lakeward.domain.evidence import Approval, Transition
from lakeward.domain.facts import Plan
from lakeward.domain.identity import approval_key, digest, transition_key
from lakeward.domain.stored import to_json
from lakeward.errors import LakeError
from lakeward.ports import Ports
from lakeward.steps.chain import keep


def keep_approval(ports: Ports, approval: Approval) -> str:
    """Record and store an answer, once; its key."""
    outcome = "approved" if approval.approved else "rejected"
    key = approval_key(approval.migration, stamped(approval.at, outcome, approval), approval.run_key)
    content = to_json(approval).decode()
    keep(ports, Entry(approval.migration, "approval", outcome, key, content, approval.at, {}))
    return key


def keep_transition(ports: Ports, transition: Transition) -> None:
    """Record a transition, and tell the ledger, which follows and never holds a move up."""
    key = transition_key(
        transition.migration, stamped(transition.at, transition.outcome, transition), transition.run_key
    )
    content = to_json(transition).decode()
    keep(ports, Entry(transition.migration, "transition", transition.outcome, key, content, transition.at, {}))
    with suppress(LakeError):
        ports.ledger.record_transition(transition)


def answer(plan: Plan, given: Mapping[str, object], at: datetime) -> Approval:
    """An answer as the approval task and the form of the ``cutover`` DAG give it, whose values are text.

    :param at: when the form was filled in, unless ``given`` has ``answered_at``.
    """
    told = given.get("answered_at")
    return Approval(
        migration=plan.migration.migration,
        run_key=plan.run_key,
        evidence_hash=str(given["evidence_hash"]),
        approved=given["approved"] is True,
        by=str(given["by"]),
        why=str(given["why"]),
        at=datetime.fromisoformat(str(told)) if told else at,
        source_frozen=str(given["source_frozen"]) == "True",
        accept_quarantine=str(given["accept_quarantine"]),
    )


def stamped(at: datetime, outcome: str, fact: object) -> str:
    """The middle of a key: it sorts by time, and names outcome and content."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{outcome}-{digest(to_json(fact), length=8)}"
