"""The overview: every migration that the user may see, what needs a person first."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import Request, Response

from lakeward.domain.costs import breaches
from lakeward.domain.overview import Need, Status, in_order
from lakeward.domain.standing import Card
from lakeward.steps.status import statuses
from lakeward_airflow.monitor.access import User, visible
from lakeward_airflow.monitor.pages import render
from lakeward_airflow.monitor.store import ledger

WORDS = {
    Need.ROLL_BACK: ("bad", "Roll back"),
    Need.FAILED: ("bad", "Failed"),
    Need.HELD: ("held", "Held"),
    Need.APPROVE: ("ask", "Approve"),
    Need.MOVING: ("moving", "Moving"),
    Need.NOTHING: ("calm", "Nothing to do"),
}
"""Class and word of each need."""


def page(request: Request, user: User) -> Response:
    """Every migration."""
    cards = visible((card for card, _ in ledger().standing(Card).values()), user)
    found = in_order(statuses(ledger(), cards))
    waiting = [one for one in found if one.need <= Need.APPROVE]
    now = datetime.now(UTC)
    broken = {one.card.migration: is_broken(one, now) for one in found}
    return render(
        request, "overview.html", found=found, waiting=waiting, words=WORDS, Need=Need, now=now, broken=broken
    )


def is_broken(one: Status, at: datetime) -> bool:
    """Whether what was measured is not as agreed; where nothing was measured yet, the gate tells."""
    return bool(one.metered) and any(breaches(one.card.sla, one.card.costs, one.metered, at, one.card.zone))
