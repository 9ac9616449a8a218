"""The groups of a hybrid, each by a pattern of its own, as one plan: it is put to one gate and cut over by one transition."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from lakeward.domain.decision import GateDecision
from lakeward.domain.facts import Plan
from lakeward.domain.identity import digest
from lakeward.domain.parts import JOINED
from lakeward.errors import GateError
from lakeward.ports import Ports, Progress, silent
from lakeward.reader import resolve
from lakeward.spec.models import Hybrid, HybridGroup
from lakeward.steps.artifacts import find_staged, freeze_plan, plan_of_published
from lakeward.steps.compared import look_at_records
from lakeward.steps.gate import evaluate


def joined(plan: Plan, ports: Ports) -> Plan:
    """``join``, frozen under a run key of its own; any other plan is its own."""
    return freeze_plan(ports.store, join(plan, ports)) if isinstance(plan.migration, Hybrid) else plan


def join(plan: Plan, ports: Ports) -> Plan:
    """The plan of all groups of a hybrid, each at the cut that readers see, or that was compared last.

    :raises GateError: groups are not there yet; each is named.
    """
    spec = plan.migration
    if not isinstance(spec, Hybrid):
        return plan
    parts = {group.name: _part(group, plan, ports) for group in spec.groups}
    if missing := [f"{name} {part}" for name, part in parts.items() if isinstance(part, str)]:
        raise GateError(f"The groups can't be joined yet: {'; '.join(missing)}.", todo="Let runs go on first.")
    found = {name: part for name, part in parts.items() if isinstance(part, Plan)}
    groups = tuple(part.group(name) for name, part in found.items())
    kpis = tuple(kpi for part in found.values() for kpi in part.migration.kpis)
    key = f"{plan.run_key}{JOINED}{digest(*(group.cut_id for group in groups))[:8]}"
    return replace(plan, migration=spec.model_copy(update={"kpis": kpis}), run_key=key, groups=groups)


def _part(group: HybridGroup, plan: Plan, ports: Ports) -> Plan | str:
    """The plan of a group at the cut that readers see, or that was compared last; or why there is none yet."""
    part = plan_of_published(ports.store, plan.migration.migration, group.name)
    if part is None:
        return "is not published"
    pointer = resolve(ports.store, plan.migration.migration, group.name)
    if group.pattern == "phased" and not pointer.caught:
        return "has not caught up with its source"
    if group.pattern != "strangler_fig":
        return part
    if pointer.compared is None:
        return "has not been compared since its initial load"
    compared = replace(part.group(group.name), cut_id=pointer.compared.cut_id)
    if find_staged(ports.store, part, compared) is None:
        return "is being compared, or could not be"
    return replace(part, groups=(compared,))


def judge_joined(plan: Plan, ports: Ports, at: datetime, progress: Progress = silent) -> GateDecision:
    """Put groups that were joined to the gate; those that follow a change log are put to their record rules first."""
    for group in plan.groups:
        pointer = resolve(ports.store, plan.migration.migration, group.name)
        if pointer.compared and pointer.compared.cut_id == group.cut_id:
            look_at_records(plan, group, ports, at, progress)
    return evaluate(plan, ports, at)
