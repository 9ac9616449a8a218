"""Strangler fig: one initial load, then the source's changes for as long as both systems run. One DAG per migration file."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, TaskGroup

from lakeward.spec.models import StranglerFig
from lakeward_airflow.assets import named_tables
from lakeward_airflow.dag_docs import migration_doc
from lakeward_airflow.dag_files import of_pattern, read_migrations
from lakeward_airflow.deadlines import late_run
from lakeward_airflow.operators.changes import EvaluateComparisonsOperator
from lakeward_airflow.task_groups import NEW, RETRIES, follow_group


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
        params=NEW,
        tags=["lakeward", "strangler_fig", *spec.tags],
        default_args={"migration_file": str(file), "owner": spec.owner, **RETRIES},
    ) as dag:
        gate = EvaluateComparisonsOperator(task_id="gate", inlets=named_tables(spec))
        for group in (one.name for one in spec.groups):
            with TaskGroup(group_id=group):
                followed = follow_group(spec, group)
            followed.last >> gate
    return dag


good, _ = read_migrations(Path(__file__).parent)
for path, migration in of_pattern(good, StranglerFig):
    strangler_fig(path, migration)
