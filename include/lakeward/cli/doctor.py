"""`lakeward doctor`: whether systems answer, what they let us do, and what to grant."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakeward.cli.console import exits, home, progressing, say, table
from lakeward.errors import LakewardError

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection

SKEW_WARNS, SKEW_FAILS = 2.0, 300.0
"""Seconds between their clock and ours: SigV4 refuses requests that are older than some minutes."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``outcome`` is ok, warn or fail."""

    what: str
    outcome: str
    found: str
    todo: str = ""


@exits(1)
def doctor(
    conns: Annotated[
        list[str] | None, typer.Argument(metavar="[CONN...]", help="Connection ids; default all in the environment.")
    ] = None,
    landing: Annotated[
        str, typer.Option(help="Bucket (and prefix) whose conditional writes are tried, through `aws` connections.")
    ] = "s3://landing/lakeward",
    namespace: Annotated[str, typer.Option(help="Namespace to look at through `iceberg` connections.")] = "lakeward",
    tables: Annotated[str, typer.Option("--table", "-t", help="Source tables to look at; a glob.")] = "*.*",
) -> None:
    """Look at connections: reachability, rights, versions, clocks, what catalog and store can do; print the least GRANTs.

    A small object is written below the landing and taken away again; nothing else is written. Exits 1 when anything fails.

    Example: `lakeward doctor retail_source lakehouse landing`
    """
    from lakeward.adapters.connections import from_environment

    names = conns or sorted(name[13:].lower() for name in os.environ if name.startswith("AIRFLOW_CONN_"))
    checks: list[tuple[str, Check]] = [("here", one) for one in _here()]
    grants: list[str] = []
    with progressing() as progress:
        for n, name in enumerate(names):
            progress("look at connections", n, len(names))
            try:
                found = _checks(from_environment(name), landing, namespace, tables, grants)
                checks += [(name, one) for one in found]
            except LakewardError as error:
                checks.append((name, Check("connection", "fail", error.what, error.todo)))
    table(
        ("connection", "", "outcome", "found", "what to do"),
        [(c, k.what, k.outcome, k.found, k.todo) for c, k in checks],
    )
    if grants:
        say("\nThe least rights that a source's role needs:\n")
        say("\n".join(grants))
    if not names:
        say("There is no AIRFLOW_CONN_* variable. `lakeward lab env` prints those of the lab.")
    if any(one.outcome == "fail" for _, one in checks):
        raise typer.Exit(1)


def _checks(connection: Connection, landing: str, namespace: str, tables: str, grants: list[str]) -> Iterator[Check]:
    from lakeward.cli.doctor_checks import (
        look_at_catalog,
        look_at_mariadb,
        look_at_place,
        look_at_source,
        look_at_store,
    )

    kinds: dict[str, Callable[[], Iterator[Check]]] = {
        "postgres": lambda: look_at_source(connection, tables, grants),
        "mysql": lambda: look_at_mariadb(connection, tables, grants),
        "duckdb": lambda: look_at_place(connection, tables),
        "sqlite": lambda: look_at_place(connection, tables),
        "fs": lambda: look_at_place(connection, tables),
        "iceberg": lambda: look_at_catalog(connection, namespace),
        "aws": lambda: look_at_store(connection, landing),
        "s3": lambda: look_at_store(connection, landing),
    }
    if connection.conn_type not in kinds:
        found = f"type {connection.conn_type or 'unknown'}"
        return iter([Check("connection", "warn", found, f"lakeward works with {', '.join(kinds)}.")])
    return kinds[connection.conn_type]()


def _here() -> Iterator[Check]:
    import platform
    import shutil

    from lakeward import __version__

    yield Check("versions", "ok", f"lakeward {__version__}, Python {platform.python_version()}")
    folder = home()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    room = "ok" if free > 5 else "warn"
    yield Check("room", room, f"{free:.0f} GB free at {home()}", "" if room == "ok" else "Sorting spills to this disk.")
    if not os.access(folder, os.W_OK):
        yield Check("LAKEWARD_HOME", "fail", f"{Path(folder)} can't be written", "Set LAKEWARD_HOME to another folder.")
