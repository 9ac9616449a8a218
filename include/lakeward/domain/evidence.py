"""Verdicts, what a signer approves, and the pointer that readers follow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from lakeward.domain.acceptance import Acceptance
from lakeward.domain.file_facts import FileFact, Mark
from lakeward.domain.words import spelled


class Outcome(StrEnum):
    """What a check found; ``error`` means that it could not be measured, and is never good."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: of a figure, or of a row. Figures are exact decimal text, or None where the side has no such period.

    ``leg`` tells what was compared: ``source-landing``, ``landing-lake`` or ``source-lake``; record rules use ``records``.
    ``kind`` is the likely class of what happened (`domain/row_classes.py`). Of a row, ``key`` has its key's values,
    whole numbers as such and everything else as text; ``expected`` and ``found`` are the values of ``column``, or None where the whole row (``values``) is on one side only.
    ``open`` is a figure whose period may still change, so that it decides nothing. ``types`` are the column's at the source and in the lake; ``times`` counts equal rows; ``kpis`` are the figures that it enters.
    """

    subject: str
    leg: str
    grain: str = ""
    period: str | None = None
    dimensions: dict[str, str | None] = field(default_factory=dict)
    expected: str | None = None
    found: str | None = None
    message: str = ""
    kind: str = ""
    table: str = ""
    key: tuple[int | str | None, ...] = ()
    column: str = ""
    types: tuple[str, ...] = ()
    values: dict[str, str | None] = field(default_factory=dict)
    times: int = 1
    kpis: tuple[str, ...] = ()
    open: bool = False

    @property
    def named_key(self) -> str:
        """The key as people read it: ``id=7, line=null``."""
        named = zip(self.values, self.key, strict=False)
        return ", ".join(f"{name}={spelled(None if part is None else str(part))}" for name, part in named)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found for one group at one cut; computed once per ``inputs_hash``, then only read.

    ``checked`` and ``failed`` count cells (kpi) or rows (rows, records). ``findings`` are the first 100; ``files`` hold all of them.
    ``whole``: nothing else differs; else there is more than was looked at.
    ``open`` and ``open_failed`` count the cells of periods that may still change and decide nothing: those of a grain from the day
    on that ``open_from`` tells. ``basis`` names what it was reached on: cut, snapshots, rule and definitions.
    """

    kind: str  # kpi, rows, records, counts
    subject: str
    migration: str
    group: str
    cut_id: str
    outcome: Outcome
    inputs_hash: str
    summary: str
    checked: int
    failed: int
    decided_at: datetime
    findings: tuple[Finding, ...] = ()
    files: tuple[FileFact, ...] = ()
    whole: bool = True
    open: int = 0
    open_failed: int = 0
    open_from: dict[str, str] = field(default_factory=dict)
    basis: dict[str, str] = field(default_factory=dict)

    @property
    def differences_file(self) -> FileFact | None:
        """Of a KPI: the cells that differ, when any do."""
        return next((file for file in self.files if file.url.endswith("-differences.parquet")), None)


class State(StrEnum):
    """Which system readers and writers use."""

    LEGACY = "legacy"
    DUAL = "dual"
    READERS = "readers"
    WRITERS = "writers"
    RETIRED = "retired"


UNSWITCHED = frozenset({State.LEGACY, State.DUAL})
"""States in which readers and writers use the old system: what the lake shows may be replaced."""


@dataclass(frozen=True, slots=True)
class WindowCut:
    """The cut at which a window of a phased migration was read, and what the gate said of it.

    ``ended``: no more rows were to be expected in it. ``gate``: open, held, or nothing as long as it was not asked.
    """

    cut_id: str
    rows: int
    bytes: int
    seconds: float
    ended: bool
    gate: str = ""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The round of a catch-up that readers see. ``mark`` tells how far the source was read; the next round begins there.

    ``whole``: all of the group was compared at this cut, and ``gate`` is what the gate said of it.
    """

    cut_id: str
    run_key: str
    rounds: int
    mark: Mark
    whole: bool
    upserted: int
    deleted: int
    gate: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison of a tenure: a cut of its own, at a position of the change log, up to which and no further ``tables`` are."""

    cut_id: str
    position: int
    at: datetime
    tables: dict[str, int]


@dataclass(frozen=True, slots=True)
class Pointer:
    """What readers of one group follow. ``tables`` pins every lake table (qualified name) to a snapshot id.

    ``windows`` are those that a phased migration has published, ``basis`` is what they are counted by; once a round of catch-up has
    ``caught`` up, its cut holds the rows of all of them.

    ``origins`` names, for tables that are pinned to a compacted snapshot, the one that the cut landed as: the same rows.
    ``previous`` is the state to come back to; ``version`` grows by one with every move.
    ``position``: of the source's change log, up to where readers see it; ``fresh_at``: what was committed there until then is seen.
    ``compared``: the newest comparison with the source at one position; what is seen may be further since.
    """

    migration: str
    group: str
    state: State
    version: int
    cut_id: str
    tables: dict[str, int]
    evidence_hash: str
    moved_at: datetime
    moved_by: str
    why: str
    previous: State | None = None
    origins: dict[str, int] = field(default_factory=dict)
    windows: dict[str, WindowCut] = field(default_factory=dict)
    basis: str = ""
    caught: CaughtUp | None = None
    position: int = 0
    fresh_at: datetime | None = None
    compared: Compared | None = None

    def shows(self, cut_id: str) -> bool:
        """Whether readers see that cut: the one published last, that of a window, or that of the newest comparison."""
        return (
            self.cut_id == cut_id
            or (self.compared is not None and self.compared.cut_id == cut_id)
            or (self.caught is None and any(cut.cut_id == cut_id for cut in self.windows.values()))
        )

    def at(self, cut_id: str) -> Pointer:
        """The pointer as it was when the comparison was made whose cut that is; else as it is."""
        if self.compared is None or self.compared.cut_id != cut_id:
            return self
        then = self.compared
        return replace(self, cut_id=cut_id, tables=then.tables, origins={}, position=then.position)

    @property
    def content(self) -> dict[str, int]:
        """Table to the snapshot that the cut landed as. Verdicts and approvals bind to it, so that compaction voids none."""
        return self.tables | self.origins


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a signer approves, of every group of a run. Its hash is what the approval binds to.

    ``chain`` is number and hash of the newest record that vouches for one of its verdicts, and so binds all records before.
    ``accepted`` are the acceptances that stand for verdicts that failed.
    """

    migration: str
    run_key: str
    file_hash: str
    version: str
    cuts: dict[str, str]  # group to cut id
    tables: dict[str, dict[str, int]]  # group to table to the snapshot that the cut landed as
    rows: dict[str, dict[str, tuple[int, int, int]]]  # group to table to (read, landed, quarantined)
    verdicts: tuple[Verdict, ...]
    chain: str = ""
    accepted: tuple[Acceptance, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's answer: who, when, why, to which evidence, and what was declared with it."""

    migration: str
    run_key: str
    evidence_hash: str
    approved: bool
    by: str
    why: str
    at: datetime
    source_frozen: bool
    accept_quarantine: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """A move of the pointers of a run's groups: asked for by whom, when, why, on which evidence, and how it ended."""

    migration: str
    run_key: str
    groups: tuple[str, ...]
    before: State
    after: State
    evidence_hash: str
    by: str
    why: str
    at: datetime
    outcome: str  # begun, done, refused, reverted; planned in a dry run
    message: str = ""
