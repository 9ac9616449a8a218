"""From the source to files that nobody can read yet: plan, extract, prepare, flatten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lakeward_airflow.operators.base import GroupOperator, RunOperator
from lakeward_airflow.runs import attempt, now, open_migration

if TYPE_CHECKING:
    from airflow.sdk import Context


class PlanMigrationOperator(RunOperator):
    """Resolve the migration file against source and lake, and freeze the plan that all later tasks read.

    :param migration_file: path of the migration file.
    :param run_key: names the run. (templated)
    """

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Plan; the same run again returns the plan that it began with."""
        from lakeward.steps.journal import entered
        from lakeward.steps.plan import make_plan
        from lakeward.steps.stock import tell_card

        with open_migration(self.migration_file, exact=True) as (loaded, ports):
            at = now()
            with entered(ports.ledger, loaded.spec.migration, self.run_key, "", self.task_id, at):
                plan = make_plan(loaded, ports, self.run_key, at, self.progress())
                tell_card(plan, Path(self.migration_file).name, ports.ledger)
        for note in (*plan.notes, *(note for group in plan.groups for table in group.tables for note in table.notes)):
            self.log.info("Note: %s", note)
        return {
            "groups": [group.name for group in plan.groups],
            "tables": sum(len(group.lake_tables) for group in plan.groups),
            "file_hash": plan.file_hash,
        }


class ExtractGroupOperator(GroupOperator):
    """Read one entity group under one snapshot of the source into the landing; the manifest is written last.

    :param group: name of the entity group. (templated)
    """

    def execute(self, context: Context) -> dict[str, object]:
        """Land the group, or return the landing that an earlier try completed."""
        from lakeward.steps.extract import extract

        with self.opened() as (plan, ports, entry):
            manifest = extract(plan, self.group, ports, attempt(context), self.progress())
            entry.rows = sum(table.rows for table in manifest.tables)
        return {
            "cut": manifest.cut_id,
            "taken_at": manifest.taken_at.isoformat(),
            "rows": {table.table: table.rows for table in manifest.tables},
            "bytes": sum(file.bytes for table in manifest.tables for file in table.files),
            "seconds": round(manifest.seconds, 2),
        }


class PrepareTablesOperator(GroupOperator):
    """Create the group's Iceberg tables, or check those that are there against the plan.

    :param group: name of the entity group. (templated)
    """

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Create what is missing; a table that differs is an error that lists every difference."""
        from lakeward.steps.prepare import prepare

        with self.opened() as (plan, ports, _):
            return {"created": list(prepare(plan, self.group, ports))}


class FlattenGroupOperator(GroupOperator):
    """Turn the landing into the tables' own data files, final in shape, order and size, not yet visible.

    :param group: name of the entity group. (templated)
    """

    def execute(self, context: Context) -> dict[str, object]:
        """Stage the files, or return those that an earlier try completed."""
        from lakeward.steps.flatten import flatten

        with self.opened() as (plan, ports, entry):
            staged = flatten(plan, self.group, ports, attempt(context), self.progress())
            entry.rows = sum(table.rows for table in staged.tables)
        return {
            "rows": {table.table: table.rows for table in staged.tables},
            "quarantined": sum(table.quarantined for table in staged.tables),
            "files": sum(len(table.files) for table in staged.tables),
            "bytes": sum(file.bytes for table in staged.tables for file in table.files),
            "seconds": round(staged.seconds, 2),
        }
