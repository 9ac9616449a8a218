"""The in-memory twin: the same answers, gone with the process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

from lakeward.domain.acceptance import Acceptance
from lakeward.domain.evidence import Outcome, Transition, Verdict
from lakeward.domain.meters import Meter, added
from lakeward.domain.standing import Judged, Standing
from lakeward.ports import StepRecord
from lakeward.ports.ledger import Kind


class MemoryLedger:
    """Operational history in dicts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[tuple[str, str, str, str, datetime], StepRecord] = {}
        self._verdicts: dict[tuple[str, str, str, str, str], Verdict] = {}
        self._transitions: list[Transition] = []
        self._acceptances: dict[str, tuple[Acceptance, ...]] = {}
        self._standing: dict[tuple[str, str, type], tuple[Standing, datetime]] = {}
        self._meters: dict[tuple[str, str, str], dict[datetime, Meter]] = {}

    def record_step(self, record: StepRecord) -> None:
        """Keep a step's execution; one that began at the same instant is the same one, and is brought up to date."""
        with self._lock:
            self._steps[record.migration, record.run_key, record.group, record.step, record.started_at] = record

    def record_verdict(self, verdict: Verdict) -> None:
        """Keep a verdict; for inputs that are judged already nothing changes, unless they could not be measured then."""
        key = (verdict.migration, verdict.group, verdict.kind, verdict.subject, verdict.inputs_hash)
        with self._lock:
            there = self._verdicts.get(key)
            if there is None or there.outcome is Outcome.ERROR:
                self._verdicts[key] = verdict

    def verdict(self, migration: str, group: str, kind: str, subject: str, inputs_hash: str) -> Verdict | None:
        """The verdict for exactly these inputs, if it was ever reached; errors are never returned."""
        found = self._verdicts.get((migration, group, kind, subject, inputs_hash))
        return None if found is None or found.outcome is Outcome.ERROR else found

    def verdicts(self, migration: str, cut_id: str | None = None) -> tuple[Verdict, ...]:
        """The newest verdict of every group, kind and subject (of one cut), in that order."""
        with self._lock:
            wanted = [v for v in self._verdicts.values() if v.migration == migration and cut_id in {None, v.cut_id}]
        newest = {(v.group, v.kind, v.subject): v for v in sorted(wanted, key=lambda v: v.decided_at)}
        return tuple(newest[place] for place in sorted(newest))

    def record_transition(self, transition: Transition) -> None:
        """Keep who moved what, when and why."""
        with self._lock:
            if transition not in self._transitions:
                self._transitions.append(transition)

    def transitions(self, migration: str) -> tuple[Transition, ...]:
        """All transitions, oldest first."""
        with self._lock:
            return tuple(sorted((t for t in self._transitions if t.migration == migration), key=lambda t: t.at))

    def record_acceptances(self, migration: str, standing: Sequence[Acceptance]) -> None:
        """Keep these as the acceptances of a migration that stand, and no others."""
        with self._lock:
            self._acceptances[migration] = tuple(sorted(standing, key=lambda a: a.at))

    def acceptances(self, migration: str) -> tuple[Acceptance, ...]:
        """The acceptances that stand, expired ones too, oldest first."""
        return self._acceptances.get(migration, ())

    def steps(self, migration: str | None = None, run_key: str | None = None) -> tuple[StepRecord, ...]:
        """The newest record of every migration, run, group and step, oldest first."""
        with self._lock:
            records = sorted(self._steps.values(), key=lambda s: s.started_at)
        newest = {
            (s.migration, s.run_key, s.group, s.step): s
            for s in records
            if migration in {None, s.migration} and run_key in {None, s.run_key}
        }
        return tuple(sorted(newest.values(), key=lambda s: (s.started_at, s.group, s.step)))

    def runs(self, migration: str | None = None, *, by_group: bool = False) -> tuple[StepRecord, ...]:
        """The newest run of every migration: the newest record of each of its groups and steps, oldest first.

        :param by_group: the newest run of each group instead, where groups have runs of their own.
        """

        def of(record: StepRecord) -> tuple[str, str]:
            return record.migration, record.group if by_group else ""

        newest = {of(record): record.run_key for record in self.steps(migration)}
        return tuple(record for record in self.steps(migration) if newest[of(record)] == record.run_key)

    def judged(self, migration: str | None = None, *, by_cut: bool = False) -> tuple[Judged, ...]:
        """The newest outcome of every migration, group, kind and subject; with ``by_cut``, of every cut."""
        with self._lock:
            wanted = sorted(
                (v for v in self._verdicts.values() if migration in {None, v.migration}), key=lambda v: v.decided_at
            )
        found = {
            (v.migration, v.group, v.kind, v.subject, v.cut_id if by_cut else ""): Judged(
                v.migration, v.group, v.kind, v.subject, v.cut_id, v.outcome, v.decided_at
            )
            for v in wanted
        }
        return tuple(found[place] for place in sorted(found))

    def record_standing(self, migration: str, group: str, fact: Standing, at: datetime) -> None:
        """Keep what stands since ``at``; an older fact of its kind makes way, a newer one stays."""
        place = (migration, group, type(fact))
        with self._lock:
            if place not in self._standing or self._standing[place][1] <= at:
                self._standing[place] = (fact, at)

    def standing(
        self, kind: type[Kind], migration: str | None = None
    ) -> Mapping[tuple[str, str], tuple[Kind, datetime]]:
        """What stands of a kind, with the instant since when, by migration and group."""
        with self._lock:
            return {
                (name, group): (fact, at)
                for (name, group, _), (fact, at) in self._standing.items()
                if isinstance(fact, kind) and migration in {None, name}
            }

    def record_meter(self, meter: Meter) -> None:
        """Keep a run's meter; the same run again changes nothing."""
        with self._lock:
            self._meters.setdefault((meter.migration, meter.day, meter.group), {})[meter.began] = meter

    def meters(self, migration: str, *, runs: bool = False) -> tuple[Meter, ...]:
        """The meter of every group and day, oldest first; or of the runs of its newest day."""
        with self._lock:
            days = {key: found for key, found in sorted(self._meters.items()) if key[0] == migration}
        if not runs:
            return tuple(added(found.values()) for found in days.values())
        newest = {group: found for (_, _, group), found in days.items()}
        return tuple(one for found in newest.values() for _, one in sorted(found.items()))

    def metered(self, migration: str | None = None) -> Mapping[str, tuple[str, tuple[Meter, ...]]]:
        """Of every migration the first day with a meter, and each group's meter of its newest day."""
        names = sorted({name for name, _, _ in self._meters if migration in {None, name}})
        found = {}
        for name in names:
            days = self.meters(name)
            newest = {one.group: one for one in days}
            found[name] = (days[0].day, tuple(newest[group] for group in sorted(newest)))
        return found

    def close(self) -> None:
        """Nothing to close."""
