"""Putting new files in the place of old ones with the same rows, beside whoever else writes to the table.

As in once.py every try reloads the table and asks once, on condition that main is where it was. Before it asks it makes sure
that every file it replaces is still live and that no more of its rows are dead than were left out: else those would come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.change import Change
from lakeward.adapters.iceberg.deletes import Hiding, content_of, fold_files
from lakeward.adapters.iceberg.files import data_files
from lakeward.adapters.iceberg.once import REFUSED, UNKNOWN, WAITS, clean_up
from lakeward.adapters.iceberg.read import ORIGIN, origin
from lakeward.adapters.iceberg.revert import delete_unreferenced
from lakeward.domain.file_facts import LiveFile, StagedFile
from lakeward.domain.identity import compacted_tag, tag_name
from lakeward.errors import ConflictError, LakeError


class Rewriting:
    """Small files of one table on their way to being fewer.

    :param load: gives the table as it is now.
    """

    def __init__(
        self,
        catalog: Catalog,
        load: Callable[[], Table],
        old: Sequence[LiveFile],
        new: Sequence[StagedFile],
        cut_id: str,
    ) -> None:
        self._catalog, self._load, self._cut = catalog, load, cut_id
        self._old, self._new = old, new
        self._asked: list[Change] = []
        self._refused: list[Change] = []
        self._unsure: set[int | None] = set()
        """Where main was when an answer never came: as long as it is there, that request may still be granted."""
        self._main: int | None = None
        self._last: Exception | None = None

    def run(self) -> int | None:
        """The new snapshot; None when files to be replaced are gone. What certainly did not land is deleted."""
        try:
            found = self._tries()
        except LakeError:
            self._discard()
            raise
        if found is None:
            self._discard()
        return found

    def _tries(self) -> int | None:
        for wait in (*WAITS, None):
            try:
                table = self._load()
            except UNKNOWN as error:
                if not self._asked:
                    raise
                self._last = error
            else:
                found, settled = self._try(table)
                if settled:
                    return found
            if wait:
                time.sleep(wait)
        raise self._gave_up()

    def _try(self, table: Table) -> tuple[int | None, bool]:
        """The new snapshot, and whether there is nothing more to try."""
        self._main = table.metadata.current_snapshot_id
        known = {snapshot.snapshot_id for snapshot in table.metadata.snapshots}
        if landed := next((change.snapshot_id for change in self._asked if change.snapshot_id in known), None):
            return landed, True
        clean_up(self._refused, [table])
        self._refused = []
        change = self._change(table)
        if change is None:
            return None, True
        self._asked.append(change)
        try:
            asking.commit_one(self._catalog, change)
        except REFUSED as error:
            self._refused, self._last = [change], error
            return None, False
        except UNKNOWN as error:
            self._unsure.add(self._main)
            self._last = error
            return None, False
        return change.snapshot_id, True

    def _change(self, table: Table) -> Change | None:
        current = table.current_snapshot()
        found = content_of(table, current)
        live = {entry.data_file.file_path: entry for entry in found.data}
        old = [live[file.url] for file in self._old if file.url in live]
        if len(old) != len(self._old) or any(e.data_file.spec_id != table.spec().spec_id for e in old):
            return None
        left = Hiding(table, found, frozenset(file.url for file in self._old))
        if any(left.dead(file.url) != file.dead for file in self._old):
            return None
        new = data_files(table, self._new)  # at every try: the janitor may have been here since the last one
        before = sum(entry.data_file.record_count for entry in old) - sum(file.dead for file in self._old)
        after = sum(file.record_count for file in new)
        if before != after:
            raise LakeError(
                f"Table {'.'.join(table.name())}: {len(old)} files with {before} rows would become {len(new)} files with {after}.",
                todo="Report this; nothing was changed.",
            )
        start = origin(table, current)
        summary = {ORIGIN: str(start.snapshot_id)} if start else {}
        more, fewer = left.rewritten(f"compact-{start.snapshot_id if start else 0}")
        change = (
            fold_files(table, old, new, more, fewer, summary)
            if found.deletes
            else asking.replace_files(table, old, new, summary)
        )
        return asking.with_tag(change, compacted_tag(self._cut)) if holds(table, start, self._cut) else change

    def _discard(self) -> None:
        """Delete the new files, unless a request that may still be granted names them."""
        with suppress(*UNKNOWN):  # a catalog that is gone is what is told already
            table = self._load()
            if table.metadata.current_snapshot_id not in self._unsure:
                clean_up(self._refused, [table])
                delete_unreferenced([table], [file.url for file in self._new])

    def _gave_up(self) -> LakeError:
        if isinstance(self._last, REFUSED) and self._main not in self._unsure:
            return ConflictError(
                f"{len(self._old)} files could not be replaced: others moved the table {len(WAITS) + 1} times.",
                todo="Compact again; nothing was changed.",
            )
        return LakeError(
            f"Whether {len(self._old)} files were replaced is not known: the catalog gave no clear answer ({type(self._last).__name__}).",
            todo="Compact again when the catalog is well: it looks first; no row is lost or doubled either way.",
        )


def holds(table: Table, start: Snapshot | None, cut_id: str) -> bool:
    """Whether a snapshot whose rows come from ``start`` holds exactly the rows of a cut."""
    tag = table.metadata.refs.get(tag_name(cut_id))
    return start is not None and tag is not None and tag.snapshot_id == start.snapshot_id


def compacted(catalog: Catalog, load: Callable[[], Table], cut_id: str) -> int | None:
    """The newest snapshot with the cut's rows in other files, tagged, whoever made it; None when there is none.

    :raises ConflictError: others kept moving the table.
    """
    last: Exception | None = None
    for wait in (*WAITS, None):
        table = load()
        current, tag = table.current_snapshot(), table.metadata.refs.get(compacted_tag(cut_id))
        start = origin(table, current)
        if not current or not holds(table, start, cut_id):
            made = table.metadata.snapshot_by_id(tag.snapshot_id) if tag else None
            return made.snapshot_id if made and holds(table, origin(table, made), cut_id) else None
        if current == start or (tag and tag.snapshot_id == current.snapshot_id):
            return tag.snapshot_id if tag else None
        change = asking.with_tag(asking.point_main_at(table, current.snapshot_id), compacted_tag(cut_id))
        try:
            asking.commit_one(catalog, change)
        except (*REFUSED, *UNKNOWN) as error:
            last = error
            if wait:
                time.sleep(wait)
    raise ConflictError(
        f"The compacted snapshot of {'.'.join(load().name())} could not be tagged: {type(last).__name__}.",
        todo="Compact again; no row was touched.",
    ) from last
