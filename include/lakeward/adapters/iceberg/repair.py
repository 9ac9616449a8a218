"""Exchanging files of live tables for others with other rows, once for each repair, in one commit where the catalog has it.

The repair's id is part of the change, as once.py tells. A table whose rows or files are not those that the patch was made for is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.change import Change
from lakeward.adapters.iceberg.commit import CUT
from lakeward.adapters.iceberg.files import data_files
from lakeward.adapters.iceberg.once import REFUSED, TOGETHER, WAITS, Found, Landed, Once
from lakeward.adapters.iceberg.read import (
    BATCH,
    REPAIR,
    WINDOW,
    WINDOWS,
    batches,
    last_repair,
    live_entries,
    origin,
    readable,
)
from lakeward.adapters.iceberg.schema import MIGRATION
from lakeward.domain.identity import WHOLE, batch_id, compacted_tag, tag_name
from lakeward.domain.repair import Patch
from lakeward.errors import ConflictError, LakeError


class Patching(Once[Patch]):
    """The patches of one repair on their way into the lake; parameters as of ``Once``."""

    def __init__(
        self,
        catalog: Catalog,
        load: Callable[[str], Table],
        patches: Sequence[Patch],
        repair: str,
        cut_id: str,
        *,
        together: bool,
    ) -> None:
        super().__init__(catalog, load, patches, together=together)
        self._repair, self._cut = repair, cut_id

    def run(self) -> dict[str, int]:
        """Table to its new snapshot; tables that others have changed are not in it once another one has landed.

        :raises ConflictError: nothing was changed: others were quicker.
        :raises LakeError: the outcome could not be learned.
        """
        return {table: landed.snapshot_id for table, landed in self._land().items()}

    def _find(self, table: Table, item: Patch) -> Landed | None:  # noqa: ARG002 - a repair is one for all its tables
        repair, snapshot_id = last_repair(table)
        return Landed(snapshot_id, 1) if repair == self._repair and snapshot_id else None

    def _ask(self, tables: dict[str, Table], found: Found) -> tuple[list[Change], Exception | None]:
        try:
            return super()._ask(tables, found)
        except ConflictError:
            if found:  # table by table: what landed stands, and the caller sees what did not
                return [], None
            raise

    def _change(self, table: Table, patch: Patch, tables: int) -> Change:
        current = table.current_snapshot()
        start = origin(table, current)
        live = {readable(e.data_file.file_path): e for e in live_entries(table, current)}
        if start is None or start.snapshot_id != patch.base or not all(url in live for url in patch.old):
            raise ConflictError(
                f"Table {'.'.join(table.name())} has other rows or files than when the repair was prepared.",
                todo="Another repair, a new cut or a compaction was quicker. Look again: `lakeward repair` without --confirm.",
            )
        cut, batch = self._record(table, patch, start)
        summary = {
            CUT: cut,
            BATCH: batch,
            MIGRATION: table.properties.get(MIGRATION, ""),
            TOGETHER: str(tables),
            REPAIR: self._repair,
        }
        if patch.old or patch.new:
            old, new = [live[url] for url in patch.old], data_files(table, patch.new)
            change = asking.exchange_rows(table, old, new, summary)
        else:
            change = asking.as_it_is(table)
        record = {WINDOW + WHOLE: f"{batch}:{change.snapshot_id}", REPAIR: f"{self._repair}:{change.snapshot_id}"}
        windows = [WINDOWS, *(WINDOW + window for window in batches(table) if window != WHOLE)]
        change = asking.with_tag(asking.with_properties(change, record, windows), tag_name(cut))
        stale = compacted_tag(cut)
        return asking.with_tag(change, stale, remove=True) if stale in table.metadata.refs else change

    def _record(self, table: Table, patch: Patch, start: Snapshot) -> tuple[str, str]:  # noqa: ARG002
        """The cut and the batch that the table is of then: those that it is of already."""
        return (start.summary and start.summary[CUT]) or self._cut, batches(table).get(WHOLE, ("", 0))[0]

    def _gave_up(self, last: Exception | None) -> LakeError:
        names = ", ".join(p.table for p in self._items)
        if isinstance(last, REFUSED):
            return ConflictError(
                f"Repair {self._repair} could not be committed to {names}: others moved the tables {len(WAITS) + 1} times.",
                todo="Repair again; no row was changed twice.",
            )
        return LakeError(
            f"Whether repair {self._repair} landed in {names} is not known: the catalog gave no clear answer ({type(last).__name__}).",
            todo="Repair again when the catalog is well: it looks first, and finishes what landed.",
        )


class Advancing(Patching):
    """The patches that bring tables to a new cut, over all of their rows: what they held of windows is one cut then."""

    def _record(self, table: Table, patch: Patch, start: Snapshot) -> tuple[str, str]:  # noqa: ARG002
        return self._cut, batch_id(self._cut, patch.table)
