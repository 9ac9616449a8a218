"""What somebody should be told of a migration, once: by what it is about, not by how often it was seen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lakeward.domain.costs import breaches
from lakeward.domain.evidence import Outcome
from lakeward.domain.identity import digest
from lakeward.domain.overview import Need, Status
from lakeward.domain.standing import Judged
from lakeward.domain.words import counted

_KINDS = {
    Need.ROLL_BACK: "roll back",
    Need.FAILED: "step failed",
    Need.HELD: "gate held",
    Need.APPROVE: "approval wanted",
}
_NAMED = 5
_GROWN = 0.5
"""Share of the permitted log from which on somebody is told."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to be told: of which migration, what, and what to do about it. ``about`` tells it from others, when ``what`` has figures that move."""

    migration: str
    kind: str
    what: str
    todo: str
    about: str = ""

    @property
    def key(self) -> str:
        """The same for the same thing, whenever it is seen."""
        return digest("alert", self.migration, self.kind, self.about or self.what, length=16)


def alerts_of(status: Status, judged: Sequence[Judged], at: datetime) -> tuple[Alert, ...]:
    """Everything that somebody should know of a migration as it stands."""
    return (*_alerts(status, judged), *_measured(status, at))


def _measured(status: Status, at: datetime) -> Iterator[Alert]:
    """What the newest meters tell: the agreement is broken, or the source keeps more and more log."""
    card = status.card
    if not status.metered:
        return
    for one in breaches(card.sla, card.costs, status.metered, at, card.zone):
        todo = "See the meters on the migration's page, and its newest tasks: docs/meters.md."
        yield Alert(card.migration, "sla broken", one.told, todo, one.about)
    for meter in status.metered:
        if card.max_retained and meter.retained > card.max_retained * _GROWN:
            what = f"{meter.group}: the source keeps {meter.retained / 1e6:,.0f} MB of its log for the slot; {card.max_retained / 1e6:,.0f} are permitted"
            todo = "Run more often or longer, and look for old transactions at the source: docs/dual-write.md."
            yield Alert(card.migration, "slot growing", what, todo, f"slot of {meter.group}")


def _alerts(status: Status, judged: Sequence[Judged]) -> Iterator[Alert]:
    name = status.card.migration
    if kind := _KINDS.get(status.need):
        yield Alert(name, kind, status.why, status.todo)
    broken = [reason for reason in status.reasons if reason.kind == "evidence"]
    for reason in broken[:1]:
        yield Alert(name, "evidence broken", reason.what, reason.todo)
    if worse := [j for j in judged if j.outcome in {Outcome.FAIL, Outcome.ERROR}]:
        named = ", ".join(f"{j.group}: {j.kind} {j.subject} at cut {j.cut_id}" for j in worse[:_NAMED])
        more = f" and {len(worse) - _NAMED} more" if len(worse) > _NAMED else ""
        what = f"{counted(len(worse), 'check does', 'checks do')} not pass: {named}{more}"
        yield Alert(name, "verdict failed", what, "The migration's page names the rows.")
