"""The parts of a phased migration: windows of a group, waves of groups, the budget and the schedule of its runs."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, Strict

from lakeward.spec.scalars import Count, LakeName, Pause, Size, Span, Word
from lakeward.spec.tables import GroupSpec, Spec

_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly")
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of the week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


class WindowSize(Word):
    """How much a window holds, as `1 month` or `100000 keys`."""

    __slots__ = ()
    form = r"[1-9][0-9]{0,11} (day|week|month|key)s?"
    example = "1 month, 1 week, 1 day, 100000 keys"
    parts = ": a whole number from 1, a blank, then days, weeks, months or keys"

    @classmethod
    def parse(cls, text: str) -> str:
        """One blank, no plural."""
        return super().parse(" ".join(text.split())).rstrip("s")

    @property
    def number(self) -> int:
        """How many of them."""
        return int(self.split()[0])

    @property
    def unit(self) -> str:
        """day, week, month or key."""
        return self.split()[1]


class Schedule(Word):
    """When runs begin: `@hourly`, `@daily`, `@weekly`, `@monthly`, or a cron expression of five fields."""

    __slots__ = ()
    form = r"@hourly|@daily|@weekly|@monthly|\S+( \S+){4}"
    example = "@daily, 30 22 * * mon-fri"

    @classmethod
    def parse(cls, text: str) -> str:
        """Each field holds `*`, numbers or names, ranges, steps; within its bounds."""
        text = " ".join(text.lower().split())
        if text in _PRESETS:
            return text
        fields = text.split()
        if len(fields) != len(_FIELDS):
            raise ValueError(
                f"{text!r} is no schedule: write one of {', '.join(_PRESETS)}, or five fields (minute, hour, day of the month, "
                "month, day of the week), as in `30 22 * * mon-fri`"
            )
        for value, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
            for part in value.split(","):
                if not _is_part(part, low, high, names):
                    raise ValueError(
                        f"{text!r}: {part!r} is no {name}: `*`, a number from {low} to {high}, a range, a step"
                    )
        days, months = (_numbers(fields[n], *_FIELDS[n][1:]) for n in (2, 3))
        if fields[4] == "*" and all(day > _LONGEST[month - 1] for day in days for month in months):
            raise ValueError(f"{text!r} never comes: no such month has a day {min(days)}")
        return text


_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _numbers(value: str, low: int, high: int, names: tuple[str, ...]) -> set[int]:
    """All that a field which holds good parts means."""
    found: set[int] = set()
    for part in value.split(","):
        span, _, step = part.partition("/")
        ends = [low, high] if span == "*" else [_number(end, low, names) for end in span.split("-")]
        last = high if step and len(ends) == 1 else ends[-1]
        found |= set(range(ends[0], last + 1, int(step or 1)))
    return found


def _number(word: str, low: int, names: tuple[str, ...]) -> int:
    if word in names:
        return names.index(word) + low
    return int(word) if word.isdecimal() else -1


def _is_part(part: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    found = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/([1-9][0-9]?))?", part)
    if not found:
        return False
    if found[1] == "*":
        return True
    ends = [_number(end, low, names) for end in found.group(2, 3) if end]
    return all(low <= end <= high for end in ends) and ends == sorted(ends)


Bound = Annotated[int, Strict()] | date


class WindowSpec(Spec):
    """The slices that a group is read in, each at a cut of its own.

    Tables whose rows refer to the windowed table (by a reference to its key) follow it: a row is in the window of the row that
    it names. Every other table of the group is read whole with each window, so that no row is published before what it names.
    """

    model_config = ConfigDict(populate_by_name=True)

    table: str = Field(min_length=1, description="The table whose rows are sliced, as it is listed under `tables`.")
    column: str = Field(
        min_length=1, description="Its column, by the source's name: a date, a timestamp, or a whole number."
    )
    size: WindowSize = Field(
        description="How much one window holds; days, weeks and months are those of the `calendar`."
    )
    order: Literal["newest_first", "oldest_first"] = Field("newest_first", description="Which window is taken first.")
    from_: Bound | None = Field(
        None, alias="from", description="The first day or key; older rows stay behind. Default: from the oldest row on."
    )
    until: Bound | None = Field(
        None,
        description="The day or key that is the first to stay behind. Default: up to the newest row, again and again.",
    )


class WatermarkSpec(Spec):
    """A column that tells which rows are new or changed: it grows with every insert and every update."""

    table: str = Field(min_length=1, description="The table, as it is listed under `tables`.")
    column: str = Field(
        min_length=1,
        description="Its column, by the source's name: an instant or a whole number that every insert and update raises. An index on it is what makes it worthwhile.",
    )
    overlap: Pause = Field(
        Pause("1m"),
        description="How long before the last mark rows are read again, for clocks that differ; transactions that end late are reckoned "
        "with anyway.",
    )
    overlap_numbers: Count = Field(
        1000, ge=0, description="The same where the column is a number, for numbers that are drawn in advance."
    )


class CatchUpSpec(Spec):
    """What happens to a group once all its windows are done: its rows follow the source, round after round, each a cut of the whole group."""

    lag: Span = Field(Span("5m"), description="The group counts as caught up when it is not further behind the source.")
    watermarks: tuple[WatermarkSpec, ...] = Field(
        (),
        description="Columns by which rounds between two proofs find new and changed rows; without one for every table, each round compares "
        "fingerprints of all rows.",
    )
    deletes: Literal["compare", "none"] = Field(
        "compare",
        description="How rounds by watermarks find deleted rows: by comparing keys, or not at all; the round at a run's end always finds them.",
    )


class PhasedGroup(GroupSpec):
    """Entities that belong together: read at one cut per window, published at one instant."""

    window: WindowSpec | None = Field(
        None, description="The slices that the group is read in; without it, it is read at once."
    )
    catch_up: CatchUpSpec | None = Field(
        None,
        description="The group follows the source when its windows are done; without it, it stays as it was read, and can't be cut over.",
    )


class WaveSpec(Spec):
    """Groups that are moved in the same phase."""

    name: LakeName = Field(description="Name of the wave.")
    groups: tuple[LakeName, ...] = Field(min_length=1, description="Its groups, in the order in which they are taken.")
    after: tuple[LakeName, ...] | None = Field(
        None,
        description="Waves that must be complete, every gate of them open, before this one begins; default is the one written before it. "
        "`[]` is none.",
    )


class Hours(Word):
    """A time of the day, each day, as `22:00-06:00`."""

    __slots__ = ()
    form = r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]"
    example = "22:00-06:00"
    parts = ": two times of the day with a hyphen between, without blanks"

    def holds(self, clock: time) -> bool:
        """Whether a time of the day is in it; it may go past midnight, and from a time to the same one it is the whole day."""
        low, high = (time.fromisoformat(end) for end in self.split("-"))
        return low <= clock < high if low < high else clock >= low or clock < high


class ThrottleSpec(Spec):
    """When the source is left in peace: looked at before each window and each round. What holds is waited for, then the run ends."""

    hours: Hours | None = Field(None, description="Only in these hours, of the `calendar`'s time zone.")
    active_sessions: Count | None = Field(
        None, ge=1, description="Not while more sessions than these are at work at the source, lakeward's own left out."
    )
    replication_lag: Span | None = Field(
        None,
        description="Not while a replica of the source is further behind; sessions and lag are seen with `pg_read_all_stats`.",
    )
    patience: Pause = Field(
        Pause("10m"), description="How long a run waits for that to change; then it ends, and the next one goes on."
    )


class BudgetSpec(Spec):
    """What one run may take; it ends between two windows, and takes at least one."""

    time: Span | None = Field(None, description="No window is begun that is not likely to end within it.")
    rows: Count | None = Field(None, ge=1, description="Rows of the windowed tables, in each group.")
    bytes: Size | None = Field(None, description="Landed bytes, in each group.")
