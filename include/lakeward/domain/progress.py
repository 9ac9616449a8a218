"""How far a phased group is, how fast it moves, when it will be through, and whether a budget has room. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lakeward.domain.evidence import WindowCut
from lakeward.domain.windows import Listing, Window
from lakeward.domain.words import counted
from lakeward.spec.models import BudgetSpec

STEP = "windows"
"""The ledger's name of the step that tells of a group's progress."""
RECENT = 10
"""Windows that the rate is told by."""


@dataclass(frozen=True, slots=True)
class GroupProgress:
    """Where a group is. ``rate`` is rows a second of the last windows; ``held`` is the first window whose gate is held.

    ``caught`` tells how far the group has caught up with its source, once no window is left.
    """

    group: str
    done: int
    rows_done: int
    left: int
    rows_left: int
    rate: float
    moved: tuple[str, ...] = ()
    held: str = ""
    why: str = ""
    before: int = 0
    after: int = 0
    caught: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing is left and every gate is open."""
        return not self.left and not self.held

    @property
    def remaining(self) -> timedelta | None:
        """Work that is left, at the rate of the last windows."""
        if not self.left:
            return timedelta(0)
        return timedelta(seconds=round(self.rows_left / self.rate)) if self.rate else None

    def told(self, budget: BudgetSpec, at: datetime) -> str:
        """In one line."""
        parts = [
            f"{self.done} of {counted(self.done + self.left, 'window')}, {self.rows_done:,} of {self.rows_done + self.rows_left:,} rows"
        ]
        if self.rate:
            parts.append(f"{self.rate:,.0f} rows/s")
        if self.left and self.remaining is not None:
            parts.append(f"about {self.remaining} of work left{_end(self.remaining, budget, at)}")
        if self.before:
            parts.append(f"{self.before:,} rows before `from` stay behind")
        if self.after:
            parts.append(f"{self.after:,} rows from `until` on stay behind")
        if self.held:
            parts.append(f"held at {self.held}" if self.caught else f"held at window {self.held}")
        if self.caught:
            parts.append(self.caught)
        if self.why:
            parts.append(self.why)
        return ", ".join(parts)


def _end(remaining: timedelta, budget: BudgetSpec, at: datetime) -> str:
    if budget.time is not None and remaining > budget.time.delta:
        return f", {-(-remaining // budget.time.delta)} runs"
    return f", expected end {at + remaining:%Y-%m-%d %H:%M}Z"


def progress_of(
    group: str,
    windows: Mapping[str, WindowCut],
    listing: Listing,
    moved: tuple[str, ...] = (),
    why: str = "",
) -> GroupProgress:
    """What pointer and listing tell; a window that is only read again is done."""
    left = [w for w in listing.left if w.name not in windows]
    recent = [windows[name] for name in moved if name in windows] or list(windows.values())
    seconds = sum(cut.seconds for cut in recent[-RECENT:])
    return GroupProgress(
        group=group,
        done=len(windows),
        rows_done=sum(cut.rows for cut in windows.values()),
        left=len(left),
        rows_left=sum(w.rows for w in left),
        rate=sum(cut.rows for cut in recent[-RECENT:]) / seconds if seconds else 0.0,
        moved=moved,
        held=next((name for name, cut in windows.items() if cut.gate != "open"), ""),
        why=why,
        before=listing.before,
        after=listing.after,
    )


def spent(
    budget: BudgetSpec,
    moved: tuple[WindowCut, ...],
    coming: Window,
    now: datetime,
    deadline: datetime | None,
) -> str:
    """Why the next window is not begun in this run; empty when it is. The first is always begun in time."""
    if deadline is not None and now >= deadline:
        return "the time budget is spent"
    if not moved:
        return ""
    rows, seconds, size = (sum(getattr(cut, name) for cut in moved) for name in ("rows", "seconds", "bytes"))
    if deadline is not None and rows and now + timedelta(seconds=coming.rows * seconds / rows) > deadline:
        return f"window {coming.name} is not likely to end within the time budget"
    if budget.rows is not None and rows + coming.rows > budget.rows:
        return f"{rows:,} rows are moved, and window {coming.name} would exceed the budget of {budget.rows:,}"
    if budget.bytes is not None and rows and size + coming.rows * size / rows > budget.bytes.bytes:
        return f"{size / 1e6:,.1f} MB have landed, and window {coming.name} would exceed the budget of {budget.bytes}"
    return ""
