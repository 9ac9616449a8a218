"""Take an unpublished trial back out of the lake: nobody was switched to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lakeward.domain.evidence import Pointer
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.identity import WHOLE, batch_id, discarded_key, pointer_key
from lakeward.domain.stored import to_json
from lakeward.errors import ConflictError, GateError
from lakeward.ports import Ports, Progress, silent
from lakeward.steps.claim import last_claim
from lakeward.steps.publish import find_pointer, require_unswitched


@dataclass(frozen=True, slots=True)
class Discarded:
    """A lake table: its rows now, and whether they are the cut's. ``gone``: they were taken out."""

    table: str
    rows: int
    of_cut: bool
    gone: bool


def discard(
    plan: Plan, group_name: str, ports: Ports, *, dry_run: bool = True, progress: Progress = silent
) -> tuple[Discarded, ...]:
    """Bring every table of the group back to what it was before the run's cut; tables with other content are left alone.

    A pointer that shows the cut to readers-to-be is taken away first, so that nobody can be switched to what goes.

    :raises GateError: readers or writers use the cut already.
    :raises ConflictError: a transition is under way, or somebody moved the pointer.
    """
    group = plan.group(group_name)
    if group.windowing:
        raise GateError(
            f"Group {group.name} is moved in windows, and one of them can't be taken out by itself.",
            todo="Read it again: `lakeward run FILE --window W --again` replaces its rows.",
        )
    found_pointer = find_pointer(ports.store, plan, group)
    if found_pointer and found_pointer[0].caught:
        raise GateError(
            f"Group {group.name} follows its source: cut {group.cut_id} is a round of that, made of the rows of those before it.",
            todo="Nothing needs to be taken out: the next run compares all rows and replaces those that differ. To begin anew, drop the "
            "group's tables and its pointer.",
        )
    _check(plan, group, ports)
    names = (*(table.name for table in group.lake_tables), group.quarantine)
    found = [_look(ports, group, name) for name in names]
    if dry_run:
        return tuple(found)
    _unpublish(plan, group, ports)
    ports.store.put_new(discarded_key(plan.migration.migration, group.name, group.cut_id), b"{}")
    done = []
    for n, one in enumerate(found):
        progress(f"discard {group.name}", n, len(found))
        done.append(replace(one, gone=ports.lake.drop_batch(one.table, group.cut_id)))
    if _pointer(plan, group, ports, cut_id=""):
        ports.store.delete([pointer_key(plan.migration.migration, group.name)])
    return tuple(done)


def _look(ports: Ports, group: GroupPlan, name: str) -> Discarded:
    state = ports.lake.state(name)
    ours = state is not None and state.batches.get(WHOLE) == batch_id(group.cut_id, name)
    return Discarded(name, state.rows if state else 0, ours, gone=False)


def _check(plan: Plan, group: GroupPlan, ports: Ports) -> None:
    if _pointer(plan, group, ports, cut_id=group.cut_id):
        claim = last_claim(ports.store, plan.migration.migration)
        if claim and claim.open:
            raise claim.busy()


def _pointer(plan: Plan, group: GroupPlan, ports: Ports, *, cut_id: str) -> tuple[Pointer, str] | None:
    """The pointer when it shows that cut; GateError when it is followed by anybody."""
    found = find_pointer(ports.store, plan, group)
    if found is None or found[0].cut_id != cut_id:
        return None
    require_unswitched(found[0])
    return found


def _unpublish(plan: Plan, group: GroupPlan, ports: Ports) -> None:
    """A transition to this cut, begun at the same time, finds a pointer that shows another, and refuses."""
    found = _pointer(plan, group, ports, cut_id=group.cut_id)
    if found is None:
        return
    pointer, etag = found
    empty = replace(
        pointer, cut_id="", tables={}, origins={}, version=pointer.version + 1, why=f"cut {group.cut_id} is discarded"
    )
    if not ports.store.put_if(pointer_key(plan.migration.migration, group.name), to_json(empty), etag):
        raise ConflictError(f"The pointer of group {group.name} was moved meanwhile.", todo="See `lakeward status`.")
