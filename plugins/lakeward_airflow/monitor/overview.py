"""The overview: every migration that the user may see, what needs a person first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TypeVar

from fastapi import Request, Response

from lakeward.domain.evidence import Pointer
from lakeward.domain.overview import Facts, Need, Status, Step, in_order, status_of
from lakeward.domain.progress import GroupProgress
from lakeward.domain.standing import Card, Decided, Judged
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
Fact = TypeVar("Fact")


def page(request: Request, user: User) -> Response:
    """Every migration."""
    known = ledger().standing(Card)
    found = in_order(statuses(visible([card for card, _ in known.values()], user)))
    waiting = [one for one in found if one.need <= Need.APPROVE]
    return render(request, "overview.html", found=found, waiting=waiting, words=WORDS, Need=Need)


def statuses(cards: list[Card], migration: str | None = None) -> list[Status]:
    """Where each migration is, by five questions to the ledger, however many there are."""
    book = ledger()
    pointers = _by_group(book.standing(Pointer, migration))
    decisions = _dated(book.standing(Decided, migration))
    progress = _by_group(book.standing(GroupProgress, migration))
    steps: dict[str, list[Step]] = defaultdict(list)
    runs: dict[str, str] = {}
    for one in book.runs():
        steps[one.migration].append(Step(one.group, one.step, one.outcome, one.started_at, one.message))
        runs[one.migration] = one.run_key
    judged: dict[str, list[Judged]] = defaultdict(list)
    for verdict in book.judged():
        judged[verdict.migration].append(verdict)
    return [
        status_of(
            Facts(
                card=card,
                pointers=pointers[name],
                decisions=decisions[name],
                progress=progress[name],
                steps=steps[name],
                run_key=runs.get(name, ""),
                judged=judged[name],
            )
        )
        for card in cards
        for name in (card.migration,)
    ]


def _by_group(found: Mapping[tuple[str, str], tuple[Fact, object]]) -> dict[str, dict[str, Fact]]:
    by_name: dict[str, dict[str, Fact]] = defaultdict(dict)
    for (name, group), (fact, _) in found.items():
        by_name[name][group] = fact
    return by_name


def _dated(found: Mapping[tuple[str, str], Fact]) -> dict[str, dict[str, Fact]]:
    by_name: dict[str, dict[str, Fact]] = defaultdict(dict)
    for (name, group), fact in found.items():
        by_name[name][group] = fact
    return by_name
