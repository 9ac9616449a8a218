"""`lakeward run` of a strangler fig: the initial load, and from then on tenures of the change log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lakeward.cli.console import note, progressing, say
from lakeward.cli.decision import show_decision
from lakeward.cli.session import now, open_run
from lakeward.cli.verdicts import show_verdicts

if TYPE_CHECKING:
    from lakeward.domain.facts import Plan
    from lakeward.ports import Ports
    from lakeward.spec.load import LoadedMigration
    from lakeward.spec.models import StranglerFig


def run_strangler(loaded: LoadedMigration, spec: StranglerFig, ports: Ports, groups: list[str], *, new: bool) -> None:
    """Load what is not loaded yet, serve a tenure of the rest, and put what was compared to the gate; exits 3 when that is held."""
    from lakeward.steps.plan import make_plan
    from lakeward.steps.stock import tell_card

    plans = {name: None if new else loaded_before(loaded, name, ports) for name in groups}
    equal = True
    if any(plan is None for plan in plans.values()):
        with progressing() as progress:
            fresh = make_plan(loaded, ports, open_run(ports.store, loaded, new=new), now(), progress)
        tell_card(fresh, Path(loaded.path).name, ports.ledger)
        note(f"run {fresh.run_key} of {spec.migration}: initial load")
    for name, plan in plans.items():
        if plan is None:
            load_once(fresh, name, ports)
        else:
            equal = serve_changes(plan, name, ports) and equal
    if not equal:
        say("`lakeward parity FILE --drill` names the rows.")
    if all(plans.values()) and len(groups) == len(spec.groups):
        equal = _gate(loaded, ports) and equal
    if not equal:
        raise typer.Exit(3)


def loaded_before(loaded: LoadedMigration, name: str, ports: Ports) -> Plan | None:
    """The plan of a group's initial load, once that is published."""
    from lakeward.steps.tenure import loaded_plan

    plan = loaded_plan(loaded, name, ports)
    if plan and plan.file_hash != loaded.file_hash:
        note(
            f"{name}: the file was changed since the initial load; what it says of tables holds after `lakeward run --new`"
        )
    return plan


def load_once(plan: Plan, name: str, ports: Ports) -> None:
    """The initial load of a group, up to its comparison."""
    from lakeward.cli.run import Chain, Step

    Chain(plan, ports, name).run(Step.COMPARE)


def serve_changes(plan: Plan, name: str, ports: Ports, *, dual: bool = True) -> bool:
    """Apply a group's changes for a tenure; whether both sides are equal then."""
    from lakeward.steps.compact import compact
    from lakeward.steps.journal import journal
    from lakeward.steps.tenure import serve

    with journal(plan, ports, name, "changes", now()) as entry, progressing() as progress:
        done = serve(plan, name, ports, now, progress=progress, dual=dual)
        entry.rows = done.rows
        entry.outcome = "done" if done.equal else "held"
        entry.message = done.told
    note(f"{name}  changes   {entry.seconds:7.1f} s  {entry.message}")
    show_verdicts(done.verdicts)
    if plan.migration.compaction.mode == "rewrite":
        with journal(plan, ports, name, "compact", now()) as entry, progressing() as progress:
            compact(plan, name, ports, now(), progress=progress)
    return done.equal


def _gate(loaded: LoadedMigration, ports: Ports) -> bool:
    """Whether a person may be asked, and all that is known of it."""
    from lakeward.steps.compared import judge_compared
    from lakeward.steps.dossier import try_dossier

    with progressing() as progress:
        plan, decision = judge_compared(loaded, ports, now(), progress)
    note(f"run {plan.run_key} of {plan.migration.migration}: what was compared last")
    note(f"records: {decision.signatures}")
    note(f"dossier: {try_dossier(plan, ports, now())}")
    show_decision(decision)
    return decision.open
