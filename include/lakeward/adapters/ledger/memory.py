"""The in-memory twin: the same answers, gone with the process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from lakeward.domain.acceptance import Acceptance
from lakeward.domain.evidence import Outcome, Transition, Verdict
from lakeward.ports import StepRecord


class MemoryLedger:
    """Operational history in dicts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[tuple[str, str, str, str, datetime], StepRecord] = {}
        self._verdicts: dict[tuple[str, str, str, str, str], Verdict] = {}
        self._transitions: list[Transition] = []
        self._acceptances: dict[str, tuple[Acceptance, ...]] = {}

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

    def close(self) -> None:
        """Nothing to close."""
