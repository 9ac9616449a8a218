"""What the demo shows at its end: read back from landing, pointer and lake, as a consumer would, and not from the run's own word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from rich.console import Console, Group
from rich.table import Table

from lakeward import reader
from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports, open_store
from lakeward.domain.amount import Amount
from lakeward.domain.evidence import UNSWITCHED, Outcome, Pointer, State, Verdict
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.file_facts import FileSet, Manifest
from lakeward.domain.kpi import figure_columns, lake_sql, resolve
from lakeward.domain.sides import LAKE
from lakeward.errors import LakeError
from lakeward.ports import ObjectStore, Ports
from lakeward.spec.load import load
from lakeward.steps.artifacts import read_manifest, read_plan
from lakeward.steps.claim import last_claim
from lakeward.steps.gate import collect_evidence
from lakeward.steps.measure import lake_inputs
from lakeward_airflow.demo.api import TaskState
from lakeward_airflow.demo.servers import DemoError

_SHOWN = {"day": 3, "week": 2, "month": 3, "total": 1}
_NONE = Amount(None, 0)
_COLORS = {Outcome.PASS: "green", Outcome.WARN: "yellow", Outcome.FAIL: "red", Outcome.ERROR: "red"}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run; ``evidence`` is the folder that it was copied to."""

    pointers: tuple[Pointer, ...]
    shown: Group
    evidence: Path


def look(file: Path, run_key: str, home: Path) -> Result:
    """Read pointers, figures and evidence of a run back; DemoError when a pointer or a figure is not as it must be."""
    spec = load(file).spec
    with open_ports(spec, from_environment, home) as ports:
        plan = read_plan(ports.store, spec.migration, run_key)
        pointers = {group.name: _pointer(ports, plan, group) for group in plan.groups}
        evidence = collect_evidence(plan, ports)
        manifests = {group.name: read_manifest(ports.store, plan, group) for group in plan.groups}
        tables = _moved(plan, ports, pointers, manifests, evidence.rows)
        figures = [_figures(plan, ports, group, manifests[group.name], pointers[group.name]) for group in plan.groups]
        verdicts = _verdicts(evidence.verdicts)
        folder = _copy_evidence(ports, plan, home)
    return Result(tuple(pointers.values()), Group(tables, "", *figures, "", verdicts), folder)


def cut_over_by(file: Path, home: Path) -> str | None:
    """The run that has moved the migration's readers to the lake, or None while they are where they were."""
    spec = load(file).spec
    with closing(open_store(spec.landing, from_environment, home)) as store:
        moved = [group.name for group in spec.groups if _state(store, spec.migration, group.name) not in UNSWITCHED]
        if not moved:
            return None
        claim = last_claim(store, spec.migration)
    if claim is None:
        raise DemoError(f"{', '.join(moved)} of {spec.migration} is cut over, and nothing says by which run.")
    return claim.transition.run_key


def _state(store: ObjectStore, migration: str, group: str) -> State:
    try:
        return reader.resolve(store, migration, group).state
    except LakeError:
        return State.LEGACY  # never published


def times(tasks: Sequence[TaskState]) -> Table:
    """How long each task took."""
    shown = Table("Task", "Seconds", title="Times (the approval's wait included)", title_justify="left")
    for task in sorted(tasks, key=lambda t: (t.started is None, t.started)):
        shown.add_row(task.label, f"{task.seconds:.1f}")
    return shown


def show(console: Console, *things: object) -> None:
    """Print with a line between."""
    for thing in things:
        console.print(thing)
        console.print()


def _pointer(ports: Ports, plan: Plan, group: GroupPlan) -> Pointer:
    pointer = reader.resolve(ports.store, plan.migration.migration, group.name)
    if pointer.state is not State.WRITERS or pointer.cut_id != group.cut_id:
        raise DemoError(
            f"The pointer of {group.name} says {pointer.state} at cut {pointer.cut_id}, not {State.WRITERS} at {group.cut_id}."
        )
    return pointer


