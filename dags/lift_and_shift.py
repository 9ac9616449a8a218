"""Lift and shift: one cut, everything at once, proved before anybody is switched. One DAG per migration file."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param, task_group

from lakeward.spec.models import LiftAndShift
from lakeward_airflow.assets import named_tables
from lakeward_airflow.dag_docs import migration_doc
from lakeward_airflow.dag_files import invalid_dag, of_pattern, read_migrations
from lakeward_airflow.operators.approval import ApproveCutoverOperator
from lakeward_airflow.operators.land import PlanMigrationOperator
from lakeward_airflow.operators.prove import EvaluateGateOperator
from lakeward_airflow.operators.switch import CutOverOperator
from lakeward_airflow.task_groups import RETRIES, load_group


def lift_and_shift(file: Path, spec: LiftAndShift) -> DAG:
    """Build the DAG of one migration."""
    with DAG(
        dag_id=f"lift_and_shift__{spec.migration}",
        description=spec.description or f"Moves {spec.migration} at one cut and proves it before the switch.",
        doc_md=migration_doc(spec, file.name),
        schedule=None,
        catchup=False,
        max_active_runs=1,  # two runs would compete for one pointer
        tags=["lakeward", "lift_and_shift", *spec.tags],
        params={"rehearsal": Param(default=False, type="boolean", title="Rehearsal", description=REHEARSAL)},
        default_args={"migration_file": str(file), "owner": spec.owner, **RETRIES},
    ) as dag:

        @task_group(group_id="groups", default_args={"map_index_template": "{{ task.group }}"})
        def move_group(group: str) -> None:
            load_group(spec, group)

        plan = PlanMigrationOperator(task_id="plan")
        groups = move_group.expand(group=[group.name for group in spec.groups])
        gate = EvaluateGateOperator(task_id="gate", inlets=named_tables(spec))
        approve = ApproveCutoverOperator(
            task_id="approve", rehearsal="{{ params.rehearsal }}", response_timeout=spec.gate.timeout.delta, retries=0
        )
        cut_over = CutOverOperator(task_id="cut_over", approval=approve.output, retries=1)

        plan >> groups >> gate >> approve >> cut_over
    return dag


REHEARSAL = "Prove everything, publish to the lake, and end before the approval; nobody is switched."

good, bad = read_migrations(Path(__file__).parent)
for path, migration in of_pattern(good, LiftAndShift):
    lift_and_shift(path, migration)
for path, reason in bad.items():
    invalid_dag(path, reason)
