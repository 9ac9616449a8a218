"""Meters of a dual run: how long increments and queries take on both sides, and what was written, failed and stored. Pure.

Times are kept as spreads that can be added up: how many fell into each of many narrow classes. A quantile is told as the upper
end of its class, at most 5 % too high; the slowest is exact.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

_FINEST = 0.0001
_WIDTH = math.log(1.05)


@dataclass(frozen=True, slots=True)
class Spread:
    """Times in seconds, by their class (``_FINEST`` times 1.05 to the power of it)."""

    classes: Mapping[int, int] = field(default_factory=dict)
    slowest: float = 0.0

    @property
    def count(self) -> int:
        """How many times there are."""
        return sum(self.classes.values())

    def quantile(self, share: float) -> float | None:
        """The time that this share of all is not longer than; None without any."""
        wanted, seen = math.ceil(self.count * share), 0
        for one, n in sorted(self.classes.items()):
            seen += n
            if seen >= max(wanted, 1):
                return min(_FINEST * math.exp(one * _WIDTH), self.slowest)
        return None

    def plus(self, other: Spread) -> Spread:
        """Both together."""
        return Spread(Counter(self.classes) + Counter(other.classes), max(self.slowest, other.slowest))


def spread(times: Iterable[float]) -> Spread:
    """The spread of times in seconds; clocks that differ can make one negative, which is none."""
    found = [max(one, 0.0) for one in times]
    classes = Counter(max(0, math.ceil(math.log(max(one, _FINEST) / _FINEST) / _WIDTH)) for one in found)
    return Spread(classes, max(found, default=0.0))


@dataclass(frozen=True, slots=True)
class Side:
    """One system: its report queries' times and failed runs by report, bytes that it stores (None: could not be seen), requests."""

    queries: Mapping[str, Spread] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    stored: int | None = None
    requests: int = 0

    def plus(self, later: Side) -> Side:
        """Both together; what is stored is what was last seen."""
        names = sorted({*self.queries, *later.queries})
        empty = Spread()
        return Side(
            {name: self.queries.get(name, empty).plus(later.queries.get(name, empty)) for name in names},
            Counter(self.failed) + Counter(later.failed),
            self.stored if later.stored is None else later.stored,
            self.requests + later.requests,
        )


@dataclass(frozen=True, slots=True)
class Meter:
    """What was measured of a group's increments, of one run or of a whole day (``day`` by the migration's calendar).

    ``seconds``: for which lakeward worked. ``batches`` were shown to readers, ``rows`` and ``bytes`` in ``files`` are new in the
    lake, ``failures`` are runs that failed. ``write``: from reading a batch until readers see it; ``fresh``: from its first commit
    at the source until then. ``retained``: what the source keeps for the slot in bytes.
    """

    migration: str
    group: str
    day: str
    began: datetime
    seconds: float = 0.0
    batches: int = 0
    changes: int = 0
    rows: int = 0
    bytes: int = 0
    files: int = 0
    quarantined: int = 0
    failures: int = 0
    retained: int = 0
    write: Spread = field(default_factory=Spread)
    fresh: Spread = field(default_factory=Spread)
    source: Side = field(default_factory=Side)
    lake: Side = field(default_factory=Side)

    def plus(self, later: Meter) -> Meter:
        """This and a later one of the same group."""
        counts = ("seconds", "batches", "changes", "rows", "bytes", "files", "quarantined", "failures")
        return replace(
            self,
            **{name: getattr(self, name) + getattr(later, name) for name in counts},
            retained=later.retained,
            write=self.write.plus(later.write),
            fresh=self.fresh.plus(later.fresh),
            source=self.source.plus(later.source),
            lake=self.lake.plus(later.lake),
        )


def added(meters: Iterable[Meter]) -> Meter:
    """All meters of a group together, in the order of time; there must be one."""
    first, *rest = sorted(meters, key=lambda one: one.began)
    for one in rest:
        first = first.plus(one)
    return first


def by_day(meters: Iterable[Meter]) -> dict[str, Meter]:
    """All groups of a migration together, day by day: what they store and what is kept for them adds up."""
    found: dict[str, Meter] = {}
    for one in sorted(meters, key=lambda m: (m.day, m.group)):
        found[one.day] = _beside(found[one.day], one) if one.day in found else one
    return found


def _beside(one: Meter, other: Meter) -> Meter:
    sides = {}
    for name in ("source", "lake"):
        mine, theirs = getattr(one, name), getattr(other, name)
        known = [side.stored for side in (mine, theirs) if side.stored is not None]
        sides[name] = replace(mine.plus(theirs), stored=sum(known) if known else None)
    return replace(
        one.plus(other), group="", began=min(one.began, other.began), retained=one.retained + other.retained, **sides
    )
