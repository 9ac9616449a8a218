"""Look at a group's files: what the append left, what the store has made of it."""

from __future__ import annotations

from lakeward.domain.compaction import CompactionReport, TableFiles, report
from lakeward.domain.facts import Plan
from lakeward.errors import LakeError
from lakeward.ports import Lake, Ports
from lakeward.spec.models import CompactionSpec
from lakeward.steps.publish import find_pointer


def inspect(plan: Plan, group_name: str, ports: Ports) -> CompactionReport:
    """One look; nothing is waited for and nothing written.

    :raises LakeError: the group was not published at this cut.
    """
    group = plan.group(group_name)
    found = find_pointer(ports.store, plan, group)
    if found is None or found[0].cut_id != group.cut_id:
        raise LakeError(
            f"Group {group.name} of {plan.migration.migration} is not published at cut {group.cut_id}.",
            todo="Run the append step first.",
        )
    pins, spec = found[0].tables, plan.migration.compaction
    names = (*(table.name for table in group.lake_tables), group.quarantine)
    tables = tuple(_look(ports.lake, name, pins[ports.lake.qualified(name)], spec) for name in names)
    return report(group.name, group.cut_id, spec.mode, tables)


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
        due=now.largest_small_run >= spec.min_small_files,
    )
