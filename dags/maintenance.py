"""Keep the lake small: small files, old snapshots, leftovers of tries that failed. One DAG per migration file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from lakeward.spec.models import Migration
from lakeward_airflow.dag_docs import maintenance_doc
from lakeward_airflow.dag_files import read_migrations
from lakeward_airflow.operators.maintain import (
    CompactTablesOperator,
    ExpireSnapshotsOperator,
    RemoveLeftoversOperator,
)


def maintenance(file: Path, spec: Migration) -> DAG:
    """Build the DAG of one migration."""
    when = spec.maintenance.schedule
    with DAG(
        dag_id=f"maintenance__{spec.migration}",
        description=f"Keeps the lake of {spec.migration} small; safe beside its runs.",
        doc_md=maintenance_doc(spec, file.name),
        schedule=None if when == "never" else f"@{when}",
        catchup=False,
        max_active_runs=1,
        tags=["lakeward", "maintenance", *spec.tags],
        params={"dry_run": Param(default=True, type="boolean", title="Dry run", description=DRY_RUN)},
        default_args={
            "migration_file": str(file),
            "dry": "{{ params.dry_run and dag_run.run_type != 'scheduled' }}",
            "owner": spec.owner,
            "retries": 2,
            "retry_delay": timedelta(minutes=1),
        },
    ) as dag:
        compact = CompactTablesOperator(task_id="compact")
        expire = ExpireSnapshotsOperator(task_id="expire")
        clean = RemoveLeftoversOperator(task_id="clean")

        compact >> expire >> clean  # each leaves work for the next
    return dag


DRY_RUN = "Say what would be done, and change nothing. Scheduled runs do it."

good, _ = read_migrations(Path(__file__).parent)
for path, migration in good.items():
    maintenance(path, migration)
