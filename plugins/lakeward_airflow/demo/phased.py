"""What the demo of a phased migration tells: read back from pointers, ledger, source and lake, not from the runs' own word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports
from lakeward.domain.progress import STEP
from lakeward.reader import resolve
from lakeward.spec.load import load
from lakeward.steps.artifacts import read_plan
from lakeward.steps.compare_now import compare_now
from lakeward.steps.waves import look, over_done
from lakeward_airflow.demo.servers import DemoError


def told(file: Path, run_key: str, home: Path) -> tuple[Sequence[str], bool]:
    """What the ledger says of each group's windows, and whether none is left."""
    spec = load(file).spec
    with open_ports(spec, from_environment, home) as ports:
        plan = read_plan(ports.store, spec.migration, run_key)
        records = [record for record in ports.ledger.steps(spec.migration, run_key) if record.step == STEP]
        found = {group.name: look(plan, group.name, ports) for group in plan.groups}
        left = [w for listing, windows in found.values() for w in listing.left if w.name not in windows]
    return [f"{record.group}: {record.message}" for record in records], not left


def prove(console: Console, file: Path, run_key: str, home: Path) -> None:
    """Compare source and lake over all windows; DemoError when anything differs."""
    spec = load(file).spec
    with open_ports(spec, from_environment, home) as ports:
        plan = over_done(read_plan(ports.store, spec.migration, run_key), ports)
        verdicts = compare_now(plan, ports, datetime.now(UTC))
    table = Table("group", "", "of", "verdict", "", title="Source and lake over all windows")
    for verdict in verdicts:
        table.add_row(verdict.group, verdict.kind, verdict.subject, str(verdict.outcome), escape(verdict.summary))
    console.print(table)
    if worse := [verdict.subject for verdict in verdicts if verdict.failed]:
        raise DemoError(f"These differ: {', '.join(worse)}.")


def states(file: Path, home: Path) -> str:
    """Where each group's pointer is, in words."""
    spec = load(file).spec
    with open_ports(spec, from_environment, home) as ports:
        found = [resolve(ports.store, spec.migration, group.name) for group in spec.groups]
    return ", ".join(f"{pointer.group} at {pointer.state}" for pointer in found)
