"""`lakeward evidence`, `lakeward ledger`: what was proved, checked against its own hashes, and put back into a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lakeward.cli.console import exits, say
from lakeward.errors import DataError

app = typer.Typer(help="What was proved, kept beside the landing.", no_args_is_help=True)
ledger_app = typer.Typer(help="Operational history; it can be made again from the evidence.", no_args_is_help=True)


@app.command()
@exits(1)
def verify(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The landing: a folder, or `s3://bucket/prefix`.")],
    connection: Annotated[str, typer.Option(help="Connection id of type `aws`, for s3.")] = "landing",
) -> None:
    """Check that evidence is what it was when it was written: hashes of what signers approved, places and files of verdicts.

    Exits 1 when something was changed, moved or is missing.

    Example: `lakeward evidence verify s3://landing/lakeward`
    """
    from contextlib import closing

    from lakeward.adapters.connections import from_environment
    from lakeward.adapters.open import open_store
    from lakeward.cli.console import home
    from lakeward.spec.models import LandingSpec
    from lakeward.steps.evidence import verify as verify_store

    is_s3 = path.startswith("s3://")
    if not is_s3 and not Path(path).is_dir():
        raise DataError(f"There is no folder {path}.", todo="Name the folder of `landing.path`, or an s3:// URL.")
    landing = LandingSpec(path=path if is_s3 else str(Path(path).absolute()), connection=connection if is_s3 else None)
    with closing(open_store(landing, from_environment, home())) as store:
        found = verify_store(store)
    say(f"{found.sealed} approvals' evidence, {found.verdicts} verdicts, {found.files} files of theirs were looked at.")
    if found.wrong:
        raise DataError(
            "Evidence is not as it was written:\n" + "\n".join(f"  - {wrong}" for wrong in found.wrong),
            todo="Restore these objects from the store's versions; find out who can write there.",
        )
    if not found.sealed and not found.verdicts:
        raise DataError(f"There is no evidence at {path}.", todo="Name the folder of `landing.path`.")
    say("All of it is as it was written.")


@ledger_app.command()
@exits(1)
def rebuild(file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")]) -> None:
    """Put steps, verdicts and transitions back into a ledger that was lost, from what they left in store and lake; what is there stays.

    Example: `lakeward ledger rebuild dags/migrations/retail.yaml`
    """
    from lakeward.cli.session import opened
    from lakeward.steps.evidence import rebuild as rebuild_ledger
    from lakeward.steps.rebuild import rebuild_steps

    with opened(file) as (loaded, ports):
        name = loaded.spec.migration
        verdicts, transitions = rebuild_ledger(name, ports.store, ports.ledger)
        steps = rebuild_steps(name, ports.store, ports.lake, ports.ledger)
    say(f"{verdicts} verdicts and {transitions} transitions of {name} are in the ledger; {steps} steps were put back.")
