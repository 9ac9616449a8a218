"""Accept a known difference by name, by hand: a form, a dry run by default. What is accepted is told at the gate and in the dossier."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param

from lakeward_airflow.dag_files import FOLDER, read_migrations
from lakeward_airflow.operators.accept import AcceptDifferencesOperator

HERE = Path(__file__).parent
good, _ = read_migrations(HERE)
names = {path.name: spec.migration for path, spec in good.items()}

FORM = {
    "migration": Param(type="string", enum=list(names) or ["none"], values_display=names, title="Migration"),
    "rule": Param("kpi", type="string", enum=["kpi", "rows", "counts"], title="Kind of check"),
    "subject": Param(type="string", minLength=1, title="Check", description="The KPI, or the lake table."),
    "group": Param("", type="string", title="Group", description="Of the check, if several have such a table."),
    "owner": Param(type="string", minLength=1, title="Owner", description="Who answers for the difference."),
    "why": Param(type="string", minLength=1, title="Why", description="Why it may stay; kept as evidence."),
    "expires": Param(type="string", format="date", title="Until", description="The last day on which it is accepted."),
    "amount": Param(
        "",
        type="string",
        title="Up to",
        description="So far apart; empty accepts exactly what was found, and nothing new.",
    ),
    "dry_run": Param(
        default=True, type="boolean", title="Dry run", description="Show what would be covered, and keep nothing."
    ),
}

with DAG(
    dag_id="accept",
    description="Accepts a known difference of a migration by name, until a day.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["lakeward", "accept"],
    params=FORM,
):
    AcceptDifferencesOperator(
        task_id="accept",
        migration_file=f"{HERE / FOLDER}/{{{{ params.migration }}}}",
        rule="{{ params.rule }}",
        subject="{{ params.subject }}",
        group="{{ params.group }}",
        answers="{{ params.owner }}",
        reason="{{ params.why }}",
        expires="{{ params.expires }}",
        amount="{{ params.amount }}",
        by="{{ dag_run.triggering_user_name or 'unknown' }}",
        dry="{{ params.dry_run }}",
        retries=0,
    )
