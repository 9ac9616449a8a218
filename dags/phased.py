"""Phased: waves of entity groups, each group window by window, on a schedule and within a budget. One DAG per migration file."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup

from lakeward.spec.models import Phased
from lakeward.spec.wave_checks import waves_of
from lakeward_airflow.dag_docs import migration_doc
from lakeward_airflow.dag_files import of_pattern, read_migrations
from lakeward_airflow.operators.land import PlanMigrationOperator
from lakeward_airflow.operators.windows import OpenNextWaveOperator
from lakeward_airflow.task_groups import RETRIES, WINDOWS, move_windows


def phased(file: Path, spec: Phased) -> DAG:
    """Build the DAG of one migration."""
    with DAG(
        dag_id=f"phased__{spec.migration}",
        description=spec.description or f"Moves {spec.migration} in waves and windows, each proved by itself.",
        doc_md=migration_doc(spec, file.name),
        schedule=CronDataIntervalTimetable(spec.schedule, spec.calendar.time_zone) if spec.schedule else None,
        catchup=False,
        max_active_runs=1,
        tags=["lakeward", "phased", *spec.tags],
        params=WINDOWS,
        default_args={"migration_file": str(file), "owner": spec.owner, **RETRIES},
    ) as dag:
        plan = PlanMigrationOperator(task_id="plan")
        opened = {}
        for wave in waves_of(spec):
            with TaskGroup(group_id=wave.name) as tasks:
                groups = [move_windows(spec, group, task_id=group) for group in wave.groups]
            opened[wave.name] = OpenNextWaveOperator(task_id=f"after_{wave.name}", moved=[g.output for g in groups])
            plan >> tasks >> opened[wave.name]
            for before in wave.after or ():
                opened[before] >> tasks
    return dag


good, _ = read_migrations(Path(__file__).parent)
for path, migration in of_pattern(good, Phased):
    phased(path, migration)
