"""Taking an unpublished cut back out, and deleting files that nothing names."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.change import Change
from lakeward.adapters.iceberg.deletes import content_of
from lakeward.adapters.iceberg.leftovers import delete_file, unnamed
from lakeward.adapters.iceberg.once import REFUSED, UNKNOWN, WAITS
from lakeward.adapters.iceberg.read import BATCH, DROPPED, POSITION, REPAIR, WINDOW, batches, origin
from lakeward.domain.identity import WHOLE, compacted_tag, tag_name
from lakeward.errors import ConflictError, LakeError


def drop_cut(catalog: Catalog, load: Callable[[], Table], cut_id: str) -> bool:
    """Bring the table back to what it was before the cut; False when the cut is not its content (any more).

    :raises ConflictError: others kept moving the table.
    :raises LakeError: the state before was expired, or the outcome could not be learned.
    """
    last: Exception | None = None
    for wait in (*WAITS, None):
        table = load()
        change = _undo(table, cut_id)
        if change is None:
            return last is not None and tag_name(cut_id) not in table.metadata.refs
        try:
            asking.commit_one(catalog, change)
        except (*REFUSED, *UNKNOWN) as error:
            last = error
            if wait:
                time.sleep(wait)
        else:
            return True
    raise ConflictError(
        f"Cut {cut_id} could not be taken out of {'.'.join(table.name())}: {type(last).__name__}.", todo="Try again."
    ) from last


def _undo(table: Table, cut_id: str) -> Change | None:
    tag, start = table.metadata.refs.get(tag_name(cut_id)), origin(table, table.current_snapshot())
    if tag is None or start is None or start.snapshot_id != tag.snapshot_id:
        return None
    before = _before(table, _landed(table, start))
    if before is None:
        live = content_of(table, table.current_snapshot()).data
        change, record = asking.replace_rows(table, live, (), {DROPPED: cut_id}), ""
    else:
        change, record = asking.point_main_at(table, before.snapshot_id), _record_of(table, before)
    properties = {WINDOW + WHOLE: record} if record else {}
    stale = [REPAIR, POSITION, *([] if record else [WINDOW + w for w in batches(table)])]
    change = asking.with_properties(change, properties, stale)
    if compacted_tag(cut_id) in table.metadata.refs:
        change = asking.with_tag(change, compacted_tag(cut_id), remove=True)
    return asking.with_tag(change, tag_name(cut_id), remove=True)


def _landed(table: Table, start: Snapshot) -> Snapshot:
    """The snapshot that the cut itself landed as: repairs of it and changes since come after."""
    while start.summary and (start.summary[REPAIR] or start.summary[POSITION]):
        found = origin(table, _before(table, start))
        if found is None:
            raise _expired(table, start)
        start = found
    return start


def _before(table: Table, start: Snapshot) -> Snapshot | None:
    if start.parent_snapshot_id is None and start.sequence_number == 1:
        return None
    parent = start.parent_snapshot_id  # expiry by PyIceberg leaves none, that of others one that is gone
    found = None if parent is None else table.metadata.snapshot_by_id(parent)
    if found is None:
        raise _expired(table, start)
    return found


def _expired(table: Table, start: Snapshot) -> LakeError:
    return LakeError(
        f"Table {'.'.join(table.name())}: the snapshot before {start.snapshot_id} was expired.",
        todo="Run a new cut instead: it replaces this one.",
    )


def _record_of(table: Table, snapshot: Snapshot) -> str:
    """What the window's property was at a snapshot; empty when no batch had landed."""
    for one in ancestors_of(snapshot, table.metadata):
        if one.summary and (batch := one.summary[BATCH]):
            return f"{batch}:{one.snapshot_id}"
        if one.summary and one.summary["total-records"] == "0":
            return ""
    return ""


def delete_unreferenced(tables: Sequence[Table], urls: Sequence[str]) -> None:
    """Delete those of the files that no snapshot of the table in whose folder they lie names.

    :raises LakeError: a file lies in no table's folder; nothing is deleted.
    """
    homes: dict[int, list[str]] = {}
    for url in urls:
        home = next((n for n, t in enumerate(tables) if url.startswith(t.metadata.location.rstrip("/") + "/")), None)
        if home is None:
            raise LakeError(f"The staged file {url} belongs to no table of the namespace.", todo="Delete it by hand.")
        homes.setdefault(home, []).append(url)
    for n, wanted in homes.items():
        for url in unnamed(tables[n], wanted):
            delete_file(tables[n], url)
