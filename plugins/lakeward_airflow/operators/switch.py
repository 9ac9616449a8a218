"""Moving the pointer, and moving it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lakeward.domain.evidence import Transition
from lakeward.errors import GateError
from lakeward_airflow.operators.base import RunOperator
from lakeward_airflow.runs import now

if TYPE_CHECKING:
    from airflow.sdk import Context


class CutOverOperator(RunOperator):
    """Switch readers and writers to the lake, on one person's approval of exactly this evidence.

    :param migration_file: path of the migration file. (templated)
    :param run_key: names the run. (templated)
    :param approval: what ApproveCutoverOperator returned. (templated)
    :param dry: ``True`` looks at every precondition and moves nothing. (templated)
    """

    template_fields: Sequence[str] = ("migration_file", "run_key", "approval", "dry")
    ui_color = "#e3f4e3"

    def __init__(self, *, approval: object, dry: str | bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval = approval
        self.dry = dry

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Take the source's figures once more, then move the pointer or change nothing."""
        from lakeward.steps.approve import answer, keep_approval
        from lakeward.steps.switch import cut_over

        dry = str(self.dry) == "True"
        with self.opened(dry=dry) as (plan, ports, _):
            given = answer(plan, self._approval(), now())
            if not dry:
                keep_approval(ports, given)
            transition = cut_over(
                plan,
                ports,
                approved_hash=given.evidence_hash,
                by=given.by,
                why=given.why,
                at=now(),
                source_frozen=given.source_frozen,
                accept_quarantine=given.accept_quarantine,
                dry_run=dry,
            )
            if not dry:
                self.keep_dossier(plan, ports)
            return summary(transition)

    def _approval(self) -> Mapping[str, object]:
        if isinstance(self.approval, Mapping) and self.approval.get("approved") is True:
            return self.approval
        raise GateError(
            "Nobody has approved this cutover: the approval task has no answer.",
            todo="Clear the approval task and answer it; marking it as successful is no approval.",
        )


class CutBackOperator(RunOperator):
    """Move the pointer back to the state before the last cutover; as long as nothing is retired, nothing is lost.

    :param migration_file: path of the migration file. (templated)
    :param run_key: names the run. (templated)
    :param by: who asked for it. (templated)
    :param why: kept with the transition. (templated)
    :param dry: ``True`` looks at every precondition and moves nothing. (templated)
    """

    template_fields: Sequence[str] = ("migration_file", "run_key", "by", "why", "dry")
    ui_color = "#fde8e6"

    def __init__(self, *, by: str, why: str, dry: str | bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.by = by
        self.why = why
        self.dry = dry

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Move the pointer, or change nothing."""
        from lakeward.steps.switch import cut_back

        dry = str(self.dry) == "True"
        with self.opened(dry=dry) as (plan, ports, _):
            transition = cut_back(plan, ports, by=self.by, why=self.why, at=now(), dry_run=dry)
            if not dry:
                self.keep_dossier(plan, ports)
            return summary(transition)


def summary(transition: Transition) -> dict[str, object]:
    """A transition as a small dict; GateError when a dry run was told that it would be refused."""
    if transition.outcome == "refused":
        raise GateError(f"This would be refused. {transition.message}")
    return asdict(transition) | {"groups": list(transition.groups), "at": transition.at.isoformat()}
