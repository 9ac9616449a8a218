"""`lakeward discard`: a trial is taken back out of the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakeward.cli.console import exits, progressing, say, table
from lakeward.errors import LakewardError

if TYPE_CHECKING:
    from lakeward.domain.facts import Plan
    from lakeward.ports import Ports
    from lakeward.spec.load import LoadedMigration


@exits(1)
def discard(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")],
    cut: Annotated[str, typer.Option("--cut", help="Id of the cut; `lakeward status FILE` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only shown.")] = False,
) -> None:
    """Take an unpublished cut back out of the lake: each table becomes what it was before. Shows only, unless `--yes`.

    Refused when readers or writers were switched to the cut: cut back first, in Airflow. Landing and evidence stay.

    Exits 0 when it is shown or done, 1 when it is refused or failed.

    Example: `lakeward discard dags/migrations/retail.yaml --cut 3f2a9c0d1e4b5a67 --yes`
    """
    from lakeward.cli.session import opened
    from lakeward.steps.discard import discard as discard_cut

    with opened(file) as (loaded, ports):
        plan, group = _made_by(loaded, ports, cut)
        with progressing() as progress:
            found = discard_cut(plan, group, ports, dry_run=not yes, progress=progress)
    rows = [
        (one.table, f"{one.rows:,}", "taken out" if one.gone else "would go" if one.of_cut and not yes else "stays")
        for one in found
    ]
    table(("table", "rows", "what happens"), rows, right=("rows",))
    if not yes:
        say("Nothing was changed. Give --yes to do it.")
    elif any(one.of_cut and not one.gone for one in found):
        raise LakewardError(
            f"Cut {cut} is still in some tables.", todo="Somebody wrote to them meanwhile; look who, then try again."
        )


def _made_by(loaded: LoadedMigration, ports: Ports, cut: str) -> tuple[Plan, str]:
    """The plan of the run that made the cut, and the group."""
    from lakeward.cli.session import run_of_cut
    from lakeward.steps.artifacts import read_plan

    name = loaded.spec.migration
    for group in loaded.spec.groups:
        run_key = run_of_cut(ports.store, name, group.name, cut)
        if run_key is not None:
            return read_plan(ports.store, name, run_key), group.name
    raise LakewardError(
        f"{name} has no cut {cut!r}, or its landing is gone.", todo=f"`lakeward status {loaded.path}` shows the cuts."
    )
