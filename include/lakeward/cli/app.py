"""All commands. Whatever is heavy is imported inside the command that needs it, so that `--help` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from lakeward import __version__
from lakeward.cli import (
    accept,
    doctor,
    evidence,
    files,
    init,
    lab,
    maintain,
    parity,
    pause,
    plan,
    repair,
    run,
    status,
    trial,
)

HELP = """Moves databases into an Iceberg lakehouse, proves to the cent that nothing changed, and stops at the gate.

Cutting over and back is done by Airflow's DAGs, so that its log and rights hold. Connections are Airflow's: `AIRFLOW_CONN_<ID>`.
LAKEWARD_HOME names the folder of lab, ledger and local files (default `.lakeward`)."""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,  # its frames would show locals, and those hold passwords
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lakeward {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


app.command()(init.init)
app.command()(doctor.doctor)
app.command()(files.check)
app.command()(files.schema)
app.add_typer(lab.app, name="lab")
app.command()(plan.plan)
app.command()(run.run)
app.command()(parity.parity)
app.command()(accept.accept)
app.command()(repair.repair)
app.command()(status.status)
app.command()(trial.discard)
app.command()(pause.pause)
app.command()(maintain.maintain)
app.add_typer(evidence.app, name="evidence")
app.add_typer(evidence.ledger_app, name="ledger")
