"""Look at a group's files: what the append left, what the store has made of it; and rewrite what is too small."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from lakeward.domain.compaction import CompactionReport, TableFiles, choose, report, rewrite_sql
from lakeward.domain.evidence import Pointer
from lakeward.domain.facts import GroupPlan, LakeTable, Plan
from lakeward.domain.file_facts import LiveFile, StagedFile
from lakeward.domain.identity import pointer_key
from lakeward.domain.partition import order_terms
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.stored import to_json
from lakeward.errors import ConflictError, LakeError, LakewardError
from lakeward.ports import FileStatistics, Lake, Ports, Progress, silent
from lakeward.spec.models import CompactionSpec, Migration
from lakeward.steps.artifacts import plan_of_published
from lakeward.steps.publish import find_pointer
from lakeward.steps.same_rows import differing, same_rows

_TRIES = 5


def inspect(plan: Plan, group_name: str, ports: Ports, tables: Collection[str] = ()) -> CompactionReport:
    """One look; nothing is waited for and nothing written.

    :param tables: the plan's names, default all of the group with its quarantine.
    :raises LakeError: the group was not published at this cut.
    """
    group = plan.group(group_name)
    pins, spec = _published(plan, group, ports).tables, plan.migration.compaction
    looks = tuple(
        _look(ports.lake, table.name, pins[ports.lake.qualified(table.name)], spec) for table in _of(group, tables)
    )
    return report(group.name, group.cut_id, spec.mode, looks)


def compact(
    plan: Plan,
    group_name: str,
    ports: Ports,
    at: datetime,
    *,
    tables: Collection[str] = (),
    dry_run: bool = False,
    progress: Progress = silent,
) -> CompactionReport:
    """Mode ``rewrite``: replace many small files of a partition by few, then let the pointer show them. Other modes: one look.

    Rows never change: every rewritten file is compared with what it replaces before it is committed. Killed anywhere, or run
    by two at once, it can be run again.

    :param at: names the new files, so that one sees how old those of a try that died are.
    :param tables: the plan's names, default all of the group with its quarantine.
    :param dry_run: write nothing; the report tells what would be rewritten into how many.
    :raises LakeError: the group was not published at this cut, delete files hide rows, or the catalog does not answer.
    :raises ConflictError: others kept moving a table or the pointer; nothing of it was lost.
    """
    before = inspect(plan, group_name, ports, tables)
    if before.mode != "rewrite":
        return _told(plan, before, ports, at)
    group = plan.group(group_name)
    looks = {look.table: look for look in before.tables}
    told = [
        _compacted(plan, group, table, looks[table.name], ports, at, progress, dry_run=dry_run)
        for table in _of(group, tables)
    ]
    if not dry_run:
        told = [
            replace(one, note="; ".join(filter(None, (one.note, _repin(plan, group, one.table, ports)))))
            for one in told
        ]
    found = report(group.name, group.cut_id, before.mode, tuple(told))
    return found if dry_run or tables else _told(plan, found, ports, at)


def compact_published(
    spec: Migration, ports: Ports, at: datetime, *, dry_run: bool = False, progress: Progress = silent
) -> dict[str, CompactionReport | LakewardError]:
    """``compact`` every published group; a group whose plan this version of lakeward does not read gives the error that says so."""
    found: dict[str, CompactionReport | LakewardError] = {}
    for group in spec.groups:
        try:
            plan = plan_of_published(ports.store, spec.migration, group.name)
        except LakewardError as error:
            found[group.name] = error
            continue
        if plan:
            found[group.name] = compact(plan, group.name, ports, at, dry_run=dry_run, progress=progress)
    return found


def _told(plan: Plan, found: CompactionReport, ports: Ports, at: datetime) -> CompactionReport:
    ports.ledger.record_standing(plan.migration.migration, found.group, found, at)
    return found


def _published(plan: Plan, group: GroupPlan, ports: Ports) -> Pointer:
    found = find_pointer(ports.store, plan, group)
    if found is None or found[0].cut_id != group.cut_id:
        raise LakeError(
            f"Group {group.name} of {plan.migration.migration} is not published at cut {group.cut_id}.",
            todo="Run the append step first.",
        )
    return found[0]


def _of(group: GroupPlan, names: Collection[str]) -> tuple[LakeTable, ...]:
    every = (*group.lake_tables, quarantine_table(group))
    return tuple(table for table in every if not names or table.name in names)


def _look(lake: Lake, table: str, snapshot_id: int, spec: CompactionSpec) -> TableFiles:
    small = spec.small_file.bytes
    before, now = lake.statistics(table, small, snapshot_id), lake.statistics(table, small)
    return TableFiles(
        table=table,
        files_before=before.files,
        bytes_before=before.bytes,
        small_before=before.small_files,
        files_now=now.files,
        bytes_now=now.bytes,
        small_now=now.small_files,
        due=_due(now, spec),
        deletes=now.largest_delete_run,
    )


def _due(now: FileStatistics, spec: CompactionSpec) -> bool:
    return max(now.largest_small_run, now.largest_delete_run) >= spec.min_small_files


def _compacted(
    plan: Plan,
    group: GroupPlan,
    table: LakeTable,
    look: TableFiles,
    ports: Ports,
    at: datetime,
    progress: Progress,
    *,
    dry_run: bool,
) -> TableFiles:
    """One table rewritten, planned anew as long as others take its files away."""
    spec, target = plan.migration.compaction, plan.migration.target.file_size.bytes
    note, fold = "", look.deletes >= spec.min_small_files
    for _ in range(_TRIES):
        files, into = choose(ports.lake.live_files(table.name), spec.small_file.bytes, spec.min_small_files, target)
        if dry_run or not (files or fold):
            return replace(look, rewritten=tuple(file.url for file in files), into=into, note=note)
        new = _rewritten(table, files, ports, f"compact-{at:%Y%m%dT%H%M%S}", progress)
        if len(new) >= len(files) and not (fold or any(file.dead for file in files)):
            ports.lake.unstage(new)
            return replace(look, note=f"{len(files)} files would become {len(new)}, so that nothing is gained")
        if ports.lake.replace_files(table.name, files, new, group.cut_id) is not None:
            now = ports.lake.statistics(table.name, spec.small_file.bytes)
            return replace(
                look,
                files_now=now.files,
                bytes_now=now.bytes,
                small_now=now.small_files,
                due=_due(now, spec),
                rewritten=tuple(file.url for file in files),
                into=len(new),
                note=note,
            )
        note = "others took files away meanwhile, so that it was planned anew"
    raise ConflictError(
        f"Table {table.name}: others took away the files to be rewritten {_TRIES} times.",
        todo="Compact when less is written; nothing was changed.",
    )


def _rewritten(
    table: LakeTable, files: Sequence[LiveFile], ports: Ports, attempt: str, progress: Progress
) -> tuple[StagedFile, ...]:
    """The rows of the files in new ones that nobody can read yet, and that were compared with the old ones."""
    old, rows = ports.lake.staged(table, files), sum(file.rows for file in files)
    with ports.engine.ordered(rewrite_sql(table, "old"), order_terms(table), {"old": old}, rows) as batches:
        new = ports.lake.write(table, batches, attempt, lambda what, done, _: progress(what, done, rows))
    try:
        same = same_rows(table, old, ports.lake.staged(table, new), ports.engine)
    except BaseException:
        ports.lake.unstage(new)
        raise
    if not same:
        ports.lake.unstage(new)
        raise LakeError(
            f"Table {table.name}: rewriting {len(files)} files with {rows} rows would change rows. Nothing was committed.",
            todo="Compact again. If it happens again, report it, and set compaction.mode to none.",
        )
    return new


def _repin(plan: Plan, group: GroupPlan, table: str, ports: Ports) -> str:
    """Let the pointer name a table's compacted snapshot, whoever compacted it; why it does not, if there is one.

    The lake is asked after the pointer was read, and again after it was written: what is pinned last is the newest.
    """
    lake_table, name = next(t for t in _of(group, (table,))), ports.lake.qualified(table)
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None or found[0].cut_id != group.cut_id:
            return "the group was published anew or discarded meanwhile"
        pointer, etag = found
        newest = ports.lake.compacted(table, group.cut_id)
        if newest is None or newest == pointer.tables[name]:
            return ""
        if not same_rows(lake_table, *differing(lake_table, pointer.tables[name], newest, ports.lake), ports.engine):
            return f"snapshot {newest} has other rows than the cut: readers are not shown it"
        origins = pointer.origins | {name: pointer.content[name]}
        moved = replace(pointer, version=pointer.version + 1, tables=pointer.tables | {name: newest}, origins=origins)
        ports.store.put_if(pointer_key(plan.migration.migration, group.name), to_json(moved), etag)
    raise ConflictError(f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Compact again.")
