"""Small files after the append: rewritten, or looked at and left to the store's own compaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from lakeward.domain.compaction import CompactionReport
from lakeward_airflow.runs import now, open_run, progress

if TYPE_CHECKING:
    from airflow.sdk import Context


class TriggerCompactionOperator(BaseSensorOperator):
    """See to small files that the append left; report files and bytes.

    The file's mode decides: ``none`` only reports, ``observe`` waits for the store's own compaction, without a slot, as long as
    the file says, ``rewrite`` rewrites them. What is still small then is reported and holds up nothing: readers see the same rows.

    :param migration_file: path of the migration file.
    :param group: name of the entity group. (templated)
    :param run_key: names the run. (templated)
    :param dry: ``True`` only tells what ``rewrite`` would rewrite into how many files. (templated)
    """

    template_fields: Sequence[str] = ("run_key", "group", "dry")
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        migration_file: str,
        group: str,
        run_key: str = "{{ run_id }}",
        dry: str | bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("poke_interval", 30)
        super().__init__(mode="reschedule", **kwargs)
        self.migration_file = migration_file
        self.group = group
        self.run_key = run_key
        self.dry = dry

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, and rewrite if that is the mode."""
        from lakeward.domain.compaction import rewriting
        from lakeward.steps.compact import compact
        from lakeward.steps.journal import journal

        dry = str(self.dry) == "True"
        with (
            open_run(self.migration_file, self.run_key) as (plan, ports),
            journal(plan, ports, self.group, "compact", now()),
        ):
            report = compact(plan, self.group, ports, now(), dry_run=dry, progress=progress(self.log))
            spec = plan.migration.compaction
        for table in report.tables:
            self.log.info(
                "%s: %d files, %s bytes at the cut; %d files, %s bytes now%s",
                *(table.table, table.files_before, f"{table.bytes_before:,}", table.files_now, f"{table.bytes_now:,}"),
                "; compaction is due" if table.due else "",
            )
            if told := rewriting(table, dry_run=dry):
                self.log.info("%s", told)
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
        "rewritten": {table.table: [len(table.rewritten), table.into] for table in report.tables if table.rewritten},
        "files": {table.table: [table.files_before, table.files_now] for table in report.tables},
        "bytes": {table.table: [table.bytes_before, table.bytes_now] for table in report.tables},
    }
