"""A tenure: for a while the source's changes are applied batch by batch, then both sides are compared at one position of the log."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from lakeward.domain.changes import ChangeBatch, Limits, SlotState, spelled
from lakeward.domain.evidence import Pointer, State, Verdict
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.faults import Faults
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.reports import report_troubles
from lakeward.errors import LakeError, SourceError, SpecError
from lakeward.ports import ChangeStream, Ports, Progress, silent
from lakeward.spec.hybrid import alone
from lakeward.spec.load import LoadedMigration
from lakeward.spec.models import StranglerFig
from lakeward.steps.apply import apply_batch
from lakeward.steps.artifacts import plan_of_published
from lakeward.steps.dual import enter_dual, held
from lakeward.steps.log import log_of
from lakeward.steps.meter import Recorder, metering
from lakeward.steps.positions import compare_at
from lakeward.steps.publish import find_pointer, show_changes

_WAIT = timedelta(seconds=2)
"""How long a change is waited for before the clock is looked at again."""
_PATIENCE = timedelta(minutes=10)
"""How long the log is waited for to come to a position that the server has passed."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """What a tenure has done. ``lag`` is what the source keeps for the slot in bytes; ``verdicts`` are of the comparison at its end.

    ``rests``: why nothing was done.
    ``slowest``: seconds from a commit to the moment at which readers saw it, at most, by the clocks of both.
    """

    group: str
    batches: int
    transactions: int
    changes: int
    rows: int
    quarantined: int
    position: int
    lag: int
    slowest: float
    verdicts: tuple[Verdict, ...]
    rests: str = ""

    @property
    def told(self) -> str:
        """In words."""
        return self.rests or (
            f"{self.changes:,} changes of {self.transactions:,} transactions in {self.batches:,} batches up to {spelled(self.position)}, "
            f"readable within {self.slowest:.0f} s, {self.quarantined:,} rows quarantined; the source keeps {self.lag / 1e6:,.1f} MB of its log"
        )

    @property
    def equal(self) -> bool:
        """Whether nothing that was compared differs."""
        return not any(verdict.failed for verdict in self.verdicts)


def loaded_plan(loaded: LoadedMigration, name: str, ports: Ports) -> Plan | None:
    """The plan of a group's initial load, once that is published.

    How changes are taken, files compacted and gates decided, and how the source is frozen, is as the file says now.
    """
    spec, plan = alone(loaded.spec, name), plan_of_published(ports.store, loaded.spec.migration, name)
    found = find_pointer(ports.store, plan, plan.group(name)) if plan else None
    if plan is None or found is None or not found[0].position or not isinstance(spec, StranglerFig):
        return None
    faults = Faults()
    faults.extend(("reports",), report_troubles(spec.reports, plan.groups))
    if faults:
        raise loaded.refuse(faults.troubles)
    parts = ("changes", "compaction", "gate", "freeze", "reports", "costs", "sla")
    now = {part: getattr(spec, part) for part in parts}
    return replace(plan, migration=plan.migration.model_copy(update=now))


def serve(
    plan: Plan,
    name: str,
    ports: Ports,
    clock: Callable[[], datetime],
    *,
    length: timedelta | None = None,
    progress: Progress = silent,
    holder: str = "",
    dual: bool = True,
) -> Tenure:
    """Apply what the source commits for as long as the file says, then compare in one snapshot, up to which all is applied.

    Killed anywhere it can be run again: the lake knows how far it is, and the slot keeps the rest.

    :param length: instead of what the file says.
    :param dual: whether the group enters that state; in a hybrid all groups stay in ``legacy`` until all are switched.
    :param holder: who holds the feed for a cutover, if that is who asks: all others find it resting.
    :raises SourceError: the log was lost, or keeps more than the file permits; or a table was changed.
    :raises ConflictError: another run applies changes of this group.
    """
    group, log = plan.group(name), log_of(ports, name)
    with tempfile.TemporaryDirectory(prefix="lakeward-changes-") as folder:
        meter = Recorder(clock)
        work = _Tenure(plan, group, ports, clock, Path(folder), progress, meter)
        if rests := work.rests(holder):
            return replace(work.done(log.state(), ()), rests=rests)
        if dual:
            work.pointer = enter_dual(plan, name, ports, clock())
        measured = metering(plan, name, ports, meter, hurry=bool(holder))
        with measured, log.stream(group.tables, work.position) as stream:
            stream.confirm(work.position)
            end = clock() + (work.spec.tenure.delta if length is None else length)
            while clock() < end and not work.rests(holder):
                work.check(log.state())
                work.take(stream, stream.read(work.limits))
            with log.source(lasting=False).cut(group.tables) as cut:
                work.reach(stream, cut.position)
                verdicts = compare_at(plan, name, ports, cut, work.pointer, clock(), progress)
        return work.done(log.state(), verdicts)


class _Tenure:
    """What is known while it lasts."""

    def __init__(
        self,
        plan: Plan,
        group: GroupPlan,
        ports: Ports,
        clock: Callable[[], datetime],
        folder: Path,
        progress: Progress,
        meter: Recorder,
    ) -> None:
        if not isinstance(plan.migration, StranglerFig):
            raise SpecError(
                f"{plan.migration.migration} follows no change log.", todo="Write `pattern: strangler_fig`."
            )
        self.spec = plan.migration.changes
        self.limits = Limits(self.spec.batch, 256_000_000, self.spec.every.delta, _WAIT)
        self._plan, self._group, self._ports = plan, group, ports
        self._clock, self._folder, self._progress, self._meter = clock, folder, progress, meter
        self._batches = self._transactions = self._changes = self._rows = self._quarantined = 0
        self._slowest = 0.0
        self.pointer = self._published()

    @property
    def position(self) -> int:
        """Up to where readers see the log."""
        return self.pointer.position

    def _published(self) -> Pointer:
        """The pointer, after what has landed was shown: a run may have died between the two."""
        found = find_pointer(self._ports.store, self._plan, self._group)
        if found is None or found[0].cut_id != self._group.cut_id or not found[0].position:
            raise LakeError(f"Group {self._group.name} has no initial load.", todo="`lakeward run FILE` makes it.")
        state = self._ports.lake.state(self._group.quarantine)
        if state is None or state.position <= found[0].position:
            return found[0]
        tables = (*self._group.lake_tables, quarantine_table(self._group))
        states = {table.name: self._ports.lake.state(table.name) for table in tables}
        snapshots = {name: s.snapshot_id for name, s in states.items() if s and s.snapshot_id}
        at = self._clock()
        return show_changes(
            self._plan, self._group.name, self._ports, snapshots, state.position, at, found[0].fresh_at or at
        )

    def rests(self, holder: str) -> str:
        """Why nothing is to be applied; empty when it may be."""
        if self.pointer.state in {State.WRITERS, State.RETIRED}:
            return f"state {self.pointer.state.value}: the lake is written to by others, and follows nobody"
        hold = held(self._ports.store, self._plan.migration.migration, self._clock())
        return (
            f"{hold.by} holds the feed until {hold.until:%H:%M:%SZ}, to cut over" if hold and hold.by != holder else ""
        )

    def check(self, state: SlotState | None) -> None:
        """SourceError when the source keeps more log than it may."""
        self._meter.retained = state.retained_bytes if state else 0
        if state and state.retained_bytes > self.spec.max_retained.bytes:
            raise SourceError(
                f"The source keeps {state.retained_bytes:,} bytes of its log for slot {state.name}; changes.max_retained permits "
                f"{self.spec.max_retained.bytes:,}.",
                todo="Run more often or longer (`changes.tenure`), look for a transaction that stays open at the source, or raise the "
                "limit. `SELECT pg_drop_replication_slot(...)` frees its disk at once; then a new initial load is needed.",
            )

    def take(self, stream: ChangeStream, batch: ChangeBatch, *, empty: bool = False) -> None:
        """Apply a batch, show it, and let the source forget it.

        :param empty: also when it holds no changes: then the lake notes only that there are none.
        """
        if not batch.changes and not (empty and batch.until > batch.since):
            return
        batch, read_at = replace(batch, since=self.position), self._clock()
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            applied = apply_batch(self._plan, self.pointer, batch, stream, self._ports, Path(folder), self._clock())
        self.pointer = applied.pointer
        stream.confirm(self.pointer.position)
        if batch.first_at:
            self._slowest = max(self._slowest, (self._clock() - batch.first_at).total_seconds())
        if batch.changes:
            self._meter.shown(applied.files, read_at, batch.first_at, changes=batch.changes)
            self._meter.requests += batch.transactions
            self._meter.quarantined += applied.quarantined
        self._batches += 1
        self._transactions += batch.transactions
        self._changes += batch.changes
        self._rows += sum(applied.rows.values())
        self._quarantined += applied.quarantined
        self._progress(f"apply changes of {self._group.name}", self._changes, 0)

    def reach(self, stream: ChangeStream, until: int) -> None:
        """Apply everything that was committed before a position, and nothing else."""
        patient, end = replace(self.limits, time=_WAIT, wait=_WAIT), self._clock() + _PATIENCE
        while self.position < until:
            self.take(stream, stream.read(patient, until), empty=True)
            if self._clock() > end:
                raise SourceError(
                    f"The change log did not come to {spelled(until)} within {_PATIENCE}.",
                    todo="Look into the source's log for what its walsender does, then run it again.",
                )

    def done(self, state: SlotState | None, verdicts: tuple[Verdict, ...]) -> Tenure:
        """What was done."""
        return Tenure(
            group=self._group.name,
            batches=self._batches,
            transactions=self._transactions,
            changes=self._changes,
            rows=self._rows,
            quarantined=self._quarantined,
            position=self.position,
            lag=state.retained_bytes if state else 0,
            slowest=self._slowest,
            verdicts=verdicts,
        )
