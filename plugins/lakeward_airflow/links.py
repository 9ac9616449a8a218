"""From a task in Airflow to what it proved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import quote, urlsplit

from airflow.configuration import conf
from airflow.sdk import BaseOperatorLink

from lakeward.domain.identity import WHOLE, cut_id, run_id

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

MOUNTED_AT = "/lakeward"
"""Where the plugin's pages are mounted on the API server."""


def mounted() -> str:
    """The same as browsers see it, below the path prefix of Airflow's base URL, if it has one."""
    return f"{urlsplit(conf.get('api', 'base_url', fallback='')).path.rstrip('/')}{MOUNTED_AT}"


class _GroupTask(Protocol):
    migration_file: str
    run_key: str
    group: str


def evidence_url(migration: str, group: str, cut: str, *below: str) -> str:
    """Path of an evidence page on the API server; the cut's index when nothing is named ``below``."""
    return "/".join((f"{mounted()}/evidence", *(quote(part, safe="") for part in (migration, group, cut, *below))))


def sealed_url(migration: str, evidence_hash: str) -> str:
    """Path of the whole evidence that an approval binds to."""
    return f"{mounted()}/evidence/{quote(migration, safe='')}/sealed/{evidence_hash}"


def dossier_url(migration: str, run_key: str) -> str:
    """Path of the newest dossier of a run."""
    return f"{mounted()}/dossier/{quote(migration, safe='')}/{run_id(run_key)}"


def _evidence_of(operator: BaseOperator, *below: str) -> str:
    from lakeward.spec.load import load

    task = cast("_GroupTask", operator)
    migration = load(Path(task.migration_file)).spec.migration
    return evidence_url(migration, task.group, cut_id(migration, task.group, WHOLE, task.run_key), *below)


class EvidenceLink(BaseOperatorLink):
    """Everything that was proved of the group at this cut."""

    name = "Evidence"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Path of the index page."""
        return _evidence_of(operator)


class ValidationReportLink(BaseOperatorLink):
    """The report on the record rules."""

    name = "Validation report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Path of the newest report."""
        return _evidence_of(operator, "records", "report")


class MaintenanceLink(BaseOperatorLink):
    """What a maintenance task found, or has removed."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Path of the page."""
        place = (_migration_of(operator), ti_key.run_id, ti_key.task_id)
        return "/".join((f"{mounted()}/maintenance", *(quote(part, safe="") for part in place)))


class DossierLink(BaseOperatorLink):
    """Everything that was proved of the run, on one page for those who sign."""

    name = "Dossier"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Path of the newest dossier."""
        return dossier_url(_migration_of(operator), ti_key.run_id)


def _migration_of(operator: BaseOperator) -> str:
    from lakeward.spec.load import load

    return load(Path(cast("_GroupTask", operator).migration_file)).spec.migration
