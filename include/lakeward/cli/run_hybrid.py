"""`lakeward run` of a hybrid: each group by its own pattern, in the order that the file gives them, then the joint gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lakeward.cli.console import note, progressing, say
from lakeward.cli.run_phased import Wanted, deadline_of, move_windows
from lakeward.cli.run_strangler import load_once, loaded_before, serve_changes
from lakeward.cli.session import finish_run, now, open_run
from lakeward.errors import GateError, LakewardError

if TYPE_CHECKING:
    from lakeward.domain.facts import Plan
    from lakeward.ports import Ports
    from lakeward.spec.load import LoadedMigration
    from lakeward.spec.models import Hybrid, HybridGroup


def run_hybrid(loaded: LoadedMigration, spec: Hybrid, ports: Ports, wanted: Wanted, *, new: bool) -> None:
    """Move what is left of each group, and compare what is done once more; exits 3 when a group or the gate is held.

    What goes wrong with one group is told when those that do not come after it are through.
    """
    from lakeward.domain.parts import part_of
    from lakeward.spec.hybrid_checks import in_order
    from lakeward.steps.plan import make_plan
    from lakeward.steps.stock import tell_card

    with progressing() as progress:
        plan = make_plan(loaded, ports, open_run(ports.store, loaded, new=new), now(), progress)
    tell_card(plan, Path(loaded.path).name, ports.ledger)
    note(f"run {plan.run_key} of {spec.migration}, planned {plan.planned_at:%Y-%m-%d %H:%M:%SZ}")
    done: dict[str, str] = {}  # why a group is not where it should be; nothing of those that are
    failed: list[LakewardError] = []
    for group in in_order(spec):
        if wanted.group not in {"", group.name}:
            continue
        if not wanted.group and (waits := [name for name in group.after if done[name]]):
            done[group.name] = f"waits for {', '.join(waits)}"
            say(f"{group.name}: {done[group.name]}")
            continue
        try:
            done[group.name] = _Group(loaded, part_of(plan, group.name), ports, group).run(spec, wanted, new=new)
        except LakewardError as error:
            failed.append(error)
            done[group.name] = "failed"
            note(f"{group.name}: failed. The next `lakeward run` goes on where it was.")
    if failed:
        raise failed[0]
    if wanted.group:
        return
    if not (left := [f"{name} {why}" for name, why in done.items() if why]):
        _gate(plan, ports)
        return
    finish_run(ports.store, plan, "held")
    say(f"The joint gate is not put yet: {'; '.join(left)}.")
    if HELD in done.values():
        raise typer.Exit(3)


HELD = "is held"


class _Group:
    """One group, by its own pattern: its plan is that of the pattern's own migration."""

    def __init__(self, loaded: LoadedMigration, part: Plan, ports: Ports, group: HybridGroup) -> None:
        self._loaded, self._part, self._ports, self._name = loaded, part, ports, group.name
        self._pattern = group.pattern

    def run(self, spec: Hybrid, wanted: Wanted, *, new: bool) -> str:
        """Why the group is not where it should be; nothing when it is."""
        if self._pattern == "phased":
            return self._windows(spec, wanted)
        if self._pattern == "strangler_fig":
            return self._changes(new=new)
        return self._lift(new=new)

    def _lift(self, *, new: bool) -> str:
        from lakeward.cli.run import Chain, Step
        from lakeward.steps.lift import why_lift

        with progressing() as progress:
            why = "asked for" if new else why_lift(self._loaded, self._name, self._ports, now(), progress)
        note(f"{self._name}  {f'is read: {why}' if why else 'is equal to its source as it is now'}")
        if why:
            Chain(self._part, self._ports, self._name).run(Step.COMPARE)
        return ""

    def _windows(self, spec: Hybrid, wanted: Wanted) -> str:
        found = move_windows(self._part, spec, self._name, self._ports, wanted, deadline_of(spec, wanted), [])
        say(f"{self._name}: {found.told(spec.budget, now())}")
        if found.held:
            return HELD
        return "" if found.complete else "has windows left"

    def _changes(self, *, new: bool) -> str:
        plan = None if new else loaded_before(self._loaded, self._name, self._ports)
        if plan is None:
            load_once(self._part, self._name, self._ports)
        return "" if serve_changes(plan or self._part, self._name, self._ports, dual=False) else HELD


def _gate(plan: Plan, ports: Ports) -> None:
    from lakeward.cli.run import put_to_gate
    from lakeward.steps.join import joined

    try:
        whole = joined(plan, ports)
    except GateError as error:
        finish_run(ports.store, plan, "held")
        say(f"{error.what} {error.todo}")
        raise typer.Exit(3) from None
    put_to_gate(whole, ports, run=plan)
