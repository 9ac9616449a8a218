"""The gate's decision, for people and as JSON; derived afresh whenever it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lakeward.cli.console import home, say

if TYPE_CHECKING:
    from lakeward.domain.decision import GateDecision
    from lakeward.domain.evidence import Pointer
    from lakeward.domain.facts import Plan
    from lakeward.ports import Ports
    from lakeward.spec.load import LoadedMigration


def decision_now(loaded: LoadedMigration, pointers: Sequence[Pointer]) -> GateDecision | None:
    """What the gate says of what is published; None when nothing is. What can't be looked at is a reason to hold."""
    from lakeward.adapters.connections import from_environment
    from lakeward.adapters.open import open_ports
    from lakeward.cli.session import now
    from lakeward.domain.decision import Decision, GateDecision, Reason
    from lakeward.errors import LakewardError
    from lakeward.spec.models import Hybrid
    from lakeward.steps.gate import collect_evidence, judge
    from lakeward.steps.join import join

    if not pointers:
        return None
    try:
        with open_ports(loaded.spec, from_environment, home()) as ports:
            plan = _plan_of(loaded, ports, pointers)
            if isinstance(loaded.spec, Hybrid):
                plan = join(replace(plan, migration=loaded.spec), ports)
            return judge(plan, ports, collect_evidence(plan, ports), now())
    except LakewardError as error:
        reason = Reason(f"the evidence can't be looked at: {error.what}", todo=error.todo)
        return GateDecision(Decision.HOLD, (reason,), (), "", 0)


def _plan_of(loaded: LoadedMigration, ports: Ports, pointers: Sequence[Pointer]) -> Plan:
    """The plan of the newest run among those whose cuts are published; of a strangler fig, at what was compared last."""
    from lakeward.cli.session import run_of_cut
    from lakeward.errors import LakeError
    from lakeward.spec.models import StranglerFig
    from lakeward.steps.artifacts import read_plan
    from lakeward.steps.compared import compared_plan

    if isinstance(loaded.spec, StranglerFig):
        return compared_plan(loaded, ports)
    name = loaded.spec.migration
    found = (run_of_cut(ports.store, name, pointer.group, pointer.cut_id) for pointer in pointers)
    plans = [read_plan(ports.store, name, run) for run in sorted({run for run in found if run})]
    if not plans:
        raise LakeError("The landing of the published cut is gone.", todo="Run the migration again.")
    return max(plans, key=lambda plan: plan.planned_at)


def show_decision(decision: GateDecision) -> None:
    """The decision with progress, reasons and what to do about each."""
    said = {
        "ready": f"The gate is open. Evidence {decision.evidence_hash}",
        "hold": "The gate is held:",
        "roll_back": "Roll back:",
    }
    say(said[decision.decision.value])
    todo = ""
    for reason in decision.why:
        say(f"  - {reason}")
        if reason.todo and reason.todo != todo:
            say(f"    {reason.todo}")
        todo = reason.todo
    for streak in decision.streaks:
        say(f"  {streak}")
    for warning in decision.warnings:
        say(f"warning: {warning}")


def decision_json(decision: GateDecision) -> dict[str, object]:
    """The decision as one object."""
    return {
        "decision": decision.decision.value,
        "reasons": [
            {
                "what": reason.what,
                "group": reason.group,
                "kind": reason.kind,
                "subject": reason.subject,
                "grain": reason.grain,
                "period": reason.period,
                "since": reason.since.isoformat() if reason.since else None,
                "todo": reason.todo,
                "proven": reason.proven,
            }
            for reason in decision.why
        ],
        "progress": [
            {
                "group": one.group,
                "kpi": one.kpi,
                "grain": one.grain,
                "passed": one.passed,
                "wanted": one.wanted,
                "latest": one.latest,
                "why": one.why,
            }
            for one in decision.streaks
        ],
        "warnings": list(decision.warnings),
        "quarantined": decision.quarantined,
        "evidence_hash": decision.evidence_hash,
        "signatures": decision.signatures,
    }
