"""A round of a catch-up lands in one commit, and the pointer shows it; what the rounds have in common."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from lakeward.domain.evidence import CaughtUp, Pointer
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.file_facts import (
    Manifest,
    Round,
    Staged,
)
from lakeward.domain.identity import pointer_key
from lakeward.domain.repair import Patch
from lakeward.domain.stored import to_json
from lakeward.errors import ConflictError, LakeError
from lakeward.ports import Ports
from lakeward.steps.artifacts import (
    read_manifest,
    read_staged,
)
from lakeward.steps.claim import last_claim
from lakeward.steps.publish import find_pointer, later, require_unswitched

_TRIES = 10


def round_of(manifest: Manifest) -> Round:
    """What a manifest tells of its round."""
    if manifest.round is None:
        raise LakeError(f"Cut {manifest.cut_id} of group {manifest.group} is no round of a catch-up.")
    return manifest.round


def published_pointer(plan: Plan, group: GroupPlan, ports: Ports) -> Pointer:
    """The group's pointer, in a state in which what it shows may change."""
    found = find_pointer(ports.store, plan, group)
    if found is None:
        raise LakeError(f"Group {group.name} is not published.", todo="Move its windows first.")
    require_unswitched(found[0])
    claim = last_claim(ports.store, plan.migration.migration)
    if claim and claim.open:
        raise claim.busy()
    return found[0]


def append_round(plan: Plan, group_name: str, ports: Ports, at: datetime) -> Pointer:
    """Land a staged round in one commit over all tables, once, and move the group's pointer to it.

    :raises ConflictError: a table was changed by others, or the pointer was; readers see what they saw.
    """
    group = plan.group(group_name)
    staged, manifest = read_staged(ports.store, plan, group), read_manifest(ports.store, plan, group)
    told = round_of(manifest)
    pointer = published_pointer(plan, group, ports)
    if pointer.cut_id == group.cut_id:
        return pointer
    if pointer.caught and pointer.caught.mark.at > told.mark.at:
        raise ConflictError(
            f"Group {group.name}: a newer round than {group.cut_id} is published.", todo="Nothing needs to be done."
        )
    patches = [
        Patch(t.table, told.bases[t.table], t.old, t.files)
        for t in staged.tables
        if t.files or t.old or _is_new(ports, t.table)
    ]
    snapshots = ports.lake.patch(patches, group.cut_id, group.cut_id, anew=True) if patches else {}
    if left := [p.table for p in patches if p.table not in snapshots]:
        raise ConflictError(
            f"Tables {', '.join(left)} were changed by others while round {group.cut_id} landed.",
            todo="Nothing needs to be done: the next round reads anew; readers still see the cut before.",
        )
    changed = {p.table for p in patches if p.old or p.new}
    pins = {name: snapshots[name] if name in changed else base for name, base in told.bases.items()}
    return _show(plan, group, ports, staged, told, pins, at)


def _is_new(ports: Ports, table: str) -> bool:
    """Whether no round has recorded the table as a cut of all its rows yet."""
    state = ports.lake.state(table)
    return state is not None and (state.sliced or not state.batches)


def _show(
    plan: Plan, group: GroupPlan, ports: Ports, staged: Staged, told: Round, pins: dict[str, int], at: datetime
) -> Pointer:
    key = pointer_key(plan.migration.migration, group.name)
    tables = {ports.lake.qualified(name): snapshot for name, snapshot in pins.items()}
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None:
            raise ConflictError(f"The pointer of group {group.name} is gone.", todo="See `lakeward status`.")
        there, etag = found
        if there.cut_id == group.cut_id:
            return there
        require_unswitched(there)
        rounds = there.caught.rounds + 1 if there.caught else 1
        moved = replace(
            there,
            version=there.version + 1,
            cut_id=group.cut_id,
            tables=tables,
            origins={},
            evidence_hash="",
            moved_at=later(at, there),
            moved_by=plan.run_key,
            why=f"round {rounds} of catch-up, cut {group.cut_id}",
            caught=CaughtUp(group.cut_id, plan.run_key, rounds, told.mark, told.whole, staged.upserted, staged.deleted),
        )
        if ports.store.put_if(key, to_json(moved), etag):
            return moved
    raise ConflictError(f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Run it again.")


def judged_round(plan: Plan, group_name: str, ports: Ports, gate: str) -> None:
    """Keep what the gate said of the round, beside the pointer; nothing when another one has taken its place."""
    group = plan.group(group_name)
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None or found[0].caught is None or found[0].cut_id != group.cut_id:
            return
        there, etag = found
        if there.caught is None or there.caught.gate == gate:
            return
        moved = replace(there, version=there.version + 1, caught=replace(there.caught, gate=gate))
        if ports.store.put_if(pointer_key(plan.migration.migration, group.name), to_json(moved), etag):
            return
    raise ConflictError(f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Run it again.")
