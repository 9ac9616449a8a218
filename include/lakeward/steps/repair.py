"""Read the rows that differ again from the source, and put them in the place of the lake's: in one commit, once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from lakeward.domain.chain import Entry
from lakeward.domain.evidence import UNSWITCHED, Pointer
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.file_facts import Staged, StagedFile, StagedTable
from lakeward.domain.identity import digest, pointer_key, repair_key
from lakeward.domain.repair import Repair, Repaired, Report
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, GateError, LakeError
from lakeward.ports import Ports, Progress, silent
from lakeward.steps.artifacts import key_of
from lakeward.steps.chain import keep, require_key
from lakeward.steps.claim import last_claim
from lakeward.steps.extract import check_tables
from lakeward.steps.measure import table_files
from lakeward.steps.publish import find_pointer, later
from lakeward.steps.repair_rows import Work
from lakeward.steps.rows import Proof
from lakeward.steps.validate import put_rules

SHOWN = 100
_TRIES = 10


def repair(
    plan: Plan,
    group_name: str,
    ports: Ports,
    at: datetime,
    by: str,
    *,
    why: str = "",
    tables: Collection[str] = (),
    dry_run: bool = True,
    progress: Progress = silent,
) -> Report:
    """Make the rows of the published cut what the source has now, those alone that differ.

    A repair that died after its commit is finished first. Two at once: one lands, the other is told.
    :param why: kept with the repair and the pointer, for those who look back.
    :param tables: names of lake tables whose differences are followed, default all; child rows go with their parents.
    :raises UnsupportedError: rows of a table without a key differ.
    :raises GateError: readers or writers use the lake already, or the group is moved in windows.
    :raises ConflictError: the lake, the pointer or the files were changed by others; nothing of this repair landed.
    :raises DataError: a row can't be carried as declared, or would not be equal afterwards; nothing was changed.
    :raises LakeError, SourceError: one of them did not answer.
    """
    group = plan.group(group_name)
    if group.windowing:
        raise GateError(
            f"Group {group.name} is moved in windows: its rows are not repaired one by one.",
            todo="Read the windows again that hold them: `lakeward run FILE --window W --again`.",
        )
    pointer = _published(plan, group, ports)
    if unfinished := unfinished_repair(group, pointer, ports):
        if dry_run:
            return Report(group.name, unfinished.findings, unfinished.mended, resumed=True)
        require_key(ports, plan.migration.migration)
        return _finish(plan, group, unfinished, ports, at, progress)
    with ports.source.cut(group.tables) as cut:
        check_tables(plan, group, cut)
        work = Work(Proof(plan, group, ports, pointer), cut, progress)
        findings, whole = work.look(tables)
        mended = work.mended()
        if dry_run or not mended:
            return Report(group.name, findings, mended, whole)
        require_key(ports, plan.migration.migration)
        ident = digest("repair", group.cut_id, at.isoformat(), by, work.nonce, length=16)
        images = work.images(ident)
        patches = work.staged(ident)
        begun = Repair(
            migration=plan.migration.migration,
            group=group.name,
            cut_id=group.cut_id,
            repair=ident,
            at=at,
            by=by,
            why=why,
            snapshot=cut.snapshot,
            taken_at=cut.taken_at,
            patches=patches,
            mended=work.mended(),
            images=images,
            findings=findings[:SHOWN],
        )
        _keep(ports, begun, "begun", {key_of(ports.store, image.url): "" for image in images})
        try:
            snapshots = ports.lake.patch(patches, ident, group.cut_id)
        except ConflictError:
            ports.lake.unstage([file for patch in patches for file in patch.new])
            raise
        after = _show(plan, group, begun, snapshots, ports, at)
        left = work.left(after)
    rules = _rules(plan, group, after, ports, at, progress)
    _done(ports, begun, snapshots, at, len(left))
    skipped = [patch.table for patch in patches if patch.table not in snapshots]
    whole = whole and not skipped
    kept = tuple(image.url for image in images)
    return Report(group.name, findings, begun.mended, whole, ident, left=left, images=kept, rules=rules)


def _published(plan: Plan, group: GroupPlan, ports: Ports) -> Pointer:
    """The pointer of the group, at this run's cut, in a state in which what it shows may change."""
    found = find_pointer(ports.store, plan, group)
    if found is None or found[0].cut_id != group.cut_id:
        raise LakeError(
            f"Group {group.name} of {plan.migration.migration} is not published at cut {group.cut_id}.",
            todo="Run the append step first.",
        )
    claim = last_claim(ports.store, plan.migration.migration)
    if claim and claim.open:
        raise claim.busy()
    _require_unswitched(found[0])
    return found[0]