def _moved(
    plan: Plan,
    ports: Ports,
    pointers: dict[str, Pointer],
    manifests: dict[str, Manifest],
    rows: dict[str, dict[str, tuple[int, int, int]]],
) -> Table:
    shown = Table(
        *("Group", "Table", "Read", "In the lake", "Quarantined", "Bytes", "Snapshot"),
        title="What moved",
        title_justify="left",
    )
    for column in shown.columns[2:6]:
        column.justify = "right"
    for group in plan.groups:
        for table in group.lake_tables:
            name = ports.lake.qualified(table.name)
            read, landed, aside = rows[group.name][name]
            state = ports.lake.state(table.name)
            size = f"{state.bytes:,}" if state else ""
            snapshot = str(pointers[group.name].tables[name])
            shown.add_row(group.name, name, f"{read:,}", f"{landed:,}", f"{aside:,}", size, snapshot)
        taken = manifests[group.name].taken_at
        shown.caption = f"Read at one instant of the source: {taken:%Y-%m-%d %H:%M:%S} UTC"
    return shown


def _figures(plan: Plan, ports: Ports, group: GroupPlan, manifest: Manifest, pointer: Pointer) -> Table:
    shown = Table(
        "Figure", "Period", "Source", "Lake", "", title=f"Business figures of {group.name}", title_justify="left"
    )
    shown.columns[2].justify = shown.columns[3].justify = "right"
    names = {table.name for table in group.lake_tables}
    for kpi in (kpi for kpi in plan.migration.kpis if kpi.table in names):
        resolved = resolve(kpi, group, plan.migration.calendar)
        lake = ports.engine.table(lake_sql(resolved, LAKE), lake_inputs(ports, resolved, pointer.tables))
        urls = tuple(file.url for file in manifest.figures if file.url.endswith(f"/{kpi.name}.parquet"))
        given = FileSet(urls, ports.store.access, figure_columns(resolved))
        source = ports.engine.table("SELECT * FROM f", {"f": given})
        for period, before, after in _periods(source, lake):
            if before.differs(after, kpi.tolerance):
                raise DemoError(f"{kpi.name} {period}: the source says {before}, the lake {after}.")
            values = (side.shown(kpi.measure.function) for side in (before, after))
            shown.add_row(kpi.title or kpi.name, period, *values, "[green]=[/]")
        shown.add_section()
    return shown


def _periods(source: pa.Table, lake: pa.Table) -> Iterator[tuple[str, Amount, Amount]]:
    """The last few periods of each grain over all dimensions, with both figures."""
    sides = [
        {(row["grain"], row["period"]): Amount.of(row) for row in side.to_pylist() if row["dims"] == ""}
        for side in (source, lake)
    ]
    for grain, count in _SHOWN.items():
        known = sorted(period or "" for g, period in sides[0] if g == grain)
        for period in known[-count:]:
            key = (grain, period or None)
            yield f"{grain} {period}".strip(), sides[0].get(key, _NONE), sides[1].get(key, _NONE)


def _verdicts(verdicts: Sequence[Verdict]) -> Table:
    shown = Table("Group", "Check", "Subject", "Verdict", "Checked", "Found", title="Verdicts", title_justify="left")
    for v in sorted(verdicts, key=lambda v: (v.group, v.kind, v.subject)):
        color = _COLORS[v.outcome]
        shown.add_row(v.group, v.kind, v.subject, f"[{color}]{v.outcome}[/]", f"{v.checked:,}", v.summary)
    return shown


def _copy_evidence(ports: Ports, plan: Plan, home: Path) -> Path:
    """Evidence lies in the object store; a copy, without the landed rows, can be read and verified when the lab is down."""
    prefix, folder = f"{plan.migration.migration}/", home / "evidence" / plan.migration.migration
    for key, _ in ports.store.list(prefix):
        if ("/landing/" not in key or "/figures/" in key) and (found := ports.store.get(key)):
            path = folder / key.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found[0])
    return folder
