"""What may be tidied up: which snapshots and tags expire, which files nothing needs any more, and why the rest stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from lakeward.domain.evidence import State
from lakeward.domain.identity import tag_name

# --- snapshots --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SnapshotFact:
    """One snapshot of a table. ``rewritten``: it has the rows of its parent in other files, or in the same ones."""

    snapshot_id: int
    parent: int | None
    at: datetime
    rewritten: bool


@dataclass(frozen=True, slots=True)
class TableHistory:
    """A table's snapshots and all that names them: branches, tags, and the records of the batches that landed last."""

    table: str
    snapshots: tuple[SnapshotFact, ...]
    branches: dict[str, int]
    tags: dict[str, int]
    recorded: frozenset[int]


@dataclass(frozen=True, slots=True)
class Retention:
    """What expiry leaves in a table, beside every branch, every tag that is not of a cut, and what the batches record.

    :param pinned: snapshots that a pointer names.
    :param cuts: cuts whose tags stay; of the others the newest ``keep_cuts`` do.
    :param undo: whether the cut can still be taken out, which needs what was there before it.
    :param before: what is younger stays.
    """

    pinned: frozenset[int]
    cuts: frozenset[str]
    undo: bool
    keep_cuts: int
    keep_snapshots: int
    before: datetime


@dataclass(frozen=True, slots=True)
class Expiry:
    """What expires in a table, and how many snapshots stay for which reason."""

    table: str
    snapshots: tuple[int, ...]
    tags: tuple[str, ...]
    spared: dict[str, int]


def decide_expiry(history: TableHistory, rule: Retention) -> Expiry:
    """Apply the rule; the first reason that a snapshot stays for is told."""
    known = {s.snapshot_id: s for s in history.snapshots}
    tags = _old_tags(history, rule, known)
    reasons: dict[int, str] = {}
    for reason, snapshots in _needed(history, rule, tags, known):
        for snapshot in snapshots:
            reasons.setdefault(snapshot, reason)
    spared = Counter(reasons[s] for s in known if s in reasons)
    gone = tuple(s for s in known if s not in reasons)
    return Expiry(history.table, gone, tags, dict(sorted(spared.items())))


def _needed(
    history: TableHistory, rule: Retention, old_tags: tuple[str, ...], known: dict[int, SnapshotFact]
) -> Iterator[tuple[str, Iterable[int]]]:
    """Every reason to stay, and the snapshots that it spares."""
    yield "pinned by a pointer", rule.pinned
    yield "recorded as the last batch", history.recorded
    yield "head of a branch", history.branches.values()
    yield "tagged", (snapshot for tag, snapshot in history.tags.items() if tag not in old_tags)
    if rule.undo and "main" in history.branches:
        yield "needed to take the cut out again", _way_back(history.branches["main"], known)
    for head in history.branches.values():
        yield "one of the last of its branch", islice(_ancestry(head, known), rule.keep_snapshots)
    yield "young", (fact.snapshot_id for fact in history.snapshots if fact.at >= rule.before)


def _old_tags(history: TableHistory, rule: Retention, known: dict[int, SnapshotFact]) -> tuple[str, ...]:
    """Tags of cuts that nothing needs: not of a cut to keep, not pinned, not recorded, not young."""
    at = {tag: known[n].at for tag, n in history.tags.items() if tag.startswith(tag_name("")) and n in known}
    cuts: dict[str, datetime] = {}
    for tag, instant in at.items():
        cuts[_cut_of(tag)] = max(instant, cuts.get(_cut_of(tag), instant))
    newest = sorted(cuts, key=lambda cut: (cuts[cut], cut), reverse=True)[: rule.keep_cuts]
    keep, named = rule.cuts.union(newest), rule.pinned | history.recorded
    gone = (tag for tag in at if _cut_of(tag) not in keep and history.tags[tag] not in named and at[tag] < rule.before)
    return tuple(sorted(gone))


def _cut_of(tag: str) -> str:
    """The cut that a tag is of; a word behind it (``cut_<id>_<word>``) tells what else it is."""
    return tag.removeprefix(tag_name("")).partition("_")[0]


def _ancestry(start: int, known: dict[int, SnapshotFact]) -> Iterator[int]:
    at: int | None = start
    while at is not None and at in known:
        yield at
        at = known[at].parent


def _way_back(main: int, known: dict[int, SnapshotFact]) -> Iterator[int]:
    """Main, what it was rewritten from, the commit whose rows these are, and what was there before it."""
    for snapshot in _ancestry(main, known):
        yield snapshot
        if not known[snapshot].rewritten:
            if (before := known[snapshot].parent) is not None:
                yield before
            return


# --- files ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file below a table that nothing in its metadata names. ``kind``: data, metadata."""

    url: str
    kind: str
    bytes: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Leftover:
    """What nothing needs any more: where it lies, what it is, how much, since when, and why it can go."""

    where: str
    kind: str  # data, metadata, landing
    bytes: int
    modified: datetime
    why: str


@dataclass(frozen=True, slots=True)
class ExpiryReport:
    """Expiry over all tables of a migration; in a dry run nothing was changed."""

    migration: str
    at: datetime
    dry_run: bool
    tables: tuple[Expiry, ...]


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """What the janitor found, and removed unless it was a dry run. ``kept`` tells of every landing why it stays."""

    migration: str
    at: datetime
    dry_run: bool
    leftovers: tuple[Leftover, ...]
    kept: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Size of all leftovers."""
        return sum(one.bytes for one in self.leftovers)


# --- landings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LandingUse:
    """What decides how long a cut's landing is kept.

    :param published: the state of the group's pointer, when it shows the cut; else empty.
    :param last_used: when something was last done with the cut: landed, staged, measured, switched, replaced.
    :param superseded: a cut that was taken later is published in its place.
    :param discarded: it was taken out of the lake.
    """

    published: str
    last_used: datetime
    superseded: bool
    discarded: bool


def why_landing_stays(use: LandingUse, at: datetime, keep: timedelta, leftovers: timedelta) -> str:
    """The reason why the rows of a landing stay; empty when nothing needs them any more.

    :param keep: how long a landing is kept after its last use; ``leftovers``: how long that of a discarded cut.
    """
    if use.published and use.published != State.RETIRED:
        return f"its cut is published (state {use.published}) and may be cut over or back"
    until = use.last_used + (leftovers if use.discarded else keep)
    return f"kept until {until:%Y-%m-%d %H:%M:%SZ}" if at < until else ""


def may_still_be_committed(use: LandingUse, at: datetime, keep: timedelta) -> bool:
    """Whether the append step of a cut may still be run: its staged files are spared, however old they are."""
    return not use.superseded and not use.discarded and at < use.last_used + keep
