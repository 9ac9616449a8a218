"""What stands right now, for whoever looks: the newest fact of each kind about a migration or one of its groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from lakeward.domain.compaction import CompactionReport
from lakeward.domain.decision import GateDecision
from lakeward.domain.evidence import Outcome, Pointer
from lakeward.domain.facts import Plan
from lakeward.domain.progress import GroupProgress
from lakeward.spec.models import (
    CostsSpec,
    Followed,
    HybridGroup,
    KpiSpec,
    LandingSpec,
    Metered,
    Phased,
    PhasedGroup,
    SlaSpec,
)
from lakeward.spec.wave_checks import waves_of


@dataclass(frozen=True, slots=True)
class GroupCard:
    """A group as people are shown it: its lake tables, its wave and what its windows are, if it has any, and the pattern that it is moved by."""

    name: str
    tables: tuple[str, ...]
    wave: str = ""
    window: str = ""
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class KpiCard:
    """A business figure as people are shown it."""

    name: str
    group: str
    title: str
    measure: str
    function: str
    grains: tuple[str, ...]
    dimensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What a migration is, as its newest plan froze it, the name of its file, and where its evidence lies.

    ``reports``: titles of report queries, by name; ``max_retained``: bytes of log that the source may keep for a slot.
    """

    migration: str
    file: str
    pattern: str
    description: str
    owner: str
    zone: str
    landing: LandingSpec
    groups: tuple[GroupCard, ...]
    kpis: tuple[KpiCard, ...]
    costs: CostsSpec | None = None
    sla: SlaSpec | None = None
    reports: dict[str, str] = field(default_factory=dict)
    max_retained: int = 0

    @property
    def dag_id(self) -> str:
        """The id of its DAG."""
        return f"{self.pattern}__{self.migration}"


@dataclass(frozen=True, slots=True)
class Decided:
    """What the gate said of a run, or of one group or window of it."""

    run_key: str
    window: str
    decision: GateDecision


@dataclass(frozen=True, slots=True)
class Sample:
    """A quarantined row: its key, and the landed row as text, masked where the file says so."""

    key: str
    raw: str


@dataclass(frozen=True, slots=True)
class Aside:
    """Quarantined rows of one table with one reason, the first of them shown."""

    table: str
    reason: str
    column: str
    rows: int
    samples: tuple[Sample, ...] = ()

    @property
    def told(self) -> str:
        """Which rows, and why: ``orders {"id":"42"} and 3 more: total: no number``."""
        keys = ", ".join(one.key or "a row without a key" for one in self.samples)
        more = f" and {self.rows - len(self.samples)} more" if self.samples and self.rows > len(self.samples) else ""
        which = f"{self.table} {keys}{more}" if keys else f"{self.rows} of {self.table}"
        return f"{which}: {f'{self.column}: ' if self.column else ''}{self.reason}"


@dataclass(frozen=True, slots=True)
class SetAside:
    """Everything that a group's cut has in quarantine."""

    cut_id: str
    rows: tuple[Aside, ...]


@dataclass(frozen=True, slots=True)
class Alerted:
    """What people were told already, by the alerts' keys, as long as it stands."""

    keys: tuple[str, ...]


Standing = Card | Pointer | Decided | GroupProgress | CompactionReport | SetAside | Alerted


@dataclass(frozen=True, slots=True)
class Judged:
    """The newest outcome of a check, without what it found."""

    migration: str
    group: str
    kind: str
    subject: str
    cut_id: str
    outcome: Outcome
    decided_at: datetime


def card_of(plan: Plan, file: str) -> Card:
    """The card of a migration, from a plan."""
    spec = plan.migration
    return Card(
        migration=spec.migration,
        file=file,
        pattern=spec.pattern,
        description=spec.description,
        owner=spec.owner,
        zone=spec.calendar.time_zone,
        landing=spec.landing,
        groups=tuple(_groups(plan)),
        kpis=tuple(_kpi(one, plan) for one in spec.kpis),
        costs=spec.costs if isinstance(spec, Metered) else None,
        sla=spec.sla if isinstance(spec, Metered) else None,
        reports={one.name: one.title or one.name for one in spec.reports} if isinstance(spec, Metered) else {},
        max_retained=spec.changes.max_retained.bytes if isinstance(spec, Followed) else 0,
    )


def _groups(plan: Plan) -> Iterator[GroupCard]:
    spec = plan.migration
    waves = {name: wave.name for wave in waves_of(spec) for name in wave.groups} if isinstance(spec, Phased) else {}
    for group in plan.groups:
        written = next(one for one in spec.groups if one.name == group.name)
        window = written.window if isinstance(written, PhasedGroup) else None
        yield GroupCard(
            group.name,
            tuple(table.name for table in group.lake_tables),
            waves.get(group.name, ""),
            f"{window.size} of {window.table}.{window.column}" if window else "",
            written.pattern if isinstance(written, HybridGroup) else spec.pattern,
        )


def _kpi(one: KpiSpec, plan: Plan) -> KpiCard:
    group = next((g.name for g in plan.groups if any(t.name == one.table for t in g.lake_tables)), "")
    grains = tuple(grain.value for grain in one.grains) if one.date else ()
    return KpiCard(
        one.name, group, one.title or one.name, str(one.measure), one.measure.function, grains, one.dimensions
    )
