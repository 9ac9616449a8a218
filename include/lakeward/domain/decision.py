"""What the gate says, with every reason: derived from the evidence whenever somebody asks, and never stored as a truth of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Decision(StrEnum):
    """``hold``: something is not proved. ``ready``: a person may be asked, or, after the cutover, nothing speaks against staying.

    ``roll_back``: readers use the lake already, and it is proved that something is wrong with it.
    """

    HOLD = "hold"
    READY = "ready"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason against: what, of which group, check and period, since when, and what to do.

    ``proven`` is a difference that was found, rather than a proof that is wanting.
    """

    what: str
    group: str = ""
    kind: str = ""
    subject: str = ""
    grain: str = ""
    period: str = ""
    since: datetime | None = None
    todo: str = ""
    proven: bool = False

    def __str__(self) -> str:
        since = f" (since {self.since.astimezone(UTC):%Y-%m-%d %H:%M:%SZ})" if self.since else ""
        return f"{self.what}{since}"


@dataclass(frozen=True, slots=True)
class Streak:
    """How many closed periods in a row of one KPI are proved equal, the latest one first; ``why`` tells what ends the row."""

    group: str
    kpi: str
    grain: str
    passed: int
    wanted: int
    latest: str = ""
    why: str = ""

    def __str__(self) -> str:
        name = f"{self.grain.replace('_', ' ')}{'' if self.wanted == 1 else 's'}"
        back = f", back from {self.latest}" if self.latest else ""
        return f"{self.group}: {self.kpi}: {self.passed} of {self.wanted} closed {name}{back}{f'; {self.why}' if self.why else ''}"


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The decision, every reason against, what is to be weighed, progress over closed periods, and who signed the records."""

    decision: Decision
    why: tuple[Reason, ...]
    warnings: tuple[str, ...]
    evidence_hash: str
    quarantined: int
    streaks: tuple[Streak, ...] = ()
    signatures: str = ""

    @property
    def open(self) -> bool:
        """Whether a person may be asked."""
        return self.decision is Decision.READY

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason why not, as people read it."""
        return tuple(map(str, self.why))
