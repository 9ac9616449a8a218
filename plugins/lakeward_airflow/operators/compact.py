"""Small files after the append: looked at, and left to the store's own compaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from lakeward.domain.compaction import CompactionReport
from lakeward_airflow.runs import now, open_run

if TYPE_CHECKING:
    from airflow.sdk import Context


class TriggerCompactionOperator(BaseSensorOperator):
    """Watch, without a slot, until the store has compacted what the append left; report files and bytes.

    The file's mode decides: ``none`` only reports, ``observe`` waits as long as the file says. Files that are still small
    then are reported and hold up nothing: readers see the same rows.

    :param migration_file: path of the migration file.
    :param group: name of the entity group. (templated)
    :param run_key: names the run. (templated)
    """

    template_fields: Sequence[str] = ("run_key", "group")
    ui_color = "#e8f0fe"

    def __init__(self, *, migration_file: str, group: str, run_key: str = "{{ run_id }}", **kwargs: Any) -> None:
        kwargs.setdefault("poke_interval", 30)
        super().__init__(mode="reschedule", **kwargs)
        self.migration_file = migration_file
        self.group = group
        self.run_key = run_key

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        from lakeward.steps.compact import inspect
        from lakeward.steps.journal import journal

        with (
            open_run(self.migration_file, self.run_key) as (plan, ports),
            journal(plan, ports, self.group, "compact", now()),
        ):
            report = inspect(plan, self.group, ports)
            spec = plan.migration.compaction
        for table in report.tables:
            self.log.info(
                "%s: %d files, %s bytes at the cut; %d files, %s bytes now%s",
                *(table.table, table.files_before, f"{table.bytes_before:,}", table.files_now, f"{table.bytes_now:,}"),
                "; compaction is due" if table.due else "",
            )
        waited = now() - self._began(context)
        if not report.settled and waited < spec.wait.delta:
            self.log.info("Waiting for the store's own compaction, until %s have passed.", spec.wait)
            return PokeReturnValue(is_done=False)
        if not report.settled:
            self.log.warning("The store has not compacted within %s; readers see the same rows.", spec.wait)
        return PokeReturnValue(is_done=True, xcom_value=_summary(report))

    @staticmethod
    def _began(context: Context) -> datetime:
        ti: Any = context["ti"]
        began: datetime | None = ti.get_first_reschedule_date(context)
        return began or now()


def _summary(report: CompactionReport) -> dict[str, object]:
    return {
        "mode": report.mode,
        "due": report.due,
        "settled": report.settled,
        "files": {table.table: [table.files_before, table.files_now] for table in report.tables},
        "bytes": {table.table: [table.bytes_before, table.bytes_now] for table in report.tables},
    }