def _require_unswitched(pointer: Pointer) -> None:
    if pointer.state not in UNSWITCHED:
        raise GateError(
            f"Group {pointer.group} of {pointer.migration} is in state {pointer.state.value}: what readers use was approved as it is, and "
            "is not changed under them.",
            todo="Cut back in Airflow's DAG `cutover`, repair, compare, and have the new evidence approved.",
        )


def unfinished_repair(group: GroupPlan, pointer: Pointer, ports: Ports) -> Repair | None:
    """A repair that has landed in a table and was not recorded as done."""
    states = (ports.lake.state(table.name) for table in group.lake_tables)
    for ident in sorted({state.repair for state in states if state and state.repair}):
        keys = [repair_key(pointer.migration, group.name, pointer.cut_id, how, ident) for how in ("begun", "done")]
        begun, done = (ports.store.get(key) for key in keys)
        if begun and not done:
            return from_json(Repair, begun[0], ports.store.url(keys[0]))
    return None


def _finish(plan: Plan, group: GroupPlan, begun: Repair, ports: Ports, at: datetime, progress: Progress) -> Report:
    """Land what has not landed yet, and let the pointer show it."""
    snapshots = ports.lake.patch(begun.patches, begun.repair, begun.cut_id)
    rules = _rules(plan, group, _show(plan, group, begun, snapshots, ports, at), ports, at, progress)
    _done(ports, begun, snapshots, at, None)
    images = tuple(image.url for image in begun.images)
    return Report(group.name, begun.findings, begun.mended, done=begun.repair, resumed=True, images=images, rules=rules)


def _rules(plan: Plan, group: GroupPlan, pointer: Pointer, ports: Ports, at: datetime, progress: Progress) -> str:
    """Put the record rules to what readers see now: the verdict on the staged files says nothing of it. What fails, in words."""
    tables = []
    for table in group.lake_tables:
        files = table_files(ports, table, pointer.tables)
        count = int(ports.engine.table("SELECT count(*) AS n FROM t", {"t": files}).to_pylist()[0]["n"])
        staged = tuple(StagedFile(url, 0, 0, "") for url in files.urls)
        tables.append(StagedTable(table.name, staged, count, count, 0))
    verdict = put_rules(plan, group, Staged(group.name, group.cut_id, tuple(tables)), ports, at, progress)
    return "" if verdict.outcome in {"pass", "warn"} else verdict.summary


def _show(
    plan: Plan, group: GroupPlan, begun: Repair, snapshots: dict[str, int], ports: Ports, at: datetime
) -> Pointer:
    """Move the pointer to the repaired snapshots, from wherever compaction has it now; doing it again changes nothing."""
    key = pointer_key(plan.migration.migration, group.name)
    bases = {ports.lake.qualified(patch.table): patch.base for patch in begun.patches if patch.table in snapshots}
    tables = {ports.lake.qualified(table): snapshot for table, snapshot in snapshots.items()}
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None or found[0].cut_id != begun.cut_id:
            raise ConflictError(
                f"Group {group.name} was published anew or discarded while it was repaired.",
                todo="See `lakeward status`; what is published now is not changed.",
            )
        there, etag = found
        _require_unswitched(there)
        if all(there.content.get(name) == snapshot for name, snapshot in tables.items()):
            return there
        if any(there.content.get(name) not in {bases[name], tables[name]} for name in bases):
            raise ConflictError(
                f"The pointer of group {group.name} shows other snapshots than those that were repaired.",
                todo="See `lakeward status`, then look again: `lakeward repair` without --confirm.",
            )
        moved = replace(
            there,
            version=there.version + 1,
            tables=there.tables | tables,
            origins={name: origin for name, origin in there.origins.items() if name not in tables},
            evidence_hash="",
            moved_at=later(at, there),
            moved_by=begun.by,
            why=f"repair {begun.repair}{f': {begun.why}' if begun.why else ''}",
        )
        if ports.store.put_if(key, to_json(moved), etag):
            return moved
    raise ConflictError(
        f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Repair again: it goes on."
    )


def _done(ports: Ports, begun: Repair, snapshots: dict[str, int], at: datetime, left: int | None) -> None:
    done = Repaired(begun.migration, begun.group, begun.cut_id, begun.repair, at, snapshots, left)
    _keep(ports, done, "done", {})


def _keep(ports: Ports, fact: Repair | Repaired, outcome: str, files: dict[str, str]) -> None:
    key = repair_key(fact.migration, fact.group, fact.cut_id, outcome, fact.repair)
    keep(ports, Entry(fact.migration, "repair", outcome, key, to_json(fact).decode(), fact.at, files))
