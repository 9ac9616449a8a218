"""A known difference, accepted by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from lakeward.errors import SpecError
from lakeward_airflow.runs import now, open_migration

if TYPE_CHECKING:
    from airflow.sdk import Context


class AcceptDifferencesOperator(BaseOperator):
    """Accept what a check of the published cut found to differ, until a day, on somebody's word; the gate then counts it as explained.

    :param migration_file: path of the migration file. (templated)
    :param rule: ``kpi``, ``rows`` or ``counts``. (templated)
    :param subject: the KPI or the lake table. (templated)
    :param group: the entity group. (templated)
    :param answers: who answers for the difference. (templated)
    :param reason: why it may stay. (templated)
    :param expires: the last day on which it is accepted. (templated)
    :param amount: up to this much apart; empty is exactly what was found. (templated)
    :param by: who accepts it. (templated)
    :param dry: ``True`` shows what would be covered and keeps nothing. (templated)
    """

    template_fields: Sequence[str] = (
        *("migration_file", "rule", "subject", "group", "answers", "reason", "expires", "amount", "by", "dry"),
    )
    ui_color = "#fff4d6"

    def __init__(
        self,
        *,
        migration_file: str,
        rule: str,
        subject: str,
        group: str,
        answers: str,
        reason: str,
        expires: str,
        by: str,
        amount: str = "",
        dry: str | bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.migration_file = migration_file
        self.rule = rule
        self.subject = subject
        self.group = group
        self.answers = answers
        self.reason = reason
        self.expires = expires
        self.by = by
        self.amount = amount
        self.dry = dry

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Show what is covered, or keep it, signed if there is a key."""
        from lakeward.cli.accept import accept_differences, published_plan
        from lakeward.domain.acceptance import Acceptance

        dry = str(self.dry) == "True"
        kpi, rows = (self.subject, "") if self.rule == "kpi" else ("", self.subject)
        with open_migration(self.migration_file) as (loaded, ports):
            plan, group = published_plan(loaded, ports, kpi, rows, self.group)
            wanted = Acceptance(
                migration=loaded.spec.migration,
                group=group,
                rule=self.rule,
                subject=group if self.rule == "counts" else self.subject,
                owner=self.answers,
                reason=self.reason,
                expires=_day(self.expires),
                by=self.by,
                at=now(),
                covers=(),
                keys=((self.subject,),) if self.rule == "counts" else (),
                amount=self.amount,
            )
            accept_differences(plan, wanted, ports, confirm=not dry)
        return {"rule": self.rule, "subject": self.subject, "group": group, "dry": dry}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SpecError(f"{text!r} is no day.", todo="Write it as in 2026-12-31.") from None
