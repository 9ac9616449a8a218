"""What somebody has accepted to differ: until when, why, by whom, and exactly what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

Word = str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of a figure's finest cell, or of a row: where it stands, and how far both sides are apart.

    Values are exact text, None where a side has none. ``rows`` is by how many rows a cell's sides differ, or how often a row is
    missing or there too often. ``place`` of a row without a key is a digest of its values. ``marks`` tell apart what the values don't: the
    fingerprints of a cell's rows on both sides, a digest of all values of a row that one side lacks.
    """

    kind: str
    grain: str = ""
    period: Word = None
    dimensions: tuple[tuple[str, Word], ...] = ()
    place: tuple[Word, ...] = ()
    column: str = ""
    expected: Word = None
    found: Word = None
    rows: int = 0
    marks: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Differences that may stay until ``expires`` (that day included), on whose word and why.

    ``rule`` is ``kpi``, ``rows`` or ``counts``, ``subject`` the KPI, the lake table or the group. ``periods``, ``dimensions``, ``keys`` and ``column``
    narrow it down; those that are empty narrow nothing. ``covers`` are the differences as they were found when it was made; without an ``amount`` it covers
    these alone, with one any in its scope whose values are no further apart, in as many rows on both sides; errors that cancel out
    have no amount.
    """

    migration: str
    group: str
    rule: str
    subject: str
    owner: str
    reason: str
    expires: date
    by: str
    at: datetime
    covers: tuple[Difference, ...]
    periods: tuple[str, ...] = ()
    dimensions: dict[str, Word] | None = None
    keys: tuple[tuple[str, ...], ...] = ()
    column: str = ""
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An acceptance that holds no longer; ``acceptance`` is its id."""

    migration: str
    acceptance: str
    by: str
    why: str
    at: datetime
