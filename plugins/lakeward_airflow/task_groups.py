"""What the DAGs of several patterns do with one entity group, as tasks in their order; a DAG puts them into its graph."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, Param, TriggerRule, chain

from lakeward.spec.models import Migration, Paced
from lakeward_airflow.assets import published
from lakeward_airflow.operators.append import AppendIcebergOperator
from lakeward_airflow.operators.changes import CompactChangesOperator, LoadOnceOperator, ServeChangesOperator
from lakeward_airflow.operators.compact import TriggerCompactionOperator
from lakeward_airflow.operators.land import ExtractGroupOperator, FlattenGroupOperator, PrepareTablesOperator
from lakeward_airflow.operators.lift import CompareAgainOperator
from lakeward_airflow.operators.prove import ValidateRecordsOperator
from lakeward_airflow.operators.windows import MoveWindowsOperator, OpenNextWaveOperator
from lakeward_airflow.sensors.kpi import KpiComparisonSensor

RUN = "{{ run_id }}"
RETRIES: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
}
"""How a task is tried again, unless it says otherwise."""

WINDOWS = {
    "window": Param(
        default="",
        type="string",
        title="Window",
        description="Only this window: its name, its first key, or any day, month or year in it. Empty: the next ones within the budget.",
    ),
    "again": Param(
        default=False,
        type="boolean",
        title="Again",
        description="Read the window again though it is done; its rows are replaced.",
    ),
}
NEW = {
    "new": Param(
        default=False,
        type="boolean",
        title="Load anew",
        description="Begin anew: slots are made anew, all that is loaded at one cut is loaded once more, and the tables' contents are replaced.",
    )
}


class Ends(NamedTuple):
    """The tasks that a group's begin and end with."""

    first: BaseOperator
    last: BaseOperator


def load_group(spec: Migration, group: str, *, run_key: str = RUN, compact: bool = True) -> Ends:
    """One cut, from the source to its verdicts."""
    named = {"group": group, "run_key": run_key}
    extract = ExtractGroupOperator(task_id="extract", retries=3, **named)
    prepare = PrepareTablesOperator(task_id="prepare", **named)
    flatten = FlattenGroupOperator(task_id="flatten", **named)
    validate = ValidateRecordsOperator(task_id="validate", **named)
    append = AppendIcebergOperator(task_id="append", retries=5, outlets=[published(spec.migration)], **named)
    compare = KpiComparisonSensor(task_id="compare", timeout=spec.gate.timeout.delta, **named)

    small = [TriggerCompactionOperator(task_id="compact", **named)] if compact else []
    chain(extract, prepare, flatten, validate, append, *small, compare)
    return Ends(extract, compare)


def lift_group(spec: Migration, group: str, *, run_key: str = RUN) -> Ends:
    """Compared with the source as it is now; loaded when it differs, or is not there yet."""
    again = CompareAgainOperator(
        task_id="compare_again",
        group=group,
        load=f"{group}.extract",
        go_on=f"{group}.proved",
        new="{{ params.new }}",
        run_key=run_key,
    )
    load = load_group(spec, group, run_key=run_key)
    proved = EmptyOperator(task_id="proved", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)

    again >> load.first
    again >> proved
    load.last >> proved
    return Ends(again, proved)


def follow_group(spec: Migration, group: str, *, run_key: str = RUN) -> Ends:
    """Loaded once; then the source's changes, tenure by tenure."""
    named = {"group": group, "run_key": run_key}
    once = LoadOnceOperator(
        task_id="load_once", load=f"{group}.extract", go_on=f"{group}.serve", new="{{ params.new }}", **named
    )
    load = load_group(spec, group, run_key=run_key, compact=False)
    serve = ServeChangesOperator(
        task_id="serve",
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        outlets=[published(spec.migration)],
        **named,
    )
    compact = CompactChangesOperator(task_id="compact", **named)

    once >> load.first
    once >> serve
    load.last >> serve >> compact
    return Ends(once, compact)


def move_windows(spec: Paced, group: str, *, task_id: str, run_key: str = RUN) -> MoveWindowsOperator:
    """The next windows within the budget; those that are all done catch up."""
    return MoveWindowsOperator(
        task_id=task_id,
        group=group,
        budget=spec.budget,
        window="{{ params.window }}",
        again="{{ params.again }}",
        outlets=[published(spec.migration)],
        run_key=run_key,
    )


def phase_group(spec: Paced, group: str, *, run_key: str = RUN) -> Ends:
    """Window by window; what comes after is skipped as long as some are left."""
    windows = move_windows(spec, group, task_id="windows", run_key=run_key)
    complete = OpenNextWaveOperator(task_id="complete", moved=[windows.output], run_key=run_key)
    return Ends(windows, complete)
