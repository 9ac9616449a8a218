"""A table's history, and forgetting parts of it in one commit on condition that nothing that names it has moved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Operation, Snapshot

from lakeward.adapters.iceberg import change as asking
from lakeward.adapters.iceberg.once import REFUSED, UNKNOWN
from lakeward.adapters.iceberg.read import batches
from lakeward.domain.maintenance import Expiry, SnapshotFact, TableHistory
from lakeward.errors import ConflictError, LakeError


def history_of(table: Table, name: str) -> TableHistory:
    """The snapshots of a table and what names them."""
    refs: dict[SnapshotRefType, dict[str, int]] = {SnapshotRefType.BRANCH: {}, SnapshotRefType.TAG: {}}
    for ref, at in table.metadata.refs.items():
        refs[at.snapshot_ref_type][ref] = at.snapshot_id
    return TableHistory(
        table=name,
        snapshots=tuple(_fact(snapshot) for snapshot in table.metadata.snapshots),
        branches=refs[SnapshotRefType.BRANCH],
        tags=refs[SnapshotRefType.TAG],
        recorded=frozenset(snapshot for _, snapshot in batches(table).values()),
    )


def forget(catalog: Catalog, load: Callable[[], Table], history: TableHistory, expiry: Expiry) -> None:
    """Remove what the expiry names.

    :raises ConflictError: a branch, a tag or a batch's record is not where it was; nothing was changed.
    :raises LakeError: the outcome could not be learned.
    """
    table = load()
    now = history_of(table, history.table)
    if (now.branches, now.tags, now.recorded) != (history.branches, history.tags, history.recorded):
        raise _moved(history.table)
    try:
        asking.commit_one(catalog, asking.without(table, expiry.snapshots, expiry.tags))
    except (*REFUSED, ValueError):  # ValueError: somebody else forgot one of the snapshots meanwhile
        raise _moved(history.table) from None
    except UNKNOWN as error:
        left = history_of(load(), history.table)
        if left.tags.keys().isdisjoint(expiry.tags) and not {s.snapshot_id for s in left.snapshots} & {
            *expiry.snapshots
        }:
            return
        raise LakeError(
            f"Whether snapshots of {history.table} expired is not known: the catalog gave no clear answer "
            f"({type(error).__name__}).",
            todo="Run it again when the catalog is well; what is gone is not looked for twice.",
        ) from error


def _moved(table: str) -> ConflictError:
    return ConflictError(f"Table {table} was moved while its snapshots were looked at.", todo="Try again.")


def _fact(snapshot: Snapshot) -> SnapshotFact:
    rewritten = snapshot.summary is not None and snapshot.summary.operation is Operation.REPLACE
    at = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
    return SnapshotFact(snapshot.snapshot_id, snapshot.parent_snapshot_id, at, rewritten)
