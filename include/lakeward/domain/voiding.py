"""What makes a verdict void: the basis that it was reached on is no longer what is there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from lakeward.domain.identity import digest
from lakeward.domain.maintenance import TableHistory

Basis = Mapping[str, str]
"""What a verdict was reached on, by name: cut, snapshots, the source's figures, rule and definitions."""

_OF_A_CUT = frozenset({"figures", "landed", "position", "snapshot", "snapshots", "staged", "table"})
_SAID = {
    "kpi": "the KPI is declared otherwise",
    "calendar": "the calendar is another",
    "rule": "figures are compared by rule {now}, it was {then}",
    "snapshot": "its rows were changed by a repair or another commit: snapshot {then} became {now}",
    "snapshots": "rows were changed by a repair or another commit: snapshots {then} became {now}",
    "figures": "the source's figures are others",
}


def inputs_of(kind: str, basis: Basis) -> str:
    """The hash of a basis, 64 hex digits."""
    return digest(kind, *(f"{name}={value}" for name, value in sorted(basis.items())))


def why_void(then: Basis, now: Basis) -> Iterator[str]:
    """In words what differs between the basis of a verdict and what is there now; nothing when they are the same."""
    reloaded = then.get("cut") != now.get("cut")
    if reloaded:
        yield f"cut {now.get('cut')} has replaced cut {then.get('cut', 'of before')}"
    for name in sorted({*then, *now} - {"cut"}):
        if then.get(name) != now.get(name) and not (reloaded and name in _OF_A_CUT):
            said = _SAID.get(name, f"{name} was {{then}} and is {{now}}")
            yield said.format(then=then.get(name, "not kept"), now=now.get(name, "nothing"))


def voided_by_rule(then: Basis, now: Basis) -> bool:
    """Whether it is what was declared that has changed, and not the rows."""
    return all(then.get(name) == now.get(name) for name in ({*then, *now} & {*_OF_A_CUT, "cut"}))


def is_gone(history: TableHistory, snapshot: int) -> bool:
    """Whether a table has lost a snapshot."""
    return all(known.snapshot_id != snapshot for known in history.snapshots)


def moved_on(history: TableHistory, content: int) -> tuple[int, datetime] | None:
    """The first snapshot on top of the cut's that changed rows, and when; None when ``main`` has its rows still.

    Compaction changes files only. Where the history was expired in between nothing can be told.
    """
    known = {snapshot.snapshot_id: snapshot for snapshot in history.snapshots}
    found, at = None, history.branches.get("main")
    while at is not None and at != content and at in known:
        if not known[at].rewritten:
            found = (at, known[at].at)
        at = known[at].parent
    return found
