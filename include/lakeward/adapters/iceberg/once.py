"""Changing several tables once: in one commit where the catalog has it, else table by table.

Every try reloads the tables, looks what has landed, builds changes on condition that main is where it was then, and asks once.
What tells that it landed is part of the change, so what is not recorded has not landed; and of two askers who saw the same main
only one is granted. An answer that never came is learned from the tables, never by asking again blindly.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import requests
from pydantic import ValidationError
from pyiceberg import exceptions as iceberg
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import Table
from sqlalchemy.exc import SQLAlchemyError

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.change import Change
from lakeward.errors import LakeError

TOGETHER = "lakeward.tables-in-commit"
WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
"""Seconds between tries."""
UNKNOWN = (
    iceberg.CommitStateUnknownException,
    iceberg.ServerError,
    iceberg.ServiceUnavailableError,
    requests.RequestException,
    SQLAlchemyError,
    ValidationError,
)
"""What leaves open whether the commit landed."""
REFUSED = (iceberg.CommitFailedException, iceberg.TooManyRequestsError)
"""What says that it did not."""


class ForTable(Protocol):
    """What one table gets."""

    @property
    def table(self) -> str:
        """The plan's name."""


Item = TypeVar("Item", bound=ForTable)
Found = dict[str, "Landed"]


@dataclass(frozen=True, slots=True)
class Landed:
    """What has landed in a table: its snapshot, and how many tables were committed with it."""

    snapshot_id: int
    tables: int


class Once(ABC, Generic[Item]):
    """What several tables get, on its way into the lake.

    :param load: gives a table by the plan's name, as it is now.
    :param together: whether the catalog commits several tables at once.
    """

    def __init__(
        self, catalog: Catalog, load: Callable[[str], Table], items: Sequence[Item], *, together: bool
    ) -> None:
        self._catalog, self._load, self._items, self._together = catalog, load, items, together
        self._sent = False

    @abstractmethod
    def _find(self, table: Table, item: Item) -> Landed | None:
        """What has landed of it already."""

    @abstractmethod
    def _change(self, table: Table, item: Item, tables: int) -> Change:
        """What is asked for, in a commit of so many tables."""

    @abstractmethod
    def _gave_up(self, last: Exception | None) -> LakeError:
        """What is told when no try came to an end."""

    def _land(self) -> Found:
        """Land what has not landed; by table what is there then.

        :raises LakeError: as ``_gave_up`` tells, and whatever keeps a change from being built.
        """
        refused: list[Change] = []
        last: Exception | None = None
        for wait in (*WAITS, None):
            try:
                tables = {item.table: self._load(item.table) for item in self._items}
            except UNKNOWN as error:
                if not self._sent:
                    raise
                last = error
            else:
                clean_up(refused, tables.values())
                found = {i.table: one for i in self._items if (one := self._find(tables[i.table], i))}
                refused, last = self._ask(tables, found)
                if last is None:
                    return found
            if wait:
                time.sleep(wait)
        raise self._gave_up(last) from last

    def _ask(self, tables: dict[str, Table], found: Found) -> tuple[list[Change], Exception | None]:
        """Ask for what has not landed and enter it into ``found``; what certainly did not land, and the error."""
        pending = [item for item in self._items if item.table not in found]
        at_once = len(pending) if self._together else 1
        changes = [self._change(tables[item.table], item, at_once) for item in pending]
        steps = [changes] if self._together else [[change] for change in changes]
        for n, step in enumerate(steps):
            if not step:
                continue
            try:
                self._sent = True
                self._commit(step)
            except REFUSED as error:
                return [c for rest in steps[n:] for c in rest], error
            except UNKNOWN as error:
                return [c for rest in steps[n + 1 :] for c in rest], error
            for change, item in zip(step, pending if self._together else [pending[n]], strict=True):
                found[item.table] = Landed(change.snapshot_id, len(step))
        return [], None

    def _commit(self, step: list[Change]) -> None:
        if len(step) > 1 and isinstance(self._catalog, RestCatalog):
            asking.commit_together(self._catalog, step)
        else:
            asking.commit_one(self._catalog, step[0])


def clean_up(refused: Iterable[Change], tables: Iterable[Table]) -> None:
    """Delete manifests of refused changes, unless a refusal was of a repeated request and the first one had landed."""
    known = {s.snapshot_id for table in tables for s in table.metadata.snapshots}
    for change in refused:
        if change.snapshot_id not in known:
            change.discard()
