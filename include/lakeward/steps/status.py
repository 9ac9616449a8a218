"""Where migrations are, by a few questions to the ledger, however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from lakeward.domain.alerts import Alert, alerts_of
from lakeward.domain.evidence import Pointer
from lakeward.domain.overview import Facts, Status, Step, status_of
from lakeward.domain.progress import GroupProgress
from lakeward.domain.standing import Alerted, Card, Decided, Judged
from lakeward.ports import Ledger

Fact = TypeVar("Fact")


def statuses(ledger: Ledger, cards: Iterable[Card], migration: str | None = None) -> list[Status]:
    """Where each migration is.

    :param migration: the only one that is asked for, if it is one.
    """
    return [status_of(facts) for facts in _facts(ledger, cards, migration)]


def tell_alerts(ledger: Ledger, migration: str, at: datetime, send: Callable[[Alert], None]) -> Status | None:
    """Send what nobody was told yet, each once as long as it stands; where the migration is, None when no plan was made.

    One that could not be sent is sent again when this is called again. Two at once may both send.
    """
    cards = [card for card, _ in ledger.standing(Card, migration).values()]
    for facts in _facts(ledger, cards, migration):
        status = status_of(facts)
        told = ledger.standing(Alerted, migration).get((migration, ""))
        known = set(told[0].keys) if told else set()
        alerts = alerts_of(status, facts.judged, at)
        for alert in alerts:
            if alert.key not in known:
                send(alert)
        if known != (keys := {alert.key for alert in alerts}):
            ledger.record_standing(migration, "", Alerted(tuple(sorted(keys))), at)
        return status
    return None


def _facts(ledger: Ledger, cards: Iterable[Card], migration: str | None) -> list[Facts]:
    pointers = _by_name(ledger.standing(Pointer, migration))
    decisions = _by_name(ledger.standing(Decided, migration))
    progress = _by_name(ledger.standing(GroupProgress, migration))
    steps: dict[str, list[Step]] = defaultdict(list)
    runs: dict[str, str] = {}
    parted = {card.migration for card in cards if card.pattern == "hybrid"}
    newest = [one for one in ledger.runs(migration) if one.migration not in parted]
    newest += [one for name in sorted(parted) for one in ledger.runs(name, by_group=True)]
    for one in newest:
        steps[one.migration].append(Step(one.group, one.step, one.outcome, one.started_at, one.message))
        runs[one.migration] = one.run_key
    metered = ledger.metered(migration)
    judged: dict[str, list[Judged]] = defaultdict(list)
    for verdict in ledger.judged(migration):
        judged[verdict.migration].append(verdict)
    return [
        Facts(
            card=card,
            pointers={group: pointer for group, (pointer, _) in pointers[card.migration].items()},
            decisions=decisions[card.migration],
            progress={group: one for group, (one, _) in progress[card.migration].items()},
            steps=steps[card.migration],
            run_key=runs.get(card.migration, ""),
            judged=judged[card.migration],
            first_day=metered[card.migration][0] if card.migration in metered else "",
            metered=metered[card.migration][1] if card.migration in metered else (),
        )
        for card in cards
    ]


def _by_name(found: Mapping[tuple[str, str], Fact]) -> dict[str, dict[str, Fact]]:
    by_name: dict[str, dict[str, Fact]] = defaultdict(dict)
    for (name, group), fact in found.items():
        by_name[name][group] = fact
    return by_name
