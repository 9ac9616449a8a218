"""`lakeward run` of a phased migration: the next windows, wave by wave, within a budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import typer

from lakeward.cli.console import note, progressing, say
from lakeward.cli.session import now
from lakeward.errors import LakewardError, SpecError
from lakeward.spec.scalars import Span
from lakeward.spec.wave_checks import waves_of

if TYPE_CHECKING:
    from lakeward.domain.facts import Plan
    from lakeward.domain.progress import GroupProgress
    from lakeward.domain.windows import Listing, Window
    from lakeward.ports import Ports
    from lakeward.spec.load import LoadedMigration
    from lakeward.spec.models import Paced, Phased


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    group: str
    budget: str
    window: str
    again: bool


def run_phased(loaded: LoadedMigration, spec: Phased, ports: Ports, wanted: Wanted) -> None:
    """Move windows; exits 3 when a gate is held. What goes wrong with one group is told when the others are through."""
    from lakeward.steps.plan import preview
    from lakeward.steps.stock import tell_card
    from lakeward.steps.waves import shut

    with progressing() as progress:
        plan = preview(loaded, ports, f"cli-{now():%Y%m%dT%H%M%S}-{uuid4().hex[:6]}", now(), progress)
    tell_card(plan, Path(loaded.path).name, ports.ledger)
    note(f"run {plan.run_key} of {spec.migration}")
    deadline = deadline_of(spec, wanted)
    found: dict[str, GroupProgress] = {}
    met: list[bool] = []  # whether a group has the window that is wanted
    failed: list[LakewardError] = []
    waves = waves_of(spec)
    for wave in waves:
        groups = [g for g in wave.groups if wanted.group in {"", g}]
        if groups and not wanted.group and (why := shut(wave, found, waves)):
            say(f"Wave {wave.name} is not open: {why}")
            continue
        for group in groups:
            try:
                found[group] = move_windows(plan, spec, group, ports, wanted, deadline, met)
            except LakewardError as error:
                failed.append(error)
                note(f"{group}: failed. The next `lakeward run` goes on where it was.")
    for one in found.values():
        say(f"{one.group}: {one.told(spec.budget, now())}")
    if failed:
        raise failed[0]
    if met and not any(met):
        raise SpecError(
            f"No group has a window {wanted.window!r} with rows in it.", todo="`lakeward plan FILE` lists the windows."
        )
    if any(one.held for one in found.values()):
        raise typer.Exit(3)


def deadline_of(spec: Paced, wanted: Wanted) -> timedelta | None:
    """How long windows may be begun: what the command line says, else the file."""
    if not wanted.budget:
        return spec.budget.time.delta if spec.budget.time else None
    try:
        return Span(wanted.budget).delta
    except ValueError as error:
        raise SpecError(f"--budget {error}", todo="Write it as `2h`.") from None


def move_windows(
    plan: Plan,
    spec: Paced,
    group: str,
    ports: Ports,
    wanted: Wanted,
    limit: timedelta | None,
    met: list[bool],
) -> GroupProgress:
    """Move the windows of one group that are wanted; ``met`` is told whether it has the window that is named."""
    from lakeward.steps.waves import Order, by_word, move_group
    from lakeward.steps.window_run import Means

    def choose(listing: Listing) -> tuple[Window, ...]:
        windows = by_word(wanted.window)(listing)
        met.append(bool(windows))
        return windows

    order = Order(
        holder=plan.run_key,
        budget=spec.budget,
        deadline=plan.planned_at + limit if limit is not None else None,
        choose=choose if wanted.window else None,
        again=wanted.again,
    )
    with progressing() as progress:
        means = Means(now, lambda: f"cli-{uuid4().hex[:12]}", progress, note)
        return move_group(plan, group, ports, order, means)
