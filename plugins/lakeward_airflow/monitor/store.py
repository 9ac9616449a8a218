"""What the pages read: the ledger, and the store that holds a migration's evidence. Never the source, never the folder of DAGs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from lakeward.adapters.open import open_ledger, open_store
from lakeward.domain.standing import Card
from lakeward.ports import Ledger
from lakeward_airflow.connections import resolve
from lakeward_airflow.runs import home

if TYPE_CHECKING:
    from lakeward.adapters.objects import LocalStore, S3Store


@cache
def ledger() -> Ledger:
    """The ledger, opened once; its connections live no longer than a call."""
    return open_ledger(resolve, home())


def find_card(migration: str) -> Card | None:
    """What a migration is, as its newest plan told the ledger."""
    found = ledger().standing(Card, migration).get((migration, ""))
    return found[0] if found else None


def open_evidence(card: Card) -> S3Store | LocalStore:
    """The object store that holds the migration's evidence."""
    return open_store(card.landing, resolve, home())
