"""`lakeward lab`: a real PostgreSQL and an object store that behaves as AIStor Tables does, on loopback."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from lakeward.cli.console import exits, home, progressing, say, table

app = typer.Typer(
    help="A whole lab on loopback: PostgreSQL with a retail source, and an object store like AIStor Tables.",
    no_args_is_help=True,
)
_PORT = typer.Option(min=1, max=65535, help="A free one is chosen when it is not given.")


@app.command()
@exits(1)
def up(
    postgres_port: Annotated[int | None, _PORT] = None,
    s3_port: Annotated[int | None, _PORT] = None,
) -> None:
    """Start the lab of LAKEWARD_HOME, or what of it does not run.

    Example: `lakeward lab up && eval "$(lakeward lab env)"`
    """
    from lakeward.lab import Lab

    state = Lab(home()).up(postgres_port=postgres_port, s3_port=s3_port)
    began = f"started {', '.join(state.started)}" if state.started else "runs already"
    say(f"The lab in {state.home} is up ({began}).")
    say(f"  PostgreSQL    127.0.0.1:{state.postgres_port}")
    say(f"  object store  http://127.0.0.1:{state.s3_port}, its Iceberg catalog at /_iceberg")
    say('Next: eval "$(lakeward lab env)" && lakeward lab seed')


@app.command()
@exits(1)
def down(purge: Annotated[bool, typer.Option("--purge", help="Remove its data and credentials too.")] = False) -> None:
    """Stop the lab of LAKEWARD_HOME; its data stay unless `--purge` is given."""
    from lakeward.lab import Lab

    lab = Lab(home())
    lab.down(purge=purge)
    say(f"The lab in {lab.home} is down{' and its data are gone' if purge else ''}.")


@app.command()
@exits(1)
def env() -> None:
    """Print `export NAME=...` lines that point Airflow, this command and tests at the lab.

    Example: `eval "$(lakeward lab env)"`
    """
    from lakeward.lab import Lab

    for name, value in Lab(home()).env().items():
        say(f"export {name}={shlex.quote(value)}")


@app.command()
@exits(1)
def status() -> None:
    """Tell whether the lab is up, and where. Exits 1 when it is not."""
    from lakeward.lab import Lab

    lab = Lab(home())
    state = lab.status()
    if state is None:
        say(f"The lab in {lab.home} is not up. Start it: lakeward lab up")
        raise typer.Exit(1)
    say(f"The lab in {state.home} is up.")
    addresses = {"postgres": f"127.0.0.1:{state.postgres_port}", "front": f"http://127.0.0.1:{state.s3_port}"}
    rows = [(name, str(pid), addresses.get(name, "")) for name, pid in sorted(state.processes.items())]
    table(("piece", "pid", "address"), rows, right=("pid",))


@app.command()
@exits(1)
def seed(
    orders: Annotated[int, typer.Option(min=1, help="How many orders; the same rows for the same number.")] = 5000,
) -> None:
    """Fill the lab's retail source: customers, products, orders with nested payloads, payments.

    Example: `lakeward lab seed --orders 200000`
    """
    from lakeward.lab import Lab

    with progressing() as progress:
        rows = Lab(home()).seed(orders, progress=lambda what, done, total: progress(f"seed {what}", done, total))
    table(("table", "rows"), [(name, f"{count:,}") for name, count in rows.items()], right=("rows",))
