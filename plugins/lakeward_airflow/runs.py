"""The frozen plan and the opened ports of a DAG run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakeward.domain.facts import Plan
from lakeward.ports import Ports, Progress
from lakeward_airflow.failures import final_errors

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from lakeward.spec.load import LoadedMigration

_SECONDS_BETWEEN_LINES = 5.0


def home() -> Path:
    """LAKEWARD_HOME, where the ledger and local files are kept; `.lakeward` in the current folder when it is not set."""
    return Path(os.environ.get("LAKEWARD_HOME") or ".lakeward").absolute()


@contextmanager
def open_migration(migration_file: str, *, exact: bool = False) -> Iterator[tuple[LoadedMigration, Ports]]:
    """The migration file as it is now, and what it names; errors that no retry mends fail the task at once.

    :param exact: regular expressions are judged by DuckDB itself, as is right where a run is planned.
    """
    from lakeward.adapters.open import open_ports
    from lakeward.adapters.regex import regex_fault
    from lakeward.steps.check import check_file
    from lakeward_airflow.connections import resolve
    from lakeward_airflow.watch import watched

    with final_errors():
        path = Path(migration_file)
        loaded = check_file(path, regex_fault) if exact else check_file(path)
        with open_ports(loaded.spec, resolve, home()) as ports, watched(loaded.spec.migration, ports.ledger):
            yield loaded, ports


@contextmanager
def open_run(migration_file: str, run_key: str) -> Iterator[tuple[Plan, Ports]]:
    """Open the plan that the run began with, and what it works on."""
    from lakeward.steps.artifacts import read_plan

    with open_migration(migration_file) as (loaded, ports):
        yield read_plan(ports.store, loaded.spec.migration, run_key), ports


def now() -> datetime:
    """The instant that a step is given; steps have no clock of their own."""
    return datetime.now(UTC)


def attempt(context: Context) -> str:
    """A name for this very try: a cleared task that runs again has another."""
    ti = context["ti"]
    return f"try{ti.try_number}-{ti.id.hex[-12:]}"


def progress(log: Logger) -> Progress:
    """Report into the task's log, a line every few seconds and one at the end of each thing."""
    last = 0.0

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        if (moment := time.monotonic()) - last >= _SECONDS_BETWEEN_LINES or (total and done >= total):
            last = moment
            log.info("%s: %s", what, f"{done:,} of {total:,}" if total else f"{done:,}")

    return report
