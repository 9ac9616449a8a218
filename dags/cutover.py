"""Cut over or back, or repair rows, by hand: a form, a dry run by default, and the same checks as at the end of a migration's own DAG."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, task

from lakeward_airflow.dag_files import FOLDER, read_migrations
from lakeward_airflow.operators.approval import ApproveCutoverOperator
from lakeward_airflow.operators.repair import RepairRowsOperator
from lakeward_airflow.operators.switch import (
    CutBackOperator,
    CutOverOperator,
    FreezeAndSyncOperator,
    LiftFreezeOperator,
)

HERE = Path(__file__).parent
LONGEST = timedelta(hours=4)
"""How long an approval is waited for; a freeze whose `limit` is over by then is not switched on."""
good, _ = read_migrations(HERE)
names = {path.name: spec.migration for path, spec in good.items()}

FORM = {
    "migration": Param(
        type="string",
        enum=list(names) or ["none"],
        values_display=names,
        title="Migration",
        description="Which migration's groups are switched.",
    ),
    "direction": Param(
        "cut_over",
        type="string",
        enum=["cut_over", "freeze_and_sync", "cut_back", "repair"],
        values_display={
            "freeze_and_sync": "freeze, synchronise, approve, cut over: a phased migration, or a strangler fig's writers",
            "cut_over": "cut over: to the lake; a strangler fig's readers, while it is fed on",
            "cut_back": "cut back: to the state before",
            "repair": "repair: read rows that differ again from the source",
        },
        title="Direction",
    ),
    "run": Param(
        "",
        type="string",
        title="Run",
        description="Id of the migration's DAG run whose cut is meant; of a phased migration the `run_key` of its last synchronisation. A strangler fig needs none.",
    ),
    "to": Param(
        "legacy",
        type="string",
        enum=["legacy", "dual", "readers"],
        title="Back to",
        description="To cut back: the state to come back to. Only a strangler fig has others than legacy, and goes back one at a time.",
    ),
    "evidence_hash": Param(
        "",
        type="string",
        title="Approved evidence",
        description="To cut over: the evidence hash that the gate of that run gave, after you have read the evidence.",
    ),
    "source_frozen": Param(
        default=False,
        type="boolean",
        title="The source is frozen",
        description="To cut over: I declare that nobody writes to the old system any more.",
    ),
    "accept_quarantine": Param(
        "",
        type="string",
        title="Quarantined rows",
        description="If rows were quarantined: why the switch may go on without them.",
    ),
    "why": Param(
        type="string",
        minLength=1,
        title="Why",
        description="Kept with the transition or repair, for those who look back.",
    ),
    "dry_run": Param(
        default=True,
        type="boolean",
        title="Dry run",
        description="Look at every precondition, show what differs, and change nothing.",
    ),
}

with DAG(
    dag_id="cutover",
    description="Switches a migration's readers and writers to the lake, or back; repairs rows.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["lakeward", "cutover"],
    params=FORM,
    default_args={
        "migration_file": f"{HERE / FOLDER}/{{{{ params.migration }}}}",
        "run_key": "{{ params.run }}",
        "dry": "{{ params.dry_run }}",
        "retries": 0,
    },
):

    @task.branch
    def direction(params: dict[str, str]) -> str:
        """The way that the form names."""
        return params["direction"]

    by = "{{ dag_run.triggering_user_name or 'unknown' }}"
    approval = {
        "approved": True,
        "evidence_hash": "{{ params.evidence_hash }}",
        "by": by,
        "why": "{{ params.why }}",
        "source_frozen": "{{ params.source_frozen }}",
        "accept_quarantine": "{{ params.accept_quarantine }}",
        "answered_at": "{{ dag_run.run_after.isoformat() }}",
    }
    cut_over = CutOverOperator(task_id="cut_over", approval=approval)
    cut_back = CutBackOperator(task_id="cut_back", by=by, why="{{ params.why }}", to="{{ params.to }}")
    repair = RepairRowsOperator(task_id="repair", by=by, why="{{ params.why }}")

    sync = FreezeAndSyncOperator(task_id="freeze_and_sync", by=by)
    synchronised = "{{ task_instance.xcom_pull('freeze_and_sync')['run_key'] }}"
    approve = ApproveCutoverOperator(
        task_id="approve", run_key=synchronised, rehearsal="{{ params.dry_run }}", response_timeout=LONGEST
    )
    switch = CutOverOperator(task_id="switch", run_key=synchronised, approval=approve.output, writers=True)
    lift = LiftFreezeOperator(task_id="lift_freeze", trigger_rule="all_done")

    direction() >> [cut_over, cut_back, repair, sync]
    sync >> approve >> switch >> lift
