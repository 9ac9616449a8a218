"""The approval: a person reads the evidence and says yes or no; the answer binds to exactly what was shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput

from lakeward.errors import GateError
from lakeward_airflow.approval_text import body, subject
from lakeward_airflow.figures import totals
from lakeward_airflow.runs import now, open_run

if TYPE_CHECKING:
    from airflow.sdk import Context

FORM: dict[str, dict[str, Any]] = {
    "source_frozen": {
        "default": False,
        "type": "boolean",
        "title": "The source is frozen",
        "description": "I declare that nobody writes to the old system any more. Without it the switch is refused.",
    },
    "accept_quarantine": {
        "default": "",
        "type": "string",
        "title": "Quarantined rows",
        "description": "If rows were quarantined: why the migration may go on without them. Your name is kept with it.",
    },
    "why": {
        "default": "",
        "type": "string",
        "title": "Why",
        "description": "Kept with the transition, for those who look back.",
    },
}


class Approval(TypedDict):
    """What an answered approval hands to the switch."""

    approved: bool
    evidence_hash: str
    by: str
    why: str
    source_frozen: bool
    accept_quarantine: str
    answered_at: str


class ApproveCutoverOperator(ApprovalOperator):
    """Show the evidence and wait, without a slot, for a person; a rejection skips what follows.

    :param migration_file: path of the migration file. (templated)
    :param run_key: names the run. (templated)
    :param rehearsal: ``True`` ends a run that only rehearses here, without asking. (templated)
    """

    template_fields: Sequence[str] = ("migration_file", "run_key", "rehearsal")
    ui_color = "#fff4d6"

    def __init__(
        self, *, migration_file: str, run_key: str = "{{ run_id }}", rehearsal: str = "False", **kwargs: Any
    ) -> None:
        # Only this form is asked for: without the next line the DAG's parameters would count as the task's own.
        kwargs.pop("params", None)
        form = {name: Param(**field, source="task") for name, field in FORM.items()}
        super().__init__(subject="Cut over?", params=form, **kwargs)
        self.migration_file = migration_file
        self.run_key = run_key
        self.rehearsal = rehearsal

    def execute(self, context: Context) -> None:
        """Ask, and park in `awaiting_input`; GateError when the gate is no longer open."""
        from lakeward.steps.gate import collect_evidence, judge, keep_sealed

        if self.rehearsal == "True":
            raise AirflowSkipException("This run is a rehearsal: it ends before the approval.")
        with open_run(self.migration_file, self.run_key) as (plan, ports):
            evidence = collect_evidence(plan, ports)
            decision = judge(plan, ports, evidence, now())
            if not decision.open:
                raise GateError(f"The gate is shut: {'; '.join(decision.reasons)}", todo="See the gate task.")
            keep_sealed(plan, ports, evidence, decision.evidence_hash)
            self.subject = subject(evidence, decision)
            self.body = body(evidence, decision, totals(plan, ports, evidence))
        asked_at = now()
        self._ask(context)
        for notifier in self.notifiers:
            notifier(context)
        raise TaskAwaitingInput(
            method_name="execute_complete",
            kwargs={"evidence_hash": decision.evidence_hash, "asked_at": asked_at.isoformat()},
            timeout=self.response_timeout,
        )

    def _ask(self, context: Context) -> None:
        """Put the question. Airflow keeps one per task instance, and a cleared task's first text for good: it drops the
        old answer, but would show old figures under a new question, so another text than ours is refused."""
        from airflow.sdk.execution_time.comms import CreateHITLDetailPayload
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        shown = SUPERVISOR_COMMS.send(
            CreateHITLDetailPayload(
                ti_id=context["task_instance"].id,
                options=self.options,
                subject=self.subject,
                body=self.body,
                defaults=None,
                params=self.serialized_params,
                multiple=False,
                assigned_users=[],
            )
        )
        if (getattr(shown, "subject", None), getattr(shown, "body", None)) != (self.subject, self.body):
            raise AirflowFailException(
                "The evidence has changed since this run first asked, and Airflow would show the first text again.\n"
                "  What to do: start a new run, or cut over by the `cutover` DAG, whose form takes the new evidence hash "
                "from the gate task."
            )

    def execute_complete(
        self, context: Context, event: dict[str, Any], evidence_hash: str = "", asked_at: str = ""
    ) -> Approval:
        """Check that this answers this question; skip what follows on a rejection."""
        answer = super().execute_complete(context, event)
        answered_at: datetime = answer["responded_at"]
        if not asked_at or answered_at < datetime.fromisoformat(asked_at):
            raise AirflowFailException(
                "This answer is older than the question.\n  What to do: clear the task and answer anew."
            )
        given = answer["params_input"]
        user = answer["responded_by_user"] or {"id": "", "name": ""}
        approval = Approval(
            approved=answer["chosen_options"] == [self.APPROVE],
            evidence_hash=evidence_hash,
            by=user["name"] or user["id"],
            why=str(given.get("why") or ""),
            source_frozen=given.get("source_frozen") is True,
            accept_quarantine=str(given.get("accept_quarantine") or ""),
            answered_at=answered_at.isoformat(),
        )
        self._record(approval)
        if approval["approved"] and not approval["source_frozen"]:
            raise AirflowFailException(
                "Approved, but the source was not declared frozen; nothing was switched.\n"
                "  What to do: freeze the source, clear this task and answer it again with that box ticked."
            )
        self.log.info("%s by %s", "Approved" if approval["approved"] else "Rejected", approval["by"])
        return approval

    def _record(self, approval: Approval) -> None:
        """Keep the answer as evidence, a rejection and one that is of no use too."""
        from lakeward.steps.approve import answer, keep_approval
        from lakeward.steps.journal import journal

        with (
            open_run(self.migration_file, self.run_key) as (plan, ports),
            journal(plan, ports, "", "approve", now()) as entry,
        ):
            keep_approval(ports, answer(plan, approval, now()))
            if not approval["approved"]:
                entry.outcome, entry.message = "held", f"rejected by {approval['by']}: {approval['why']}"
            elif not approval["source_frozen"]:
                entry.outcome, entry.message = "held", "approved, but the source was not declared frozen"
