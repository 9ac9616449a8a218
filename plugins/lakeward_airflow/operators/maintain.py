"""What keeps the lake small, in a migration that may be under way: small files, old snapshots, leftovers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from lakeward.errors import LakewardError
from lakeward_airflow.failures import final_errors
from lakeward_airflow.links import MaintenanceLink
from lakeward_airflow.runs import home, now, progress

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lakeward.domain.maintenance import CleaningReport, ExpiryReport
    from lakeward.ports import Ports
    from lakeward.spec.models import Migration


class MaintenanceOperator(BaseOperator):
    """Work on a migration as it is now, whatever its runs do.

    :param migration_file: path of the migration file.
    :param dry: ``True`` says what would be done and changes nothing. (templated)
    """

    template_fields: Sequence[str] = ("dry",)
    ui_color = "#f3ecfb"

    def __init__(self, *, migration_file: str, dry: str | bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.migration_file = migration_file
        self.dry = dry

    @contextmanager
    def opened(self) -> Iterator[tuple[Migration, Ports]]:
        """The migration file and its ports."""
        from lakeward.adapters.open import open_ports
        from lakeward.steps.check import check_file
        from lakeward_airflow.connections import resolve

        with final_errors():
            spec = check_file(Path(self.migration_file)).spec
            with open_ports(spec, resolve, home()) as ports:
                yield spec, ports

    @property
    def only_looks(self) -> bool:
        """Whether only to look; whatever is not plainly ``False`` is a dry run."""
        return str(self.dry) != "False"

    def keep(self, ports: Ports, report: ExpiryReport | CleaningReport, run_id: str) -> None:
        """Keep a report where the task's link finds it."""
        from lakeward.domain.identity import maintenance_key
        from lakeward.domain.stored import to_json

        ports.store.put(maintenance_key(report.migration, run_id, self.task_id), to_json(report))


class CompactTablesOperator(MaintenanceOperator):
    """Rewrite small files of every published group, if the file says ``rewrite``; else tell which tables are due.

    :param migration_file: path of the migration file.
    :param dry: ``True`` says what would be done and changes nothing. (templated)
    """

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Group by group; a group that another version of lakeward planned is passed over."""
        from lakeward.domain.compaction import rewriting
        from lakeward.steps.compact import compact_published

        dry, done = self.only_looks, {}
        with self.opened() as (spec, ports):
            found = compact_published(spec, ports, now(), dry_run=dry, progress=progress(self.log))
        for group, report in found.items():
            if isinstance(report, LakewardError):
                self.log.warning("Group %s is passed over: %s", group, report)
                continue
            for table in report.tables:
                due = "; compaction is due" if table.due else ""
                self.log.info("%s: %d files, %d of them small%s", table.table, table.files_now, table.small_now, due)
                if told := rewriting(table, dry_run=dry):
                    self.log.info("%s", told)
            done[group] = {
                "mode": report.mode,
                "due": [table.table for table in report.tables if table.due],
                "rewritten": {t.table: [len(t.rewritten), t.into] for t in report.tables if t.rewritten},
            }
        return {"dry_run": dry, "groups": done}


class ExpireSnapshotsOperator(MaintenanceOperator):
    """Forget old snapshots and old cuts' tags; what pointers, other tags, open runs and the way back need is spared.

    :param migration_file: path of the migration file.
    :param dry: ``True`` says what would be done and changes nothing. (templated)
    """

    operator_extra_links = (MaintenanceLink(),)

    def execute(self, context: Context) -> dict[str, object]:
        """Table by table, each in one commit."""
        from lakeward.steps.expire import expire

        with self.opened() as (spec, ports):
            report = expire(spec, ports, now(), dry_run=self.only_looks, progress=progress(self.log))
            self.keep(ports, report, context["run_id"])
        for table in report.tables:
            self.log.info("%s: %d snapshots and tags %s", table.table, len(table.snapshots), list(table.tags))
        return {
            "dry_run": self.only_looks,
            "snapshots": {table.table: len(table.snapshots) for table in report.tables},
            "tags": sum(len(table.tags) for table in report.tables),
        }


class RemoveLeftoversOperator(MaintenanceOperator):
    """Remove what failed, superseded and discarded tries left in landing and lake, and landings past their time.

    A freeze of the source whose time is over is lifted first.

    :param migration_file: path of the migration file.
    :param dry: ``True`` says what would be done and changes nothing. (templated)
    """

    operator_extra_links = (MaintenanceLink(),)

    def execute(self, context: Context) -> dict[str, object]:
        """Landing first, then table by table."""
        from lakeward.adapters.open import open_freezer
        from lakeward.steps.clean import clean
        from lakeward.steps.freeze import lift
        from lakeward_airflow.connections import resolve

        with self.opened() as (spec, ports):
            freezer = None if self.only_looks else open_freezer(spec, resolve)
            if freezer and lift(ports.store, spec.migration, freezer, now()):
                self.log.warning("A freeze of the source whose time was over was lifted")
            report = clean(spec, ports, now(), dry_run=self.only_looks, progress=progress(self.log))
            self.keep(ports, report, context["run_id"])
        for one in report.leftovers:
            self.log.info("%s: %d bytes of %s, %s", one.where, one.bytes, one.modified.isoformat(), one.why)
        kinds = sorted({one.kind for one in report.leftovers})
        return {
            "dry_run": self.only_looks,
            "bytes": report.bytes,
            "leftovers": {kind: sum(one.kind == kind for one in report.leftovers) for kind in kinds},
        }
