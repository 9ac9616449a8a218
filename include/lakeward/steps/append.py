"""Land a group's staged files in the lake, exactly once, and publish the group."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from lakeward.domain.evidence import Pointer, WindowCut
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.file_facts import Appended, Committed, LandedTable, Manifest, Staged, StagedTable
from lakeward.domain.identity import WHOLE, batch_id, discarded_key
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.windows import has_ended, parse
from lakeward.errors import DataError, LakeError
from lakeward.ports import Ports, Progress, TableCommit, silent
from lakeward.spec.models import Phased
from lakeward.steps.artifacts import manifest_of, read_manifest, read_staged
from lakeward.steps.publish import find_pointer, publish, require_unswitched, show_changes


def append(plan: Plan, group_name: str, ports: Ports, at: datetime, progress: Progress = silent) -> Appended:
    """Commit every table of the group, the quarantine too, then move the group's pointer. Run again it does nothing.

    :raises DataError: rows read are not rows staged plus rows quarantined.
    :raises GateError: the group was already cut over; nothing was committed.
    :raises LakeError: a newer cut is published, a table holds rows of somebody else, or catalog or store don't answer.
    :raises ConflictError: others kept moving the tables or the pointer.
    """
    group = plan.group(group_name)
    staged = read_staged(ports.store, plan, group)
    manifest = read_manifest(ports.store, plan, group)
    _check_counts(group, manifest, staged)
    if found := find_pointer(ports.store, plan, group):
        pointer = found[0]
        _check_pointer(group, pointer, manifest, ports)
        cut = pointer.windows.get(group.window)
        if cut and cut.cut_id == group.cut_id:  # and other windows may have landed since
            return _landed_before(group, staged, pointer, ports)
    commits = _commits(group, staged, manifest.position)
    progress(f"append {group.name}", 0, len(commits))
    if ports.store.etag(discarded := discarded_key(plan.migration.migration, group.name, group.cut_id)):
        ports.store.delete([discarded])  # it is wanted again
    multi, committed = ports.lake.commit(commits, group.cut_id, plan.migration.migration)
    appended = Appended(group.name, group.cut_id, multi, committed)
    publish(plan, group.name, ports, appended.snapshots, at, by=plan.run_key, window=_window_cut(plan, group, manifest))
    if manifest.position:
        show_changes(plan, group.name, ports, {}, manifest.position, at, manifest.taken_at)
    progress(f"append {group.name}", len(commits), len(commits))
    return appended


def _window_cut(plan: Plan, group: GroupPlan, manifest: Manifest) -> WindowCut | None:
    """What the pointer tells of a window in a phased migration; None in others."""
    if not isinstance(plan.migration, Phased):
        return None
    spec = next(g.window for g in plan.migration.groups if g.name == group.name)
    main = group.windowing.table if group.windowing else ""
    ended = group.window == WHOLE or spec is None
    if spec is not None and not ended:
        ended = has_ended(parse(group.window), spec, plan.migration.calendar, manifest.taken_at, group.top)
    return WindowCut(
        cut_id=group.cut_id,
        rows=sum(t.rows for t in manifest.tables if main in {"", t.table}),
        bytes=sum(f.bytes for t in manifest.tables for f in t.files),
        seconds=manifest.seconds,
        ended=ended,
    )


def _landed_before(group: GroupPlan, staged: Staged, pointer: Pointer, ports: Ports) -> Appended:
    """A window that readers see."""
    names = [*(t.name for t in group.lake_tables), group.quarantine]
    pins = {name: pointer.content[ports.lake.qualified(name)] for name in names}
    tables = tuple(
        Committed(name, batch_id(group.cut_id, name), pins[name], staged.table(name).rows, already=True)
        for name in names
    )
    return Appended(group.name, group.cut_id, multi=False, tables=tables)


def _commits(group: GroupPlan, staged: Staged, position: int) -> tuple[TableCommit, ...]:
    commits = [
        TableCommit(
            t,
            batch_id(group.cut_id, t.name),
            group.window if t.name in group.sliced else WHOLE,
            staged.table(t.name).files,
            position=position,
        )
        for t in group.lake_tables
    ]
    aside = quarantine_table(group)
    files = staged.table(aside.name).files
    beside = (WHOLE,) if group.windowing else ()
    return (*commits, TableCommit(aside, batch_id(group.cut_id, aside.name), group.window, files, beside, position))


def _check_pointer(group: GroupPlan, pointer: Pointer, ours: Manifest, ports: Ports) -> None:
    """Before anything is committed. A group that was cut over at this very cut has nothing left to append.

    The tables know the newer cut only as long as its snapshot is kept, the landing's manifest knows it always.
    """
    if pointer.shows(group.cut_id):
        return
    require_unswitched(pointer)
    last = pointer.cut_id
    if group.windowing:
        last = pointer.windows[group.window].cut_id if group.window in pointer.windows else ""
    theirs = manifest_of(ports.store, ours.migration, group.name, last) if last else None
    if theirs and theirs.taken_at > ours.taken_at:
        raise LakeError(
            f"Group {group.name}: cut {theirs.cut_id}, taken at {theirs.taken_at.isoformat()}, is published; cut {group.cut_id} "
            f"was taken before, at {ours.taken_at.isoformat()}.",
            todo="An old cut never replaces a newer one: start a new run if this state of the source is wanted again.",
        )


def _check_counts(group: GroupPlan, manifest: Manifest, staged: Staged) -> None:
    landed = {table.table: table for table in manifest.tables}
    wrong = [said for table in staged.tables for said in _faults(table, landed.get(table.table))]
    wrong += [f"{table.name} was not staged" for table in group.lake_tables if not _is_there(staged, table.name)]
    if not _is_there(staged, group.quarantine):
        wrong.append(f"{group.quarantine} was not staged")
    aside = sum(table.quarantined for table in staged.tables if table.table in landed)
    if not wrong and staged.table(group.quarantine).rows != aside:
        wrong.append(f"{group.quarantine}: {staged.table(group.quarantine).rows} staged, {aside} rows were set aside")
    if wrong:
        raise DataError(
            f"Group {group.name}, cut {group.cut_id}: rows do not add up: {'; '.join(wrong)}. Nothing was committed.",
            todo="Start a new run. If it happens again, report it with the migration file.",
        )


def _faults(table: StagedTable, landed: LandedTable | None) -> Iterator[str]:
    if landed and landed.rows != table.read:
        yield f"{table.table}: {landed.rows} landed, {table.read} read"
    if table.read != table.rows + table.quarantined:
        yield f"{table.table}: {table.read} read, {table.rows} staged and {table.quarantined} quarantined"
    in_files = sum(file.rows for file in table.files)
    if in_files != table.rows:
        yield f"{table.table}: {table.rows} staged, {in_files} in its files"


def _is_there(staged: Staged, name: str) -> bool:
    return any(table.table == name for table in staged.tables)
