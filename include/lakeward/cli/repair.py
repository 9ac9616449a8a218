"""`lakeward repair`: rows that differ are read again from the source and replaced in the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakeward.cli.console import exits, progressing, say, table
from lakeward.cli.verdicts import show_differing
from lakeward.errors import LakeError, SpecError

if TYPE_CHECKING:
    from lakeward.domain.facts import Plan
    from lakeward.domain.repair import Report
    from lakeward.ports import Ports
    from lakeward.spec.load import LoadedMigration


@exits(2)
def repair(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")],
    group: Annotated[str, typer.Option("--group", "-g", help="Only this entity group.")] = "",
    tables: Annotated[
        list[str], typer.Option("--table", "-t", help="Only rows that differ in this lake table; repeatable.")
    ] = [],  # noqa: B006 - typer reads it
    by: Annotated[str, typer.Option("--by", help="Who repairs; default: the user of this system.")] = "",
    why: Annotated[str, typer.Option("--why", help="Kept with the repair, for those who look back.")] = "",
    confirm: Annotated[bool, typer.Option("--confirm", help="Do it; else it is only shown.")] = False,
) -> None:
    """Read the rows that differ again from the source and put them in the place of the lake's, in one commit per group.

    Shows keys, values and files, and changes nothing, unless `--confirm`. Child rows go with their parents. Verdicts on the old
    snapshots no longer count: compare again. Refused once readers or writers were switched.

    Exits 0 when nothing differs or all was repaired, 1 when something differs still, 2 when it could not be done.

    Example: `lakeward repair dags/migrations/retail.yaml --table orders --confirm`
    """
    from lakeward.cli.session import now, opened, user
    from lakeward.steps.repair import repair as repair_group

    differs = False
    with opened(file) as (loaded, ports):
        for plan, name in _plans(loaded, ports, group, tables):
            with progressing() as progress:
                found = repair_group(
                    plan,
                    name,
                    ports,
                    now(),
                    by or user(),
                    why=why,
                    tables=tables,
                    dry_run=not confirm,
                    progress=progress,
                )
            _show(found, confirm=confirm)
            differs |= not found.settled
    if differs:
        raise typer.Exit(1)


def _plans(loaded: LoadedMigration, ports: Ports, group: str, tables: list[str]) -> list[tuple[Plan, str]]:
    """The plans of the published groups that are meant."""
    from lakeward.cli.session import check_names
    from lakeward.spec.problems import meant
    from lakeward.steps.artifacts import plan_of_published

    check_names(loaded, group, "")
    found = []
    for name in (g.name for g in loaded.spec.groups):
        plan = plan_of_published(ports.store, loaded.spec.migration, name) if group in {"", name} else None
        if plan:
            found.append((plan, name))
    if not found:
        raise LakeError("No group that is meant is published.", todo="Run the migration first: `lakeward run`.")
    known = [t.name for plan, name in found for t in plan.group(name).lake_tables]
    if strange := [t for t in tables if t not in known]:
        raise SpecError(
            f"No published group has a table {strange[0]!r}.",
            todo=meant(strange[0], known) or f"There are: {', '.join(known)}.",
        )
    return found


def _show(report: Report, *, confirm: bool) -> None:
    say()
    if report.resumed:
        verb = "was finished" if report.done else "has landed and is not finished; --confirm finishes it"
        say(f"{report.group}: a repair that was begun {verb}.")
    if not report.findings:
        say(f"{report.group}: no row differs.")
        return
    show_differing(report.group, report.findings)
    rows = [
        (m.table, f"{m.keys:,}", f"{m.before:,}", f"{m.after:,}" if report.done else "", "\n".join(m.files) or "-")
        for m in report.mended
    ]
    columns = ("table", "keys", "rows in the lake", "from the source", "files that are exchanged")
    table(columns, rows, right=("keys", "rows in the lake", "from the source"))
    if not report.whole:
        say("There are more than were looked at, or others were quicker in a table: repair again.")
    if not confirm:
        say("Nothing was changed. Give --confirm to do it.")
        return
    for image in report.images:
        say(f"before: {image}")
    if report.left:
        show_differing(f"{report.group}, still", report.left)
    if report.rules:
        say(f"{report.group}: record rules: {report.rules}")
    say(f"Repair {report.done} is published. Compare again: `lakeward parity FILE --at cut`.")
