"""Exchanging files of live tables for others with other rows, once for each repair, in one commit where the catalog has it.

As in commit.py every try reloads the tables and asks once, on condition that main is where it was; the repair's id is part of
the change. A table whose rows or files are not those that the patch was made for is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.change import Change
from lakeward.adapters.iceberg.commit import CUT, REFUSED, TOGETHER, UNKNOWN, WAITS, clean_up
from lakeward.adapters.iceberg.files import data_files
from lakeward.adapters.iceberg.read import BATCH, REPAIR, WINDOW, batches, last_repair, live_entries, origin, readable
from lakeward.adapters.iceberg.schema import MIGRATION
from lakeward.domain.identity import WHOLE, compacted_tag, tag_name
from lakeward.domain.repair import Patch
from lakeward.errors import ConflictError, LakeError


class Patching:
    """The patches of one repair on their way into the lake.

    :param load: gives a table by the plan's name, as it is now.
    """

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
        self._catalog, self._load, self._patches = catalog, load, patches
        self._repair, self._cut, self._together = repair, cut_id, together
        self._sent = False

    def run(self) -> dict[str, int]:
        """Table to its new snapshot; tables that others have changed are not in it once another one has landed.

        :raises ConflictError: nothing was changed: others were quicker.
        :raises LakeError: the outcome could not be learned.
        """
        refused: list[Change] = []
        last: Exception | None = None
        for wait in (*WAITS, None):
            try:
                tables = {p.table: self._load(p.table) for p in self._patches}
            except UNKNOWN as error:
                if not self._sent:
                    raise
                last = error
            else:
                clean_up(refused, tables.values())
                landed = {
                    n: at
                    for n, t in tables.items()
                    if (found := last_repair(t))[0] == self._repair and (at := found[1])
                }
                refused, last = self._ask(tables, landed)
                if last is None:
                    return landed
            if wait:
                time.sleep(wait)
        raise self._gave_up(last) from last

    def _ask(self, tables: dict[str, Table], landed: dict[str, int]) -> tuple[list[Change], Exception | None]:
        """Ask for what has not landed and enter it into ``landed``; what certainly did not land, and the error."""
        pending = [p for p in self._patches if p.table not in landed]
        try:
            changes = [self._change(tables[p.table], p, len(pending)) for p in pending]
        except ConflictError:
            if landed:  # table by table: what landed stands, and the caller sees what did not
                return [], None
            raise
        for n, step in enumerate([changes] if self._together else [[change] for change in changes]):
            try:
                self._sent = True
                self._commit(step)
            except REFUSED as error:
                return changes[n:], error
            except UNKNOWN as error:
                return changes[n + len(step) :], error
            named = pending if self._together else [pending[n]]
            landed |= {p.table: change.snapshot_id for p, change in zip(named, step, strict=True)}
        return [], None

    def _commit(self, step: Sequence[Change]) -> None:
        if len(step) > 1 and isinstance(self._catalog, RestCatalog):
            asking.commit_together(self._catalog, step)
        elif step:
            asking.commit_one(self._catalog, step[0])

    def _change(self, table: Table, patch: Patch, together: int) -> Change:
        current = table.current_snapshot()
        start = origin(table, current)
        live = {readable(e.data_file.file_path): e for e in live_entries(table, current)}
        if start is None or start.snapshot_id != patch.base or not all(url in live for url in patch.old):
            raise ConflictError(
                f"Table {'.'.join(table.name())} has other rows or files than when the repair was prepared.",
                todo="Another repair, a new cut or a compaction was quicker. Look again: `lakeward repair` without --confirm.",
            )
        cut, batch = _brought(start, self._cut), batches(table).get(WHOLE, ("", 0))[0]
        summary = {
            CUT: cut,
            BATCH: batch,
            MIGRATION: table.properties.get(MIGRATION, ""),
            TOGETHER: str(together if self._together else 1),
            REPAIR: self._repair,
        }
        change = asking.exchange_rows(table, [live[url] for url in patch.old], data_files(table, patch.new), summary)
        record = {WINDOW + WHOLE: f"{batch}:{change.snapshot_id}", REPAIR: f"{self._repair}:{change.snapshot_id}"}
        change = asking.with_tag(asking.with_properties(change, record), tag_name(cut))
        stale = compacted_tag(cut)
        return asking.with_tag(change, stale, remove=True) if stale in table.metadata.refs else change

    def _gave_up(self, last: Exception | None) -> LakeError:
        names = ", ".join(p.table for p in self._patches)
        if isinstance(last, REFUSED):
            return ConflictError(
                f"Repair {self._repair} could not be committed to {names}: others moved the tables {len(WAITS) + 1} times.",
                todo="Repair again; no row was changed twice.",
            )
        return LakeError(
            f"Whether repair {self._repair} landed in {names} is not known: the catalog gave no clear answer ({type(last).__name__}).",
            todo="Repair again when the catalog is well: it looks first, and finishes what landed.",
        )


def _brought(start: Snapshot, cut_id: str) -> str:
    """The cut that a snapshot says it is of."""
    return (start.summary and start.summary[CUT]) or cut_id
