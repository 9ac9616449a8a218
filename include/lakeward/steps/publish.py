"""The one move by which readers see a group at a new cut: its pointer, changed by a conditional write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from lakeward.domain.changes import spelled
from lakeward.domain.evidence import UNSWITCHED, Compared, Pointer, State, WindowCut
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.identity import compared_id, pointer_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, GateError
from lakeward.ports import ObjectStore, Ports

_TRIES = 10


def find_pointer(store: ObjectStore, plan: Plan, group: GroupPlan) -> tuple[Pointer, str] | None:
    """The pointer of a group and its etag; None when the group was never published."""
    found = store.get(key := pointer_key(plan.migration.migration, group.name))
    return (from_json(Pointer, found[0], store.url(key)), found[1]) if found else None


def require_unswitched(pointer: Pointer) -> None:
    """GateError when readers or writers use the lake already: what they read is not replaced under them."""
    if pointer.state not in UNSWITCHED:
        raise GateError(
            f"Group {pointer.group} of {pointer.migration} was already cut over (state {pointer.state.value}, "
            f"cut {pointer.cut_id}).",
            todo="Roll back first, then run the new cut.",
        )


def publish(
    plan: Plan,
    group_name: str,
    ports: Ports,
    snapshots: Mapping[str, int],
    at: datetime,
    by: str,
    window: WindowCut | None = None,
) -> Pointer:
    """Move the group's pointer to these snapshots, its state unchanged; moving it to where it is does nothing.

    :param snapshots: lake table (the plan's name) to snapshot id.
    :param window: what is to be known of the group's window, in a phased migration.
    :raises GateError: the group was already cut over.
    :raises ConflictError: others kept moving the pointer.
    """
    group = plan.group(group_name)
    key = pointer_key(plan.migration.migration, group.name)
    tables = {ports.lake.qualified(table): snapshot for table, snapshot in snapshots.items()}
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None:
            pointer = _first(plan, group, tables, at, by, window)
            if ports.store.put_new(key, to_json(pointer)):
                return pointer
            continue
        there, etag = found
        if there.cut_id == group.cut_id and there.content == tables:  # compacted since, perhaps
            return there
        require_unswitched(there)
        first = _first(plan, group, tables, later(at, there), by, window)
        pointer = replace(
            first,
            state=there.state,
            version=there.version + 1,
            previous=there.previous,
            windows=there.windows | first.windows if window else {},
        )
        if ports.store.put_if(key, to_json(pointer), etag):
            return pointer
    raise ConflictError(
        f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Run the append step again."
    )


def show_changes(
    plan: Plan,
    group_name: str,
    ports: Ports,
    snapshots: Mapping[str, int],
    position: int,
    at: datetime,
    fresh_at: datetime,
) -> Pointer:
    """Let readers see a batch of changes on top of the cut, all its tables at once; a pointer that is further stays.

    :raises GateError: the lake is written by others than the source: its changes have no place there any more.
    :raises ConflictError: others kept moving the pointer, or show another cut.
    """
    group = plan.group(group_name)
    tables = {ports.lake.qualified(table): snapshot for table, snapshot in snapshots.items()}
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None or found[0].cut_id != group.cut_id:
            raise ConflictError(
                f"Group {group.name} is not published at cut {group.cut_id} any more: its changes are not shown.",
                todo="Another initial load was published; the next run goes on from there.",
            )
        there, etag = found
        if there.state in {State.WRITERS, State.RETIRED}:
            raise GateError(
                f"Group {group.name} of {there.migration} is in state {there.state.value}: its writers use the lake already.",
                todo="Stop the runs of this migration, or roll back by the DAG `cutover`.",
            )
        if there.position >= position:
            return there
        pointer = replace(
            there,
            version=there.version + 1,
            tables=there.tables | tables,
            origins={name: origin for name, origin in there.origins.items() if name not in tables},
            moved_at=later(at, there),
            why=f"changes up to {spelled(position)}" if tables else there.why,
            position=position,
            fresh_at=fresh_at,
        )
        if ports.store.put_if(pointer_key(plan.migration.migration, group.name), to_json(pointer), etag):
            return pointer
    raise ConflictError(f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Run it again.")


def show_comparison(plan: Plan, group: GroupPlan, ports: Ports, there: Pointer, at: datetime) -> Compared:
    """Note that what readers see now is being compared; until that has ended, the gate has nothing newer to look at.

    :raises ConflictError: what readers see has moved since ``there`` was read.
    """
    name = plan.migration.migration
    cut = compared_id(name, group.name, plan.run_key, there.position)
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None or (found[0].cut_id, found[0].position) != (there.cut_id, there.position):
            break
        now, etag = found
        compared = Compared(cut, now.position, at, now.tables)
        moved = replace(now, version=now.version + 1, compared=compared)
        if ports.store.put_if(pointer_key(name, group.name), to_json(moved), etag):
            return compared
    raise ConflictError(f"Group {group.name} was moved by another run while it was compared.", todo="Run it again.")


def later(at: datetime, there: Pointer) -> datetime:
    """The instant of a move: after the one before, though clocks differ."""
    return max(at, there.moved_at + timedelta(microseconds=1))


def judged(plan: Plan, group_name: str, ports: Ports, gate: str, seconds: float) -> None:
    """Keep what the gate said of the group's window, and how long all of it took; nothing when another cut has taken its place.

    :raises ConflictError: others kept moving the pointer.
    """
    group = plan.group(group_name)
    for _ in range(_TRIES):
        if (found := find_pointer(ports.store, plan, group)) is None:
            return
        pointer, etag = found
        cut = pointer.windows.get(group.window)
        if cut is None or cut.cut_id != group.cut_id or cut.gate == gate:
            return
        windows = pointer.windows | {group.window: replace(cut, gate=gate, seconds=round(seconds, 1))}
        moved = replace(pointer, version=pointer.version + 1, windows=windows)
        if ports.store.put_if(pointer_key(plan.migration.migration, group.name), to_json(moved), etag):
            return
    raise ConflictError(f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Run it again.")


def _first(
    plan: Plan, group: GroupPlan, tables: dict[str, int], at: datetime, by: str, window: WindowCut | None
) -> Pointer:
    return Pointer(
        migration=plan.migration.migration,
        group=group.name,
        state=State.LEGACY,
        version=1,
        cut_id=group.cut_id,
        tables=tables,
        evidence_hash="",
        moved_at=at,
        moved_by=by,
        why=f"cut {group.cut_id} published by run {plan.run_key}",
        windows={group.window: window} if window else {},
        basis=group.windowing.basis if group.windowing else "",
    )
