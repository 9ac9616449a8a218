"""Forget old snapshots and old cuts' tags in the tables of a migration; what anybody may still need is spared."""

from __future__ import annotations

from datetime import datetime

from lakeward.domain.maintenance import (
    Expiry,
    ExpiryReport,
    Retention,
    TableHistory,
    decide_expiry,
    may_still_be_committed,
)
from lakeward.errors import ConflictError
from lakeward.ports import Ports, Progress, silent
from lakeward.spec.models import Migration
from lakeward.steps.holdings import Holdings, look

_TRIES = 5


def expire(
    spec: Migration, ports: Ports, at: datetime, *, dry_run: bool = True, progress: Progress = silent
) -> ExpiryReport:
    """Decide table by table, and commit only when nothing that names a snapshot has moved since it was looked at.

    :raises ConflictError: a transition is under way, or others kept moving a table; run it again.
    :raises LakeError: catalog or store don't answer.
    """
    histories = [ports.lake.history(table) for table in ports.lake.tables(spec.migration)]
    held = look(ports.store, spec.migration)  # after them: a pointer that is moved between shows what is known here
    done = []
    for n, history in enumerate(histories):
        progress(f"expire {history.table}", n, len(histories))
        done.append(_expire(spec, ports, history, held, at, dry_run=dry_run))
    return ExpiryReport(spec.migration, at, dry_run, tuple(done))


def _expire(
    spec: Migration, ports: Ports, history: TableHistory, held: Holdings, at: datetime, *, dry_run: bool
) -> Expiry:
    for left in reversed(range(_TRIES)):
        found = decide_expiry(history, _rule(spec, ports, history.table, held, at))
        if dry_run or not (found.snapshots or found.tags):
            break
        try:
            ports.lake.expire(history, found)
            break
        except ConflictError:
            if not left:
                raise
        history = ports.lake.history(history.table)
        held = look(ports.store, spec.migration)
    return found


def _rule(spec: Migration, ports: Ports, table: str, held: Holdings, at: datetime) -> Retention:
    name, wanted = ports.lake.qualified(table), spec.maintenance
    cuts = {pointer.cut_id for pointer in held.pointers}
    cuts |= {cut.cut_id for cut in held.cuts if may_still_be_committed(cut.use, at, spec.landing.keep.delta)}
    return Retention(
        pinned=held.pinned.get(name, frozenset()),
        cuts=frozenset(cuts),
        undo=name not in held.retired,
        keep_cuts=wanted.keep_cuts,
        keep_snapshots=wanted.keep_snapshots,
        before=at - wanted.snapshots.delta,
    )
