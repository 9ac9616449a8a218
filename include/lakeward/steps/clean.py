"""The janitor: remove what failed, superseded and discarded tries left, and landings past their time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from lakeward.domain.identity import manifest_key
from lakeward.domain.maintenance import CleaningReport, Leftover, may_still_be_committed, why_landing_stays
from lakeward.ports import Ports, Progress, silent
from lakeward.spec.models import Migration
from lakeward.steps.artifacts import key_of
from lakeward.steps.holdings import HeldCut, Holdings, look

_KEYS = 1000


def clean(
    spec: Migration, ports: Ports, at: datetime, *, dry_run: bool = True, progress: Progress = silent
) -> CleaningReport:
    """Find leftovers in the landing and in every table, and remove them unless it is a dry run.

    :raises ConflictError: a transition is under way, or others kept moving a table.
    :raises LakeError: catalog or store don't answer, or what a table names can't be read; of that table nothing was removed.
    """
    held = look(ports.store, spec.migration)
    landed = tuple(chain.from_iterable(_landed(spec, ports, cut, at) for cut in held.cuts))
    if not dry_run:
        _delete(ports, landed, progress)
    tables = ports.lake.tables(spec.migration)
    found = list(landed)
    for n, table in enumerate(tables):
        progress(f"clean {table}", n, len(tables))
        found += _of_table(spec, ports, table, held, at, dry_run=dry_run)
    kept = tuple(
        f"cut {c.cut_id} of {c.group}: {why}" for c in held.cuts if (why := _why_kept(spec, c, at)) and c.manifest
    )
    return CleaningReport(spec.migration, at, dry_run, tuple(found), kept)


def _landed(spec: Migration, ports: Ports, cut: HeldCut, at: datetime) -> Iterator[Leftover]:
    """Files of tries that did not win, and the rows of a landing that nothing needs; manifests and figures are evidence."""
    rows = (
        {key_of(ports.store, file.url) for table in cut.manifest.tables for file in table.files}
        if cut.manifest
        else set()
    )
    figures = {key_of(ports.store, file.url) for file in cut.manifest.figures} if cut.manifest else set()
    past = not _why_kept(spec, cut, at)
    before = at - spec.maintenance.leftovers.delta
    tries = f"{manifest_key(spec.migration, cut.group, cut.cut_id).rpartition('/')[0]}/landing/"
    for entry in cut.entries:
        if not entry.key.startswith(tries) or entry.key in figures:
            continue
        if entry.key in rows:
            why = (
                "its cut was discarded" if cut.use.discarded else "kept for `landing.keep`, and not published any more"
            )
            due = past
        else:
            why = "of a try that another one beat to it" if cut.manifest else "of a try that never finished"
            due = entry.modified < before
        if due:
            yield Leftover(ports.store.url(entry.key), "landing", entry.bytes, entry.modified, why)


def _why_kept(spec: Migration, cut: HeldCut, at: datetime) -> str:
    return why_landing_stays(cut.use, at, spec.landing.keep.delta, spec.maintenance.leftovers.delta)


def _delete(ports: Ports, landed: tuple[Leftover, ...], progress: Progress) -> None:
    keys = [key_of(ports.store, one.where) for one in landed]
    for first in range(0, len(keys), _KEYS):
        progress("clean the landing", first, len(keys))
        ports.store.delete(keys[first : first + _KEYS])


def _of_table(
    spec: Migration, ports: Ports, table: str, held: Holdings, at: datetime, *, dry_run: bool
) -> Iterator[Leftover]:
    """Files that no snapshot, branch, tag or metadata names; those that a run may still commit are spared, however old."""
    keep = spec.landing.keep.delta
    open_cuts = [cut for cut in held.cuts if may_still_be_committed(cut.use, at, keep)]
    spared = {file.url for cut in open_cuts if cut.staged for one in cut.staged.tables for file in one.files}
    files = ports.lake.leftovers(table, at - spec.maintenance.leftovers.delta, spared)
    staged = {
        file.url: _why_staged(cut) for cut in held.cuts if cut.staged for one in cut.staged.tables for file in one.files
    }
    for file in files if dry_run else ports.lake.remove(table, files):
        why = staged.get(file.url, "no snapshot, branch or tag of the table names it")
        yield Leftover(file.url, file.kind, file.bytes, file.modified, why)


def _why_staged(cut: HeldCut) -> str:
    if cut.use.discarded:
        return f"of cut {cut.cut_id}, which was discarded"
    if cut.use.superseded:
        return f"of cut {cut.cut_id}, which a newer one has replaced"
    return f"staged for cut {cut.cut_id}, which nobody has finished within `landing.keep`"
