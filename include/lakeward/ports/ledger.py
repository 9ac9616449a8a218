"""The ledger: operational history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from lakeward.domain.acceptance import Acceptance
from lakeward.domain.evidence import Transition, Verdict
from lakeward.domain.meters import Meter
from lakeward.domain.standing import Judged, Standing

Kind = TypeVar("Kind", bound=Standing)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One execution of a step, for status and history."""

    migration: str
    run_key: str
    group: str
    step: str
    outcome: str  # running, done, failed, held
    started_at: datetime
    seconds: float
    rows: int
    message: str = ""


class Ledger(Protocol):
    """Operational history. The pointer is the truth on the state; the ledger follows it."""

    def record_step(self, record: StepRecord) -> None:
        """Keep a step's execution (the last one of a run, group and step is shown)."""

    def record_verdict(self, verdict: Verdict) -> None:
        """Keep a verdict; the same inputs hash again changes nothing."""

    def verdict(self, migration: str, group: str, kind: str, subject: str, inputs_hash: str) -> Verdict | None:
        """The verdict for exactly these inputs, if it was ever reached; errors are never returned."""

    def verdicts(self, migration: str, cut_id: str | None = None) -> tuple[Verdict, ...]:
        """The newest verdict of every group, kind and subject (of one cut)."""

    def record_transition(self, transition: Transition) -> None:
        """Keep who moved what, when and why."""

    def transitions(self, migration: str) -> tuple[Transition, ...]:
        """All transitions, oldest first."""

    def record_acceptances(self, migration: str, standing: Sequence[Acceptance]) -> None:
        """Keep these as the acceptances of a migration that stand, and no others."""

    def acceptances(self, migration: str) -> tuple[Acceptance, ...]:
        """The acceptances that stand, expired ones too, oldest first."""

    def steps(self, migration: str | None = None, run_key: str | None = None) -> tuple[StepRecord, ...]:
        """The newest record of every migration, run, group and step, oldest first."""

    def runs(self, migration: str | None = None, *, by_group: bool = False) -> tuple[StepRecord, ...]:
        """The newest run of every migration: the newest record of each of its groups and steps, oldest first.

        :param by_group: the newest run of each group instead, where groups have runs of their own.
        """

    def judged(self, migration: str | None = None, *, by_cut: bool = False) -> tuple[Judged, ...]:
        """The newest outcome of every migration, group, kind and subject; with ``by_cut``, of every cut."""

    def record_standing(self, migration: str, group: str, fact: Standing, at: datetime) -> None:
        """Keep what stands since ``at``; an older fact of its kind makes way, a newer one stays.

        :param group: empty for what concerns the whole migration.
        """

    def standing(
        self, kind: type[Kind], migration: str | None = None
    ) -> Mapping[tuple[str, str], tuple[Kind, datetime]]:
        """What stands of a kind, with the instant since when, by migration and group."""

    def record_meter(self, meter: Meter) -> None:
        """Keep a run's meter, by when it began; the same run again changes nothing."""

    def meters(self, migration: str, *, runs: bool = False) -> tuple[Meter, ...]:
        """The meter of every group and day, oldest first; or of the runs of its newest day."""

    def metered(self, migration: str | None = None) -> Mapping[str, tuple[str, tuple[Meter, ...]]]:
        """Of every migration the first day with a meter, and each group's meter of its newest day."""
