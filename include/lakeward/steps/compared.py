"""The gate of a strangler fig: it decides on the newest comparison of every group, each at a position of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from lakeward.domain.changes import spelled
from lakeward.domain.decision import GateDecision
from lakeward.domain.evidence import State
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.identity import digest
from lakeward.errors import GateError
from lakeward.ports import Ports, Progress, silent
from lakeward.reader import resolve
from lakeward.spec.hybrid import alone
from lakeward.spec.load import LoadedMigration
from lakeward.spec.models import StranglerFig
from lakeward.steps.artifacts import find_staged, freeze_plan, plan_of_published, read_staged
from lakeward.steps.feed import COMPARED, load_of
from lakeward.steps.gate import evaluate, published
from lakeward.steps.journal import journal
from lakeward.steps.log import log_of
from lakeward.steps.tenure import loaded_plan, serve
from lakeward.steps.validate import put_rules

_PATIENCE, _LOOK = timedelta(minutes=15), 1.0
"""How long a run that still reads the log is waited for, and how often it is looked at in seconds."""


def compared_plan(loaded: LoadedMigration, ports: Ports) -> Plan:
    """The plan whose cuts are the newest comparison of every group; its run is named by what was compared.

    :raises GateError: a group was not loaded, or not compared since.
    """
    plan = _over([_compared(loaded, group.name, ports) for group in loaded.spec.groups])
    run = digest("compared", loaded.file_hash, *(group.cut_id for group in plan.groups), length=12)
    return replace(plan, run_key=f"{plan.run_key}{COMPARED}{run}")


def shown_plan(loaded: LoadedMigration, ports: Ports) -> Plan:
    """The plan whose cuts are those that readers see, whatever was compared since: going back needs no more."""
    return _over([_loaded(loaded, group.name, ports) for group in loaded.spec.groups])


def last_tenure(
    loaded: LoadedMigration,
    ports: Ports,
    clock: Callable[[], datetime],
    wait: Callable[[float], None],
    *,
    holder: str = "",
    progress: Progress = silent,
) -> tuple[Plan, GateDecision]:
    """Apply what the source has, compare, and put it to the gate: before the writers are moved, once nobody writes there any more.

    :param wait: for so many seconds, while another run still reads the log.
    :raises GateError: readers are not at the lake yet.
    """
    for group in loaded.spec.groups:
        plan = _loaded(loaded, group.name, ports)
        state = resolve(ports.store, loaded.spec.migration, group.name).state
        if state is not State.READERS:
            raise GateError(
                f"Group {group.name} is in state {state.value}; writers follow readers.",
                todo="Move the readers first: DAG `cutover`, cut over.",
            )
        drain(plan, group.name, ports, clock, wait, holder=holder, progress=progress)
    return judge_compared(loaded, ports, clock(), progress)


def drain(
    plan: Plan,
    name: str,
    ports: Ports,
    clock: Callable[[], datetime],
    wait: Callable[[float], None],
    *,
    holder: str = "",
    progress: Progress = silent,
    dual: bool = True,
) -> None:
    """Apply what the source has of a group, once no other run reads its log, and compare it."""
    log, until = log_of(ports, name), clock() + _PATIENCE
    while (slot := log.state()) and slot.active and clock() < until:
        wait(_LOOK)
    serve(plan, name, ports, clock, length=timedelta(0), progress=progress, holder=holder, dual=dual)


def plan_of_gate(loaded: LoadedMigration, name: str, ports: Ports) -> Plan | None:
    """The plan at whose cut of a group the gate looks; None when the group was never published."""
    if isinstance(alone(loaded.spec, name), StranglerFig):
        return _compared(loaded, name, ports)
    return plan_of_published(ports.store, loaded.spec.migration, name)


def judge_compared(
    loaded: LoadedMigration, ports: Ports, at: datetime, progress: Progress = silent
) -> tuple[Plan, GateDecision]:
    """Put the record rules to what was compared, and all of it to the gate; the plan whose run an approval names, and the decision."""
    plan = freeze_plan(ports.store, compared_plan(loaded, ports))
    with journal(replace(plan, run_key=load_of(plan)), ports, "", "gate", at) as entry:
        for group in plan.groups:
            look_at_records(plan, group, ports, at, progress)
        decision = evaluate(plan, ports, at)
        entry.outcome, entry.message = "done" if decision.open else "held", "; ".join(decision.reasons)
    return plan, decision


def look_at_records(plan: Plan, group: GroupPlan, ports: Ports, at: datetime, progress: Progress = silent) -> None:
    """Put the record rules to a group as it was compared."""
    pins = published(plan, group, ports).tables
    put_rules(plan, group, read_staged(ports.store, plan, group), ports, at, progress, pins)


def _over(plans: Sequence[Plan]) -> Plan:
    newest = max(plans, key=lambda plan: plan.planned_at)
    return replace(newest, groups=tuple(group for plan in plans for group in plan.groups))


def _loaded(loaded: LoadedMigration, name: str, ports: Ports) -> Plan:
    plan = loaded_plan(loaded, name, ports)
    if plan is None:
        raise GateError(f"Group {name} has no initial load.", todo="The first run of the migration makes it.")
    return replace(plan, groups=(plan.group(name),))


def _compared(loaded: LoadedMigration, name: str, ports: Ports) -> Plan:
    """The plan of a group's load, at the cut of its newest comparison."""
    plan = _loaded(loaded, name, ports)
    compared = resolve(ports.store, loaded.spec.migration, name).compared
    if compared is None:
        raise GateError(f"Group {name} was not compared since its initial load.", todo="The next run compares it.")
    group = replace(plan.group(name), cut_id=compared.cut_id)
    if find_staged(ports.store, plan, group) is None:
        raise GateError(
            f"Group {name}: the comparison at {spelled(compared.position)} has not ended, or could not be made.",
            todo="See how its last run went; the next one compares anew.",
        )
    return replace(plan, groups=(group,))
