"""Rows that differ, read again from the source and replaced in the lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakeward.errors import DataError
from lakeward_airflow.operators.base import RunOperator
from lakeward_airflow.runs import now

if TYPE_CHECKING:
    from airflow.sdk import Context

_SHOWN = 20


class RepairRowsOperator(RunOperator):
    """Make the rows of the run's published cut what the source has now, those alone that differ; one commit per group.

    :param migration_file: path of the migration file. (templated)
    :param run_key: names the run. (templated)
    :param by: who asked for it. (templated)
    :param why: kept with the repair. (templated)
    :param dry: ``True`` shows what differs and changes nothing. (templated)
    """

    template_fields: Sequence[str] = ("migration_file", "run_key", "by", "why", "dry")
    ui_color = "#fff4d6"

    def __init__(self, *, by: str, why: str, dry: str | bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.by = by
        self.why = why
        self.dry = dry

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Repair, or show; DataError when something differs still."""
        from lakeward.steps.repair import repair

        dry = str(self.dry) == "True"
        with self.opened(dry=dry) as (plan, ports, _):
            reports = [
                repair(plan, group.name, ports, now(), self.by, why=self.why, dry_run=dry, progress=self.progress())
                for group in plan.groups
            ]
            for report in reports:
                for found in report.findings[:_SHOWN]:
                    self.log.info("%s: %s %s: %s", report.group, found.table, found.named_key, found.message)
                for one in report.mended:
                    self.log.info("%s: %s: %d rows, files %s", report.group, one.table, one.keys, ", ".join(one.files))
            if not dry:
                self.keep_dossier(plan, ports)
        if not dry and (wrong := [report.group for report in reports if not report.settled]):
            raise DataError(
                f"Something differs still in {', '.join(wrong)}.",
                todo="Run it again: it goes on. What fails then is told by `lakeward parity FILE --drill`.",
            )
        return {r.group: {"differ": len(r.findings), "repair": r.done, "resumed": r.resumed} for r in reports}
