"""The one move by which readers see a group at a new cut: its pointer, changed by a conditional write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from lakeward.domain.evidence import Pointer, State
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.identity import pointer_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, GateError
from lakeward.ports import ObjectStore, Ports

_TRIES = 10


def find_pointer(store: ObjectStore, plan: Plan, group: GroupPlan) -> tuple[Pointer, str] | None:
    """The pointer of a group and its etag; None when the group was never published."""
    found = store.get(key := pointer_key(plan.migration.migration, group.name))
    return (from_json(Pointer, found[0], store.url(key)), found[1]) if found else None


def require_legacy(pointer: Pointer) -> None:
    """GateError when readers or writers use the lake already: what they read is not replaced under them."""
    if pointer.state is not State.LEGACY:
        raise GateError(
            f"Group {pointer.group} of {pointer.migration} was already cut over (state {pointer.state.value}, "
            f"cut {pointer.cut_id}).",
            todo="Roll back first, then run the new cut.",
        )


def publish(plan: Plan, group_name: str, ports: Ports, snapshots: Mapping[str, int], at: datetime, by: str) -> Pointer:
    """Move the group's pointer to these snapshots, its state unchanged; moving it to where it is does nothing.

    :param snapshots: lake table (the plan's name) to snapshot id.
    :raises GateError: the group was already cut over.
    :raises ConflictError: others kept moving the pointer.
    """
    group = plan.group(group_name)
    key = pointer_key(plan.migration.migration, group.name)
    tables = {ports.lake.qualified(table): snapshot for table, snapshot in snapshots.items()}
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None:
            pointer = _first(plan, group, tables, at, by)
            if ports.store.put_new(key, to_json(pointer)):
                return pointer
            continue
        there, etag = found
        if there.cut_id == group.cut_id and there.content == tables:  # compacted since, perhaps
            return there
        require_legacy(there)
        made = _first(plan, group, tables, later(at, there), by)
        pointer = replace(made, state=there.state, version=there.version + 1, previous=there.previous)
        if ports.store.put_if(key, to_json(pointer), etag):
            return pointer
    raise ConflictError(
        f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Run the append step again."
    )


def later(at: datetime, there: Pointer) -> datetime:
    """The instant of a move: after the one before, though clocks differ."""
    return max(at, there.moved_at + timedelta(microseconds=1))


def _first(plan: Plan, group: GroupPlan, tables: dict[str, int], at: datetime, by: str) -> Pointer:
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
    )
