"""Landing batches exactly once, as once.py tells: the record of a batch is part of the change that brings it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.change import Change
from lakeward.adapters.iceberg.deletes import content_of
from lakeward.adapters.iceberg.files import data_files
from lakeward.adapters.iceberg.once import REFUSED, TOGETHER, WAITS, Landed, Once
from lakeward.adapters.iceberg.read import BATCH, DROPPED, POSITION, SLICE, WINDOW, WINDOWS, batches, origin, pinned
from lakeward.adapters.iceberg.schema import MIGRATION, differences
from lakeward.adapters.iceberg.slices import sliced, total_rows
from lakeward.domain.changes import spelled
from lakeward.domain.file_facts import Committed
from lakeward.domain.identity import WHOLE, tag_name
from lakeward.domain.windows import fold
from lakeward.errors import ConflictError, LakeError
from lakeward.ports import TableCommit

CUT = "lakeward.cut-id"


class Landing(Once[TableCommit]):
    """One group's batches on their way into the lake; parameters as of ``Once``."""

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
        super().__init__(catalog, load, commits, together=together)
        self._cut, self._migration = cut_id, migration
        self._made: set[int] = set()

    def run(self) -> tuple[bool, tuple[Committed, ...]]:
        """Land every batch that has not landed.

        :raises ConflictError: others kept moving the tables; nothing of the last try was changed.
        :raises LakeError: a table holds rows of somebody else, or the outcome could not be learned.
        """
        landed = self._land()
        committed = tuple(
            Committed(
                table=c.table,
                batch_id=c.batch_id,
                snapshot_id=landed[c.table].snapshot_id,
                rows=sum(file.rows for file in c.files),
                already=landed[c.table].snapshot_id not in self._made,
            )
            for c in self._items
        )
        return all(one.tables == len(self._items) for one in landed.values()), committed

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

    def _change(self, table: Table, commit: TableCommit, tables: int) -> Change:
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
            TOGETHER: str(tables),
        }
        record = {MIGRATION: self._migration}
        gone = [WINDOW + window for window in batches(table) if window != commit.window]
        if commit.window == WHOLE:
            live = content_of(table, table.current_snapshot()).data  # delete files go with the files that they are of
            refuse_strangers(table, sum(entry.data_file.record_count for entry in live))
            # Files are looked at, at every try: the janitor may have been here since the last one.
            change = asking.replace_rows(table, live, data_files(table, commit.files), summary)
            gone.append(WINDOWS)
        else:
            old = sliced(table, commit)
            refuse_strangers(table, total_rows(table))
            change = asking.replace_some(table, old, data_files(table, commit.files), summary | {SLICE: commit.window})
            record[WINDOWS] = fold(table.properties.get(WINDOWS, ""), [commit.window])
        if commit.position:
            record[POSITION] = spelled(commit.position)
        self._made.add(change.snapshot_id)
        record[WINDOW + commit.window] = f"{commit.batch_id}:{change.snapshot_id}"
        return asking.with_tag(asking.with_properties(change, record, gone), tag_name(self._cut))

    def _gave_up(self, last: Exception | None) -> LakeError:
        tables = ", ".join(c.table for c in self._items)
        if isinstance(last, REFUSED):
            return ConflictError(
                f"Cut {self._cut} could not be committed to {tables}: others moved the tables {len(WAITS) + 1} times.",
                todo="Run the append step again; nothing of it has landed twice.",
            )
        return LakeError(
            f"Whether cut {self._cut} landed in {tables} is not known: the catalog gave no clear answer ({type(last).__name__}).",
            todo="Run the append step again when the catalog is well: it looks first, and lands nothing twice.",
        )


def refuse_strangers(table: Table, rows: int) -> None:
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
