"""When a run of a migration is late: Airflow's own deadline, which is missed also when no task ever begins."""

from __future__ import annotations

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from lakeward.spec.models import Metered


def late_run(spec: Metered) -> DeadlineAlert | None:
    """A deadline for each run, of the span that the agreement lets the migration go without an increment; None without an agreement."""
    if spec.sla is None:
        return None
    told = {"migration": spec.migration, "interval": str(spec.sla.silence)}
    return DeadlineAlert(
        DeadlineReference.DAGRUN_QUEUED_AT, spec.sla.silence.delta, AsyncCallback("lakeward_airflow.watch.late", told)
    )
