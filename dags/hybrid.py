"""Hybrid: each entity group by the pattern that suits it, joined at one gate. One DAG per migration file."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup

from lakeward.domain.parts import part_key
from lakeward.spec.hybrid_checks import in_order
from lakeward.spec.models import Hybrid
from lakeward_airflow.assets import named_tables
from lakeward_airflow.dag_docs import migration_doc
from lakeward_airflow.dag_files import of_pattern, read_migrations
from lakeward_airflow.deadlines import late_run
from lakeward_airflow.operators.land import PlanMigrationOperator
from lakeward_airflow.operators.prove import EvaluateGateOperator
from lakeward_airflow.task_groups import NEW, RETRIES, RUN, WINDOWS, follow_group, lift_group, phase_group

BY_PATTERN = {"lift_and_shift": lift_group, "phased": phase_group, "strangler_fig": follow_group}


def hybrid(file: Path, spec: Hybrid) -> DAG:
    """Build the DAG of one migration."""
    timetable = CronDataIntervalTimetable(spec.schedule, spec.calendar.time_zone) if spec.schedule else None
    with DAG(
        dag_id=f"hybrid__{spec.migration}",
        description=spec.description or f"Moves each group of {spec.migration} by its own pattern, to one gate.",
        doc_md=migration_doc(spec, file.name),
        schedule="@continuous" if spec.changes.continuous else timetable,
        catchup=False,
        max_active_runs=1,
        deadline=late_run(spec),
        tags=["lakeward", "hybrid", *spec.tags],
        params=WINDOWS | NEW,
        default_args={"migration_file": str(file), "owner": spec.owner, **RETRIES},
    ) as dag:
        plan = PlanMigrationOperator(task_id="plan")
        gate = EvaluateGateOperator(task_id="gate", inlets=named_tables(spec))
        there = {}
        for group in in_order(spec):
            with TaskGroup(group_id=group.name):
                tasks = BY_PATTERN[group.pattern](spec, group.name, run_key=part_key(RUN, group.name))
            plan >> tasks.first
            for before in group.after:
                there[before] >> tasks.first
            tasks.last >> gate
            there[group.name] = tasks.last
    return dag


good, _ = read_migrations(Path(__file__).parent)
for path, migration in of_pattern(good, Hybrid):
    hybrid(path, migration)
