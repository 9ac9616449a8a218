"""The last round before a cutover: every group at a cut of one run, all of it compared, so that one approval covers all of it."""

from __future__ import annotations

from lakeward.domain.facts import Plan
from lakeward.domain.parts import part_of
from lakeward.errors import ConflictError, GateError
from lakeward.ports import Ports
from lakeward.spec.hybrid_checks import in_order
from lakeward.spec.models import Hybrid, Phased
from lakeward.steps.artifacts import freeze_plan, plan_of_published
from lakeward.steps.catch_up import CatchUp, round_plan
from lakeward.steps.compared import drain
from lakeward.steps.frozen import changes_at_source
from lakeward.steps.join import join, joined
from lakeward.steps.publish import find_pointer
from lakeward.steps.waves import look
from lakeward.steps.window_claim import held_group
from lakeward.steps.window_run import Means, WindowRun


def final_sync(plan: Plan, ports: Ports, run_key: str, holder: str, means: Means, *, feed: str = "") -> Plan:
    """Bring every group to what the source has now, in whole rounds of one run; the plan of that run, whose gate can be asked.

    Done again under the same key it goes on where it was.

    :param feed: who holds the feed of groups that follow a change log, if anybody does.
    :raises GateError: a group has windows left, or follows no source.
    :raises ConflictError: another run is moving a group.
    """
    spec = plan.migration
    if isinstance(spec, Hybrid):
        return _all_parts(plan, spec, ports, holder, means, feed)
    if not isinstance(spec, Phased):
        raise GateError(f"{spec.migration} is no phased migration.", todo="Approve the run's own cut.")
    for group in spec.groups:
        _require_complete(plan, group.name, ports, follows=group.catch_up is not None)
    frozen = freeze_plan(ports.store, round_plan(plan, spec.groups, run_key))
    for group in spec.groups:
        with held_group(ports.store, spec.migration, group.name, holder, means.clock) as held:
            if held is None:
                raise ConflictError(
                    f"Another run is moving group {group.name}.", todo="Wait until it has ended, then ask again."
                )
            CatchUp(frozen, group, ports, means, held).close()
    return frozen


def _all_parts(plan: Plan, spec: Hybrid, ports: Ports, holder: str, means: Means, feed: str) -> Plan:
    """Each group by its own pattern: what was lifted is read anew if the source has changed since, a change log applied to its end."""
    join(plan, ports)  # else nothing is read, and the source is not frozen for nothing
    for group in in_order(spec):
        part = part_of(plan, group.name)
        if group.pattern == "phased":
            final_sync(part, ports, part.run_key, holder, means)
        elif (there := plan_of_published(ports.store, spec.migration, group.name)) is None:
            raise GateError(f"Group {group.name} is not published.", todo="Let its runs go on first.")
        elif group.pattern == "strangler_fig":
            drain(there, group.name, ports, means.clock, means.wait, holder=feed, progress=means.progress, dual=False)
        else:
            changed = changes_at_source(there, ports)
            means.say(f"{group.name}: {'; '.join(changed) or 'as it was read'}")
            if changed:
                WindowRun(freeze_plan(ports.store, part), ports, means, lambda: None).move()
    return joined(plan, ports)


def _require_complete(plan: Plan, name: str, ports: Ports, *, follows: bool) -> None:
    found = find_pointer(ports.store, plan, plan.group(name))
    if not follows:
        raise GateError(
            f"Group {name} has no `catch_up`: it stays as it was read.", todo="Declare it, and run once more."
        )
    if found is None or not found[0].caught:
        listing, _ = look(plan, name, ports)
        raise GateError(
            f"Group {name} has not caught up yet, {len(listing.left)} windows are left.",
            todo="Let its runs go on first.",
        )
