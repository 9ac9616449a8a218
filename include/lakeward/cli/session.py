"""A migration file with everything that it names opened."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakeward.cli.console import home

if TYPE_CHECKING:
    from lakeward.domain.facts import Plan
    from lakeward.ports import ObjectStore, Ports
    from lakeward.spec.load import LoadedMigration


def now() -> datetime:
    """The instant that a step is given; steps have no clock of their own."""
    return datetime.now(UTC)


def user() -> str:
    """Who works on this system; a container may run as somebody who has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


@contextmanager
def opened(path: Path) -> Iterator[tuple[LoadedMigration, Ports]]:
    """The file, checked, and its ports; closed at the end."""
    from lakeward.adapters.connections import from_environment
    from lakeward.adapters.open import open_ports
    from lakeward.adapters.regex import regex_fault
    from lakeward.steps.check import check_file

    loaded = check_file(path, regex_fault)
    with open_ports(loaded.spec, from_environment, home()) as ports:
        yield loaded, ports


def open_run(store: ObjectStore, loaded: LoadedMigration, *, new: bool = False) -> str:
    """The run that this command goes on with: the one after those of this very file that are over.

    :param new: give up a run that is under way; what it left is never published.
    """
    from lakeward.domain.identity import plan_key

    migration, prefix = loaded.spec.migration, f"cli-{loaded.file_hash[:12]}-"
    number = sum(1 for _ in store.list(_over(migration, prefix))) + 1
    if new and store.etag(plan_key(migration, f"{prefix}{number}")):
        store.put_new(_over(migration, f"{prefix}{number}.json"), b"given up")
        number += 1
    return f"{prefix}{number}"


def finish_run(store: ObjectStore, plan: Plan, how: str) -> None:
    """Remember that a run came to the gate; the next one makes a new cut."""
    store.put_new(_over(plan.migration.migration, f"{plan.run_key}.json"), how.encode())


def _over(migration: str, name: str) -> str:
    """Where the command line keeps which of its runs are over."""
    return f"{migration}/cli/{name}"


def run_of_cut(store: ObjectStore, migration: str, group: str, cut_id: str) -> str | None:
    """The run that made a cut, or None when its landing is gone."""
    from lakeward.steps.artifacts import manifest_of

    found = manifest_of(store, migration, group, cut_id)
    return found.run_key if found else None


def check_names(loaded: LoadedMigration, group: str, kpi: str) -> None:
    """SpecError when a group or KPI that is asked for is not in the file; empty asks for none."""
    from lakeward.errors import SpecError
    from lakeward.spec.problems import meant

    for what, name, known in (
        ("group", group, [g.name for g in loaded.spec.groups]),
        ("KPI", kpi, [k.name for k in loaded.spec.kpis]),
    ):
        if name and name not in known:
            todo = meant(name, known) or f"It has: {', '.join(known)}."
            raise SpecError(f"{loaded.path} has no {what} {name!r}.", todo=todo)
