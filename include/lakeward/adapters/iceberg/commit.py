"""Landing batches exactly once.

Every try reloads the tables, looks whether the batch is recorded, builds a change on condition that main is where it was
then, and asks once. The record is part of the change, so a batch that is not recorded has not landed; and of two askers who
saw the same main only one is granted. An answer that never came is learned from the tables, never by asking again blindly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import requests
from pydantic import ValidationError
from pyiceberg import exceptions as iceberg
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from sqlalchemy.exc import SQLAlchemyError

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.change import Change
from lakeward.adapters.iceberg.files import data_files
from lakeward.adapters.iceberg.read import BATCH, DROPPED, SLICE, WINDOW, WINDOWS, batches, live_entries, origin, pinned
from lakeward.adapters.iceberg.schema import MIGRATION, differences
from lakeward.adapters.iceberg.slices import sliced, total_rows
from lakeward.domain.file_facts import Committed
from lakeward.domain.identity import WHOLE, tag_name
from lakeward.domain.windows import fold
from lakeward.errors import ConflictError, LakeError
from lakeward.ports import TableCommit

CUT = "lakeward.cut-id"
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


@dataclass(frozen=True, slots=True)
class Landed:
    """A recorded batch: its snapshot, and how many tables were committed with it."""

    snapshot_id: int
    tables: int


class Landing:
    """One group's batches on their way into the lake.

    :param load: gives a table by the plan's name, as it is now.
    :param together: whether the catalog commits several tables at once.
    """

    def __init__(
        self,
        catalog: Catalog,
        load: Callable[[str], Table],
        commits: Sequence[TableCommit],
        cut_id: str,
        migration: str,
        *,
        together: bool,
    ) -> None:
        self._catalog, self._load, self._commits = catalog, load, commits
        self._cut, self._migration, self._together = cut_id, migration, together
        self._made: set[int] = set()
        self._sent = False

    def run(self) -> tuple[bool, tuple[Committed, ...]]:
        """Land every batch that has not landed.

        :raises ConflictError: others kept moving the tables; nothing of the last try was changed.
        :raises LakeError: a table holds rows of somebody else, or the outcome could not be learned.
        """
        refused: list[Change] = []
        last: Exception | None = None
        for wait in (*WAITS, None):
            try:
                tables = {c.table: self._load(c.table) for c in self._commits}
            except UNKNOWN as error:
                if not self._sent:
                    raise
                last = error
            else:
                clean_up(refused, tables.values())
                found = {c.table: self._find(tables[c.table], c) for c in self._commits}
                refused, last = self._ask(tables, found)
                if last is None:
                    return self._result(found)
            if wait:
                time.sleep(wait)
        raise self._gave_up(last) from last

    def _ask(self, tables: dict[str, Table], found: dict[str, Landed | None]) -> tuple[list[Change], Exception | None]:
        """Ask for what has not landed and enter it into ``found``; what certainly did not land, and the error."""
        pending = [c for c in self._commits if found[c.table] is None]
        changes = [self._change(tables[c.table], c, len(pending)) for c in pending]
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
            for change, commit in zip(step, pending if self._together else [pending[n]], strict=True):
                found[commit.table] = Landed(change.snapshot_id, len(step))
        return [], None

    def _commit(self, step: list[Change]) -> None:
        if len(step) > 1 and isinstance(self._catalog, RestCatalog):
            asking.commit_together(self._catalog, step)
        else:
            asking.commit_one(self._catalog, step[0])

    def _find(self, table: Table, commit: TableCommit) -> Landed | None:
        """The batch in the table's record; LakeError when it landed once and was replaced since."""
        batch, snapshot_id = batches(table).get(commit.window, ("", 0))
        if batch == commit.batch_id:
            summary = pinned(table, snapshot_id).summary
            return Landed(snapshot_id, int((summary and summary[TOGETHER]) or 1))
        if commit.window != WHOLE and (found := self._last_of(table, commit)):
            batch, snapshot = found
            if batch == commit.batch_id:
                return Landed(snapshot.snapshot_id, int((snapshot.summary and snapshot.summary[TOGETHER]) or 1))
        if tag_name(self._cut) in table.metadata.refs or self._in_history(table, commit.batch_id):
            raise LakeError(
                f"Table {'.'.join(table.name())}: cut {self._cut} landed before, and {batch or 'something else'} took its place.",
                todo="Start a new run if this state of the source is wanted again; an old cut never replaces a newer one.",
            )
        return None

    def _last_of(self, table: Table, commit: TableCommit) -> tuple[str, Snapshot] | None:
        """The batch that landed last in a window, and its snapshot; None when it is behind what was expired."""
        for snapshot in ancestors_of(table.current_snapshot(), table.metadata):
            if snapshot.summary and snapshot.summary[SLICE] == commit.window:
                return str(snapshot.summary[BATCH]), snapshot
        return None

    def _in_history(self, table: Table, batch: str) -> bool:
        """Whether the batch is behind main, and was not taken out again."""
        for snapshot in ancestors_of(table.current_snapshot(), table.metadata):
            if snapshot.summary and snapshot.summary[DROPPED] == self._cut:
                return False
            if snapshot.summary and snapshot.summary[BATCH] == batch:
                return True
        return False

    def _change(self, table: Table, commit: TableCommit, together: int) -> Change:
        if altered := list(differences(table, commit.plan, self._migration)):
            raise LakeError(
                f"Table {'.'.join(table.name())} was altered, or dropped and created anew, since it was prepared: "
                f"{'; '.join(altered)}. Nothing was committed to it.",
                todo="Find out who did that. Give the table back the layout of the plan, or drop it, and start a new run.",
            )
        summary = {
            CUT: self._cut,
            BATCH: commit.batch_id,
            MIGRATION: self._migration,
            TOGETHER: str(together if self._together else 1),
        }
        record = {MIGRATION: self._migration}
        gone = [WINDOW + window for window in batches(table) if window != commit.window]
        if commit.window == WHOLE:
            live = live_entries(table, table.current_snapshot())
            _refuse_strangers(table, sum(entry.data_file.record_count for entry in live))
            # Files are looked at, at every try: the janitor may have been here since the last one.
            change = asking.replace_rows(table, live, data_files(table, commit.files), summary)
            gone.append(WINDOWS)
        else:
            old = sliced(table, commit)
            _refuse_strangers(table, total_rows(table))
            change = asking.replace_some(table, old, data_files(table, commit.files), summary | {SLICE: commit.window})
            record[WINDOWS] = fold(table.properties.get(WINDOWS, ""), [commit.window])
        self._made.add(change.snapshot_id)
        record[WINDOW + commit.window] = f"{commit.batch_id}:{change.snapshot_id}"
        return asking.with_tag(asking.with_properties(change, record, gone), tag_name(self._cut))

    def _result(self, found: dict[str, Landed | None]) -> tuple[bool, tuple[Committed, ...]]:
        landed = {table: one for table, one in found.items() if one}
        committed = tuple(
            Committed(
                table=c.table,
                batch_id=c.batch_id,
                snapshot_id=landed[c.table].snapshot_id,
                rows=sum(file.rows for file in c.files),
                already=landed[c.table].snapshot_id not in self._made,
            )
            for c in self._commits
        )
        return all(one.tables == len(self._commits) for one in landed.values()), committed

    def _gave_up(self, last: Exception | None) -> LakeError:
        tables = ", ".join(c.table for c in self._commits)
        if isinstance(last, REFUSED):
            return ConflictError(
                f"Cut {self._cut} could not be committed to {tables}: others moved the tables {len(WAITS) + 1} times.",
                todo="Run the append step again; nothing of it has landed twice.",
            )
        return LakeError(
            f"Whether cut {self._cut} landed in {tables} is not known: the catalog gave no clear answer ({type(last).__name__}).",
            todo="Run the append step again when the catalog is well: it looks first, and lands nothing twice.",
        )


def clean_up(refused: Iterable[Change], tables: Iterable[Table]) -> None:
    """Delete manifests of refused changes, unless a refusal was of a repeated request and the first one had landed."""
    known = {s.snapshot_id for table in tables for s in table.metadata.snapshots}
    for change in refused:
        if change.snapshot_id not in known:
            change.discard()


def _refuse_strangers(table: Table, rows: int) -> None:
    """LakeError when live rows are not of a recorded batch; compaction between is no stranger."""
    if not rows:
        return
    known = {snapshot for _, snapshot in batches(table).values()}
    current = table.current_snapshot()
    start = origin(table, current)
    if start and (start.snapshot_id in known or (start.summary and start.summary[BATCH])):
        return
    totals = {s.summary["total-records"] for n in known if (s := table.metadata.snapshot_by_id(n)) and s.summary}
    if not start and str(rows) in totals:  # compacted, and the snapshots between were expired
        return
    raise LakeError(
        f"Table {'.'.join(table.name())} holds {rows} rows that no batch of lakeward recorded "
        f"(snapshot {current.snapshot_id if current else None}).",
        todo="Somebody else wrote to it. Move their rows away or give the migration another table prefix; nothing was replaced.",
    )
