"""Business figures of source and lake, compared; the gate is held while they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from lakeward.domain.evidence import Outcome
from lakeward_airflow.links import EvidenceLink
from lakeward_airflow.operators.prove import verdict_summary
from lakeward_airflow.runs import now, open_run, progress

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lakeward.domain.facts import Plan
    from lakeward.ports import Ports


class KpiComparisonSensor(BaseSensorOperator):
    """Wait until every business figure of a group is equal in source and lake.

    Measured once per content of what is compared; later looks read the verdict. ``pass`` and ``warn`` go on, so does ``fail`` when
    all that differs is accepted by name; else it waits without a slot until the verdict is superseded or the time is over.
    ``error`` fails the task, for it measured nothing.

    :param migration_file: path of the migration file.
    :param group: name of the entity group. (templated)
    :param run_key: names the run. (templated)
    """

    template_fields: Sequence[str] = ("run_key", "group")
    operator_extra_links = (EvidenceLink(),)
    ui_color = "#fff4d6"

    def __init__(self, *, migration_file: str, group: str, run_key: str = "{{ run_id }}", **kwargs: Any) -> None:
        kwargs = {"poke_interval": 30, "exponential_backoff": True, "max_wait": 600} | kwargs
        super().__init__(mode="reschedule", **kwargs)
        self.migration_file = migration_file
        self.group = group
        self.run_key = run_key

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002
        """Compare, or read what was found for the same content; what could not be measured raises."""
        from lakeward.domain.accepted import is_settled
        from lakeward.steps.accept import explain_verdicts
        from lakeward.steps.compare import compare
        from lakeward.steps.journal import journal

        with (
            open_run(self.migration_file, self.run_key) as (plan, ports),
            journal(plan, ports, self.group, "compare", now()) as entry,
        ):
            verdicts = compare(plan, self.group, ports, now(), progress(self.log))
            known = explain_verdicts(plan, verdicts, ports, now())
            failed = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
            held = [f"{v.kind} {v.subject}" for v in failed if not is_settled(known, v)]
            entry.outcome, entry.message = "held" if held else "done", ", ".join(held)
            decided = _decision(plan, self.group, ports)
        for place, told in known.items():
            self.log.warning("%s: %s", " ".join(place), told.told())
        for verdict in verdicts:
            self.log.info("%s %s: %s, %s", verdict.kind, verdict.subject, verdict.outcome, verdict.summary)
        self.log.info("Decision of group %s so far: %s", self.group, "\n  ".join(decided))
        if held:
            self.log.warning("%s holds the gate: repair it, or fail this run and start a new one.", entry.message)
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=[verdict_summary(verdict) for verdict in verdicts])


def _decision(plan: Plan, group: str, ports: Ports) -> list[str]:
    """What the gate would say of this group alone; it is decided over all groups, by the gate's own task."""
    from lakeward.errors import LakewardError
    from lakeward.steps.gate import judge_group

    try:
        decision = judge_group(plan, group, ports, now())
    except LakewardError as error:  # the gate's task will tell it again, and fail
        return [f"can't be told: {error.what}"]
    return [decision.decision.value, *decision.reasons, *map(str, decision.streaks)]
