"""`lakeward pause`: the switch that keeps a phased migration from the source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lakeward.cli.console import exits, say


@exits(1)
def pause(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")],
    why: Annotated[str, typer.Option("--why", help="Shown to those who wonder.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who pauses; default: the user of this system.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Let it go on.")] = False,
) -> None:
    """Let a phased migration rest: no window and no round of catch-up is begun, by nobody, until `--lift`. What is under way comes to its end.

    Exits 0 when it is done, 1 when it failed.

    Example: `lakeward pause dags/migrations/retail_phased.yaml --why "sale on Friday"`
    """
    from lakeward.cli.session import now, opened, user
    from lakeward.steps.throttle import pause as pause_migration
    from lakeward.steps.throttle import resume

    with opened(file) as (loaded, ports):
        if lift:
            there = resume(ports.store, loaded.spec.migration)
            say(f"It goes on; it was {there.told()}." if there else "It was not paused.")
        else:
            say(pause_migration(ports.store, loaded.spec.migration, by or user(), why, now()).told())
