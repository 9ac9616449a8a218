"""Bringing a batch of the source's changes to its tables, once, as once.py tells: up to where a table has them is part of the change.

Rows that give way are found in what is live when the change is built, at every try: positions are never carried over to another
snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.change import Change
from lakeward.adapters.iceberg.commit import CUT, refuse_strangers
from lakeward.adapters.iceberg.deletes import by_partition, content_of, hide_and_add, write_deletes
from lakeward.adapters.iceberg.files import data_files
from lakeward.adapters.iceberg.once import REFUSED, TOGETHER, WAITS, Landed, Once
from lakeward.adapters.iceberg.read import BATCH, POSITION, WINDOW, batches, file_set
from lakeward.adapters.iceberg.schema import MIGRATION, differences
from lakeward.domain.changes import position, spelled
from lakeward.domain.identity import WHOLE, compacted_tag, tag_name
from lakeward.errors import ConflictError, LakeError
from lakeward.ports import Finder, KeyedChange


@dataclass(frozen=True, slots=True)
class Batch:
    """From where to where in the log, and on top of which cut."""

    since: int
    until: int
    cut_id: str
    migration: str


class Applying(Once[KeyedChange]):
    """One batch on its way into the lake; other parameters as of ``Once``."""

    def __init__(
        self,
        catalog: Catalog,
        load: Callable[[str], Table],
        changes: Sequence[KeyedChange],
        batch: Batch,
        find: Finder,
        *,
        together: bool,
    ) -> None:
        super().__init__(catalog, load, changes, together=together)
        self._batch, self._find_rows = batch, find

    def run(self) -> dict[str, int]:
        """Table to its snapshot.

        :raises ConflictError: a table is past the batch, or others kept moving the tables; nothing of the last try was changed.
        :raises LakeError: the outcome could not be learned.
        """
        return {table: landed.snapshot_id for table, landed in self._land().items()}

    def _find(self, table: Table, item: KeyedChange) -> Landed | None:  # noqa: ARG002 - a batch is one for all its tables
        at = position(table.properties.get(POSITION, ""))
        if at > self._batch.until:
            raise ConflictError(
                f"Table {'.'.join(table.name())} has changes up to {spelled(at)}, past {spelled(self._batch.until)}.",
                todo="Another run was quicker; the next one goes on where the lake is.",
            )
        current = table.current_snapshot()
        return Landed(current.snapshot_id, 1) if at == self._batch.until and current else None

    def _change(self, table: Table, item: KeyedChange, tables: int) -> Change:
        if altered := list(differences(table, item.plan, self._batch.migration)):
            raise LakeError(
                f"Table {'.'.join(table.name())} was altered, or dropped and created anew: {'; '.join(altered)}. No change was applied.",
                todo="Find out who did that. Give the table back the layout of the plan, or begin anew with `lakeward run --new`.",
            )
        at = spelled(self._batch.until)
        cut, batch = self._batch.cut_id, batches(table).get(WHOLE, ("", 0))[0]
        summary = {
            CUT: cut,
            BATCH: batch,
            MIGRATION: self._batch.migration,
            TOGETHER: str(tables),
            POSITION: at,
        }
        change = self._rows(table, item, summary)
        if change is None:
            return asking.with_properties(asking.as_it_is(table), {POSITION: at})
        record = {WINDOW + WHOLE: f"{batch}:{change.snapshot_id}", POSITION: at}
        change = asking.with_tag(asking.with_properties(change, record), tag_name(cut))
        stale = compacted_tag(cut)
        return asking.with_tag(change, stale, remove=True) if stale in table.metadata.refs else change

    def _rows(self, table: Table, item: KeyedChange, summary: dict[str, str]) -> Change | None:
        """The new snapshot; None when no row of the table goes or comes."""
        current = table.current_snapshot()
        found = content_of(table, current)
        refuse_strangers(table, sum(entry.data_file.record_count for entry in found.data))
        new = data_files(table, item.files)  # at every try: the janitor may have been here since the last one
        if item.emptied:
            return asking.replace_rows(table, found.data, new, summary)
        urls = [entry.data_file.file_path for entry in found.data]
        live = file_set(table, item.plan, urls, [entry.data_file.file_path for entry in found.deletes])
        gone = self._find_rows(live, item)
        if not gone.num_rows and not new:
            return None
        deletes = write_deletes(table, dict(by_partition(found.data, gone)), f"changes-{self._batch.until:016x}")
        return hide_and_add(table, deletes, new, summary)

    def _gave_up(self, last: Exception | None) -> LakeError:
        names, until = ", ".join(item.table for item in self._items), spelled(self._batch.until)
        if isinstance(last, REFUSED):
            return ConflictError(
                f"Changes up to {until} could not be committed to {names}: others moved the tables {len(WAITS) + 1} times.",
                todo="Run it again; nothing has landed twice.",
            )
        return LakeError(
            f"Whether changes up to {until} landed in {names} is not known: the catalog gave no clear answer ({type(last).__name__}).",
            todo="Run it again when the catalog is well: it looks first, and changes nothing twice.",
        )
