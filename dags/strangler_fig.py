"""Strangler fig: one initial load, then the source's changes for as long as both systems run. One DAG per migration file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, TaskGroup, TriggerRule

from lakeward.spec.models import StranglerFig
from lakeward_airflow.assets import named_tables, published
from lakeward_airflow.dag_docs import migration_doc
from lakeward_airflow.dag_files import of_pattern, read_migrations
from lakeward_airflow.deadlines import late_run
from lakeward_airflow.operators.append import AppendIcebergOperator
from lakeward_airflow.operators.changes import (
    CompactChangesOperator,
    EvaluateComparisonsOperator,
    LoadOnceOperator,
    ServeChangesOperator,
)
from lakeward_airflow.operators.land import ExtractGroupOperator, FlattenGroupOperator, PrepareTablesOperator
from lakeward_airflow.operators.prove import ValidateRecordsOperator
from lakeward_airflow.sensors.kpi import KpiComparisonSensor


def strangler_fig(file: Path, spec: StranglerFig) -> DAG:
    """Build the DAG of one migration."""
    with DAG(
        dag_id=f"strangler_fig__{spec.migration}",
        description=spec.description or f"Follows every change of {spec.migration} and compares both sides.",
        doc_md=migration_doc(spec, file.name),
        schedule="@continuous" if spec.changes.continuous else None,
        catchup=False,
        max_active_runs=1,
        deadline=late_run(spec),
        params={"new": Param(default=False, type="boolean", title="Load anew", description=NEW)},
        tags=["lakeward", "strangler_fig", *spec.tags],
        default_args={
            "migration_file": str(file),
            "owner": spec.owner,
            "retries": 2,
            "retry_delay": timedelta(seconds=20),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=10),
        },
    ) as dag:
        gate = EvaluateComparisonsOperator(task_id="gate", inlets=named_tables(spec))
        for group in (one.name for one in spec.groups):
            with TaskGroup(group_id=group):
                once = LoadOnceOperator(
                    task_id="load_once",
                    group=group,
                    load=f"{group}.extract",
                    go_on=f"{group}.serve",
                    new="{{ params.new }}",
                )
                extract = ExtractGroupOperator(task_id="extract", group=group, retries=3)
                prepare = PrepareTablesOperator(task_id="prepare", group=group)
                flatten = FlattenGroupOperator(task_id="flatten", group=group)
                validate = ValidateRecordsOperator(task_id="validate", group=group)
                append = AppendIcebergOperator(task_id="append", group=group, outlets=[published(spec.migration)])
                compare = KpiComparisonSensor(task_id="compare", group=group, timeout=spec.gate.timeout.delta)
                serve = ServeChangesOperator(
                    task_id="serve",
                    group=group,
                    trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
                    outlets=[published(spec.migration)],
                )
                compact = CompactChangesOperator(task_id="compact", group=group)

                once >> extract >> prepare >> flatten >> validate >> append >> compare >> serve >> compact >> gate
                once >> serve
    return dag


NEW = "Begin anew: the slot is made anew, everything is loaded once more, and the tables' contents are replaced."

good, _ = read_migrations(Path(__file__).parent)
for path, migration in of_pattern(good, StranglerFig):
    strangler_fig(path, migration)
