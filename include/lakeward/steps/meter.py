"""What an increment costs in time and volume, measured on both sides and kept in the ledger. What can't be measured holds nothing up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from lakeward.domain.costs import breaches, day_of
from lakeward.domain.decision import Reason
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.file_facts import Mark, StagedFile
from lakeward.domain.identity import WHOLE
from lakeward.domain.meters import Meter, Side, spread
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.reports import Report, report_of
from lakeward.errors import LakewardError
from lakeward.ports import Ports
from lakeward.reader import resolve
from lakeward.spec.meters import ReportSpec
from lakeward.spec.models import Metered
from lakeward.steps.artifacts import read_manifest, read_staged


@dataclass(slots=True)
class Recorder:
    """What a run tells of its increments."""

    clock: Callable[[], datetime]
    batches: int = 0
    changes: int = 0
    requests: int = 0
    quarantined: int = 0
    retained: int = 0
    files: list[StagedFile] = field(default_factory=list)
    write: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)

    def shown(self, files: Iterable[StagedFile], read_at: datetime, first_at: datetime | None, changes: int) -> None:
        """A batch is seen by readers now: read at an instant, its first change committed at another."""
        now = self.clock()
        self.batches += 1
        self.changes += changes
        self.files += files
        self.write.append((now - read_at).total_seconds())
        if first_at:
            self.fresh.append((now - first_at).total_seconds())


@contextmanager
def metering(plan: Plan, group: str, ports: Ports, recorder: Recorder, *, hurry: bool = False) -> Iterator[None]:
    """Measure a run over a group's increments: what it tells, what both sides store then, and their report queries.

    :param hurry: somebody waits for the run's end, with the source frozen: only what it tells.
    """
    began = recorder.clock()
    try:
        yield
    except BaseException:
        with suppress(LakewardError):  # what happened is told, not that it could not be kept
            ports.ledger.record_meter(_meter(plan, group, recorder, began, failures=1))
        raise
    ports.ledger.record_meter(_meter(plan, group, recorder, began, None if hurry else ports))


def keep_round(plan: Plan, group: str, ports: Ports, clock: Callable[[], datetime], since: Mark | None) -> None:
    """Measure a round of a catch-up that readers see now; ``since`` is the mark from which on it has read."""
    of = plan.group(group)
    manifest, staged = read_manifest(ports.store, plan, of), read_staged(ports.store, plan, of)
    recorder = Recorder(clock)
    recorder.shown(
        [file for table in staged.tables for file in table.files],
        manifest.taken_at,
        since.at if since else None,
        staged.upserted + staged.deleted,
    )
    recorder.quarantined = sum(table.quarantined for table in staged.tables)
    ports.ledger.record_meter(_meter(plan, group, recorder, manifest.taken_at, ports))


def sla_reasons(plan: Plan, ports: Ports, at: datetime) -> Iterator[Reason]:
    """What of the agreement does not hold, as reasons against; of a window of history there is none."""
    spec = plan.migration
    if not isinstance(spec, Metered) or spec.sla is None or any(group.window != WHOLE for group in plan.groups):
        return
    meters = ports.ledger.meters(spec.migration)
    for one in breaches(spec.sla, spec.costs, meters, at, spec.calendar.time_zone):
        todo = "Mend what is slow or fails, and let a day be measured anew; `sla` in the migration file says what is agreed."
        yield Reason(f"SLA: {one.told}", kind="sla", since=one.since, todo=todo)


def _meter(
    plan: Plan, group: str, told: Recorder, began: datetime, ports: Ports | None = None, failures: int = 0
) -> Meter:
    """The meter of a run; without ports of what it has told alone."""
    ended = told.clock()
    source, lake = Side(requests=told.requests), Side(requests=len(told.files))
    if ports:
        source, lake = _sides(plan, plan.group(group), ports, source, lake)
    return Meter(
        migration=plan.migration.migration,
        group=group,
        day=day_of(began, plan.migration.calendar.time_zone),
        began=began,
        seconds=max((ended - began).total_seconds(), 0.0),
        batches=told.batches,
        changes=told.changes,
        rows=sum(file.rows for file in told.files),
        bytes=sum(file.bytes for file in told.files),
        files=len(told.files),
        quarantined=told.quarantined,
        failures=failures,
        retained=told.retained,
        write=spread(told.write),
        fresh=spread(told.fresh),
        source=source,
        lake=lake,
    )


def _sides(plan: Plan, group: GroupPlan, ports: Ports, source: Side, lake: Side) -> tuple[Side, Side]:
    """What both store, and how long their report queries take."""
    theirs: int | None = None
    ours: int | None = None
    with suppress(LakewardError):
        found = ports.source.describe([f"{table.schema}.{table.table}" for table in group.tables])
        theirs = sum(table.bytes for table in found)
    with suppress(LakewardError):
        states = [ports.lake.state(table.name) for table in (*group.lake_tables, quarantine_table(group))]
        ours = sum(state.bytes for state in states if state)
    for spec in plan.migration.reports if isinstance(plan.migration, Metered) else ():
        if spec.group != group.name or ports.timed is None:
            continue
        report, limit = report_of(spec, group), spec.limit.delta
        source = source.plus(_timed(spec, partial(ports.timed, report.source, limit)))
        lake = lake.plus(_timed(spec, partial(_at_lake, plan, group.name, report, ports, limit)))
    return replace(source, stored=theirs), replace(lake, stored=ours)


def _timed(spec: ReportSpec, run: Callable[[], float]) -> Side:
    """Runs of a report on one side; each that fails or takes too long is counted."""
    taken: list[float] = []
    for _ in range(spec.runs):
        with suppress(LakewardError):
            taken.append(run())
    failed = {spec.name: spec.runs - len(taken)} if len(taken) < spec.runs else {}
    return Side({spec.name: spread(taken)}, failed)


def _at_lake(plan: Plan, group: str, report: Report, ports: Ports, limit: timedelta) -> float:
    """As a reader of the lake has it: the pointer is asked, the tables' files are looked for, the query is run."""
    began = time.monotonic()
    pins = resolve(ports.store, plan.migration.migration, group).tables
    inputs = {
        view: ports.lake.snapshot(table, pins[ports.lake.qualified(table.name)])
        for view, table in report.inputs.items()
    }
    found = time.monotonic() - began
    return found + ports.engine.timed(report.lake, inputs, limit)
