"""What must hold before a person is asked: record rules before the rows are visible, and the gate over all evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from lakeward.domain.evidence import Verdict
from lakeward.errors import GateError
from lakeward_airflow.links import DossierLink, EvidenceLink, ValidationReportLink
from lakeward_airflow.operators.base import GroupOperator, RunOperator
from lakeward_airflow.runs import now

if TYPE_CHECKING:
    from airflow.sdk import Context


class ValidateRecordsOperator(GroupOperator):
    """Put the record rules to the staged files, before anybody can read them; evidence is stored either way.

    :param group: name of the entity group. (templated)
    """

    operator_extra_links = (ValidationReportLink(), EvidenceLink())

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Validate; DataError when a rule fails."""
        from lakeward.steps.validate import validate

        with self.opened() as (plan, ports, entry):
            verdict = validate(plan, self.group, ports, now(), self.progress())
            entry.rows, entry.message = verdict.checked, verdict.summary
        self.log.info("%s: %s", verdict.outcome, verdict.summary)
        return verdict_summary(verdict)


class EvaluateGateOperator(RunOperator):
    """Look at the evidence of all groups, joined where each has a pattern of its own, and open the gate, or say every reason why not.

    :param migration_file: path of the migration file.
    :param run_key: names the run. (templated)
    """

    operator_extra_links = (DossierLink(),)

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Evaluate; GateError when the gate stays shut, AirflowSkipException when not every group is there to be joined."""
        from lakeward.steps.join import joined, judge_joined

        with self.opened() as (frozen, ports, entry):
            try:
                plan = joined(frozen, ports)
            except GateError as error:
                entry.outcome, entry.message = "held", error.what
            else:
                decision = judge_joined(plan, ports, now(), self.progress())
                self.log.info("Decision: %s. Records: %s", decision.decision.value, decision.signatures)
                for streak in decision.streaks:
                    self.log.info("%s", streak)
                self.keep_dossier(plan, ports)
                for warning in decision.warnings:
                    self.log.warning("%s", warning)
                if not decision.open:
                    raise GateError(
                        "The gate stays shut: " + "; ".join(decision.reasons),
                        todo="Mend what the reasons name; then clear this task, or start a new run for a new cut.",
                    )
        if entry.outcome == "held":
            raise AirflowSkipException(entry.message)
        return {
            "run_key": plan.run_key,
            "decision": decision.decision.value,
            "progress": list(map(str, decision.streaks)),
            "evidence_hash": decision.evidence_hash,
            "signatures": decision.signatures,
            "warnings": list(decision.warnings),
            "quarantined": decision.quarantined,
        }


def verdict_summary(verdict: Verdict) -> dict[str, object]:
    """A verdict as a small dict."""
    return {
        "kind": verdict.kind,
        "subject": verdict.subject,
        "outcome": str(verdict.outcome),
        "summary": verdict.summary,
        "checked": verdict.checked,
        "failed": verdict.failed,
    }
