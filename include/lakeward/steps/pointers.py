"""Reading and moving the pointers of a run's groups, under a claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lakeward.domain.evidence import Evidence, Pointer, State
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, from_json, to_json
from lakeward.domain.identity import pointer_key
from lakeward.domain.quarantine import quarantine_table
from lakeward.errors import ConflictError, GateError, LakeError
from lakeward.ports import ObjectStore, Ports
from lakeward.reader import resolve
from lakeward.steps.claim import Held

TRIES = 5
"""How often a pointer is read again when a fenced-off process got a last write in."""

Change = Callable[[Pointer], Pointer]


def pointers_of(plan: Plan, store: ObjectStore) -> tuple[Pointer, ...]:
    """The pointers of a run, in the order in which they are moved; GateError when one shows another run's cut."""
    found = []
    for group in sorted(plan.groups, key=lambda g: g.name):
        pointer = resolve(store, plan.migration.migration, group.name)
        if pointer.cut_id != group.cut_id:
            raise GateError(
                f"Group {group.name} is published at cut {pointer.cut_id}, but the cut of run {plan.run_key!r} is {group.cut_id}.",
                todo="Use the run whose cut is published.",
            )
        found.append(pointer)
    return tuple(found)


def move(store: ObjectStore, held: Held, migration: str, group: str, change: Change) -> Pointer:
    """Write a pointer anew, from what it is now; the pointer that was written.

    The order is what makes it safe: read, make sure of the claim, then write only if nothing has changed since the reading.
    :raises ClaimLostError: the claim was taken over.
    """
    key = pointer_key(migration, group)
    for _ in range(TRIES):
        found = store.get(key)
        if found is None:
            raise LakeError(f"The pointer {store.url(key)} is gone.", todo="Restore it from the store's versions.")
        before = from_json(Pointer, found[0])
        held.make_sure()
        after = change(before)
        if store.put_if(key, to_json(after), found[1]):
            return after
    raise ConflictError(
        f"The pointer {store.url(key)} is written again and again by somebody else.", todo="Find out who writes there."
    )


def read_as_consumer(plan: Plan, ports: Ports, evidence: Evidence, state: State | None = None) -> int:
    """Follow every pointer afresh and count the rows of every pinned snapshot; rows read in all.

    :param state: that every pointer must be in, if it matters.
    :raises LakeError: a pointer is not at the evidence's cut, a snapshot is gone, or has other rows than the evidence says.
    """
    read = 0
    for group in plan.groups:
        pointer = resolve(ports.store, plan.migration.migration, group.name)
        if (pointer.cut_id, pointer.tables) != (evidence.cuts[group.name], evidence.tables[group.name]):
            raise LakeError(
                f"The pointer of group {group.name} shows cut {pointer.cut_id}, not what was approved.",
                todo="Somebody publishes at the same time; look who, then ask again.",
            )
        if state is not None and pointer.state is not state:
            raise LakeError(f"The pointer of group {group.name} is in state {pointer.state.value}, not {state.value}.")
        read += _read_group(group, pointer, evidence.rows[group.name], ports)
    return read


def _read_group(group: GroupPlan, pointer: Pointer, rows: Mapping[str, tuple[int, int, int]], ports: Ports) -> int:
    tables = {ports.lake.qualified(t.name): t for t in (*group.lake_tables, quarantine_table(group))}
    if missing := sorted(set(rows) - set(pointer.tables)):
        raise LakeError(f"The pointer of group {group.name} pins no {missing[0]}.", todo="Run the append step again.")
    read = 0
    for name in sorted(set(tables) & set(pointer.tables)):
        count = _count(tables[name], ports, pointer.tables[name])
        if name in rows and count != rows[name][1]:
            raise LakeError(
                f"{name} has {count} rows in snapshot {pointer.tables[name]}, and {rows[name][1]} in the evidence.",
                todo="Somebody has written to the table: start a new run.",
            )
        read += count
    return read


def _count(table: LakeTable, ports: Ports, snapshot_id: int) -> int:
    files = ports.lake.snapshot(table, snapshot_id)
    return int(ports.engine.table("SELECT count(*) AS n FROM pinned", {"pinned": files}).to_pylist()[0]["n"])
