"""Reading and moving the pointers of a run's groups, under a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakeward.domain.evidence import Evidence, Pointer, State
from lakeward.domain.facts import GroupPlan, LakeTable, Plan
from lakeward.domain.identity import pointer_key
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, GateError, LakeError
from lakeward.ports import ObjectStore, Ports
from lakeward.reader import resolve
from lakeward.steps.claim import Held
from lakeward.steps.same_rows import differing, same_rows

TRIES = 5
"""How often a pointer is read again when a fenced-off process got a last write in."""

Change = Callable[[Pointer], Pointer]


def pointers_of(plan: Plan, store: ObjectStore) -> tuple[Pointer, ...]:
    """The pointers of a run, in the order in which they are moved; GateError when one shows another run's cut."""
    found = []
    for group in sorted(plan.groups, key=lambda g: g.name):
        pointer = resolve(store, plan.migration.migration, group.name).at(group.cut_id)
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
        before = from_json(Pointer, found[0], store.url(key))
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
    wanted: list[_Pinned] = []
    for group in plan.groups:
        pointer = resolve(ports.store, plan.migration.migration, group.name).at(evidence.cuts[group.name])
        if (pointer.cut_id, pointer.content) != (evidence.cuts[group.name], evidence.tables[group.name]):
            raise LakeError(
                f"The pointer of group {group.name} shows cut {pointer.cut_id}, not what was approved.",
                todo="Somebody publishes at the same time; look who, then ask again.",
            )
        if state is not None and pointer.state is not state:
            raise LakeError(f"The pointer of group {group.name} is in state {pointer.state.value}, not {state.value}.")
        wanted += _pinned(group, pointer, evidence.rows[group.name], ports)
    for one in wanted:
        _check_compacted(one, ports)
    for one, count in zip(wanted, _counts(wanted, ports), strict=True):
        if one.rows is not None and count != one.rows:
            raise LakeError(
                f"{one.name} has {count} rows in snapshot {one.snapshot_id}, and {one.rows} in the evidence.",
                todo="Somebody has written to the table: start a new run.",
            )
    return sum(one.rows or 0 for one in wanted)


@dataclass(frozen=True, slots=True)
class _Pinned:
    """A table in a pinned snapshot, and how many rows it must have there, if the evidence says."""

    name: str
    table: LakeTable
    snapshot_id: int
    rows: int | None
    origin: int


def _pinned(
    group: GroupPlan, pointer: Pointer, rows: Mapping[str, tuple[int, int, int]], ports: Ports
) -> Iterator[_Pinned]:
    for table in (*group.lake_tables, quarantine_table(group)):
        name = ports.lake.qualified(table.name)
        if name in pointer.tables:
            count = rows[name][1] if name in rows else None
            yield _Pinned(name, table, pointer.tables[name], count, pointer.content[name])
        elif name in rows:
            raise LakeError(f"The pointer of group {group.name} pins no {name}.", todo="Run the append step again.")


def _check_compacted(one: _Pinned, ports: Ports) -> None:
    """LakeError when a compacted snapshot is not shown to hold the rows that were approved."""
    if one.snapshot_id == one.origin:
        return
    found = ports.lake.origin(one.table.name, one.snapshot_id)
    if found == one.origin:
        return
    if found is not None or not same_rows(
        one.table, *differing(one.table, one.origin, one.snapshot_id, ports.lake), ports.engine
    ):
        raise LakeError(
            f"The pointer pins snapshot {one.snapshot_id} of {one.name}, which does not hold the rows of snapshot {one.origin}.",
            todo="Somebody wrote to the pointer or the table: start a new run.",
        )


def _counts(wanted: Sequence[_Pinned], ports: Ports) -> tuple[int, ...]:
    """Rows of every table, by one statement."""
    inputs = {f"t{n}": ports.lake.snapshot(one.table, one.snapshot_id) for n, one in enumerate(wanted)}
    counted = ", ".join(f"(SELECT count(*) FROM {view}) AS {view}" for view in inputs)
    row = ports.engine.table(f"SELECT {counted}", inputs).to_pylist()[0]
    return tuple(int(row[view]) for view in inputs)
