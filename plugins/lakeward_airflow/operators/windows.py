"""Windows of a phased migration: the next ones of a group within the run's budget, and the gate of a wave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from lakeward.errors import GateError
from lakeward.spec.models import BudgetSpec
from lakeward_airflow.assets import update_assets
from lakeward_airflow.operators.base import GroupOperator, RunOperator
from lakeward_airflow.runs import attempt, now, open_run

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lakeward.domain.progress import GroupProgress
    from lakeward.steps.waves import Choice


class MoveWindowsOperator(GroupOperator):
    """Move the next windows of a group, each from the source to its own gate, until they are through or the budget is spent.

    A try that dies is gone on with at the window that was under way, by the next try or by any other run. A backfill reads the
    windows of its data interval again, and so does a run with the parameters ``window`` and ``again``: their rows are replaced.

    :param group: name of the entity group. (templated)
    :param budget: of one run; its time counts from the run's beginning.
    :param window: only this one, by its name, its first key, or any day, month or year in it. (templated)
    :param again: ``True`` reads it again. (templated)
    """

    template_fields: Sequence[str] = ("run_key", "group", "window", "again")

    def __init__(self, *, budget: BudgetSpec, window: str = "", again: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.budget = budget
        self.window = window
        self.again = again

    def execute(self, context: Context) -> dict[str, object]:
        """Move windows; GateError when one is held."""
        from lakeward.reader import resolve
        from lakeward.steps.waves import Order, move_group
        from lakeward.steps.window_run import Means

        run, ti = context["dag_run"], context["ti"]
        began = run.start_date or now()
        number = count(1)
        means = Means(now, lambda: f"{attempt(context)}-{next(number)}", self.progress(), self.log.info)
        with open_run(self.migration_file, self.run_key) as (plan, ports):
            choose = self._choice(context, plan.migration.calendar.time_zone)
            order = Order(
                holder=f"{self.run_key}.{self.group}",
                budget=self.budget,
                deadline=began + self.budget.time.delta if self.budget.time else None,
                choose=choose,
                again=choose is not None and (run.run_type == "backfill" or str(self.again) == "True"),
                salt=f"try{ti.try_number}." if choose is not None else "",
            )
            done = move_group(plan, self.group, ports, order, means)
            self.log.info("%s: %s", self.group, told := done.told(self.budget, now()))
            if done.moved:
                pointer = resolve(ports.store, plan.migration.migration, self.group)
                update_assets(context, self.outlets, plan.migration.target.connection, pointer.tables)
            if done.held:
                raise GateError(
                    f"Group {self.group}: the gate of {'' if done.caught else 'window '}{done.held} is held: {done.why or done.caught}.",
                    todo="`lakeward status FILE` and the window's verdicts tell why; other groups go on.",
                )
        return _summary(done, told)

    def _choice(self, context: Context, zone: str) -> Choice | None:
        from lakeward.domain.windows import overlapping
        from lakeward.steps.waves import by_word

        run = context["dag_run"]
        if run.run_type == "backfill" and run.data_interval_start and run.data_interval_end:
            last = run.data_interval_end - timedelta(microseconds=1)
            first = run.data_interval_start
            return lambda listing: overlapping(listing, first, last, zone)
        return by_word(self.window) if self.window else None


class OpenNextWaveOperator(RunOperator):
    """Let what comes after a wave begin when all its groups are complete; else skip it, until a later run.

    :param moved: what the tasks of the wave's groups returned. (templated)
    """

    template_fields: Sequence[str] = ("run_key", "moved")

    def __init__(self, *, moved: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.moved = moved

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Skip when windows are left."""
        found: list[Mapping[str, Any]] = list(self.moved)
        left = [f"{one['group']}: {one['progress']}" for one in found if one["left"]]
        if left:
            raise AirflowSkipException(f"The wave is not complete: {'; '.join(left)}")
        return {"complete": [one["group"] for one in found]}


def _summary(done: GroupProgress, told: str) -> dict[str, object]:
    return {
        "group": done.group,
        "moved": list(done.moved[-100:]),
        "done": done.done,
        "left": done.left,
        "rows_done": done.rows_done,
        "rows_left": done.rows_left,
        "rows_per_second": round(done.rate),
        "progress": told,
    }
