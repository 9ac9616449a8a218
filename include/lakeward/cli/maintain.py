"""`lakeward maintain`: small files, old snapshots and leftovers, shown, and put right when asked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakeward.cli.console import exits, note, progressing, say, table
from lakeward.errors import LakewardError

if TYPE_CHECKING:
    from lakeward.domain.compaction import CompactionReport
    from lakeward.domain.maintenance import CleaningReport, ExpiryReport

_SHOWN = 50


@exits(1)
def maintain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")],
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else it is only shown.")] = False,
) -> None:
    """Rewrite small files (mode `rewrite`), expire old snapshots and cuts' tags, remove what failed tries left. Shows only, unless `--apply`.

    Spared is what a pointer, a tag, a run that may go on, or the way back needs. The same as the DAG `maintenance__<migration>`.

    Exits 0 when it is shown or done, 1 when it is refused or failed.

    Example: `lakeward maintain dags/migrations/retail.yaml`
    """
    from lakeward.adapters.connections import from_environment
    from lakeward.adapters.open import open_freezer
    from lakeward.cli.session import now, opened
    from lakeward.steps.clean import clean
    from lakeward.steps.compact import compact_published
    from lakeward.steps.expire import expire
    from lakeward.steps.freeze import lift

    with opened(file) as (loaded, ports), progressing() as progress:
        compacted = compact_published(loaded.spec, ports, now(), dry_run=not apply, progress=progress)
        expired = expire(loaded.spec, ports, now(), dry_run=not apply, progress=progress)
        cleaned = clean(loaded.spec, ports, now(), dry_run=not apply, progress=progress)
        freezer = open_freezer(loaded.spec, from_environment) if apply else None
        lifted = freezer is not None and lift(ports.store, loaded.spec.migration, freezer, now())
    if lifted:
        say("A freeze of the source whose time was over was lifted.")
    _show_compacted(compacted, dry_run=not apply)
    _show_expired(expired)
    _show_cleaned(cleaned)
    if not apply:
        say("Nothing was changed. Give --apply to do it; what expires then leaves more files to remove.")


def _show_compacted(reports: dict[str, CompactionReport | LakewardError], *, dry_run: bool) -> None:
    from lakeward.domain.compaction import rewriting

    for group, report in reports.items():
        if isinstance(report, LakewardError):
            note(f"Group {group} is passed over: {report}")
            continue
        for one in report.tables:
            if told := rewriting(one, dry_run=dry_run) or (f"{one.table}: compaction is due" if one.due else ""):
                say(told)


def _show_expired(report: ExpiryReport) -> None:
    rows = [
        (
            one.table,
            f"{len(one.snapshots):,}",
            f"{len(one.tags):,}",
            ", ".join(f"{count} {reason}" for reason, count in one.spared.items()),
        )
        for one in report.tables
    ]
    table(("table", "snapshots expire", "tags go", "snapshots stay"), rows, right=("snapshots expire", "tags go"))


def _show_cleaned(report: CleaningReport) -> None:
    rows = [
        (one.where, one.kind, f"{one.bytes:,}", f"{one.modified:%Y-%m-%d %H:%M}", one.why)
        for one in report.leftovers[:_SHOWN]
    ]
    if rows:
        table(("where", "kind", "bytes", "written", "why"), rows, right=("bytes",))
    more = len(report.leftovers) - len(rows)
    say(f"{len(report.leftovers):,} leftovers, {report.bytes:,} bytes{f'; {more:,} are not shown' if more else ''}.")
    for kept in report.kept:
        say(f"The landing of {kept}.")
