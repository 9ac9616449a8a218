"""Windows of a group: half-open slices of days or keys, which are left to be read, and how they are remembered. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from lakeward.domain.calendar import WEEKDAYS
from lakeward.domain.identity import WHOLE, digest
from lakeward.spec.models import CalendarSpec, WindowSpec

FIRST, LAST = date(2, 1, 1), date(9998, 1, 1)
"""Days before and from then on are no places: their rows are in the window ``UNPLACED``, with null and infinite ones."""
UNPLACED = "unplaced"
"""The window of rows that have no place: null in the column, or nobody that they follow."""
MOST = 10_000
"""Windows of one group."""

Place = int | date
"""A key or a day. The two are never mixed in one group, which types can't tell: hence the ignores where places are compared."""


@dataclass(frozen=True, slots=True)
class Window:
    """A slice from ``low`` up to, and without, ``high``; without bounds it is ``word``. ``rows`` were counted, or are near."""

    low: Place | None
    high: Place | None
    rows: int = 0
    word: str = UNPLACED  # or WHOLE

    @property
    def name(self) -> str:
        """``2024-03-01/2024-04-01``, ``1000/2000`` or ``unplaced``, and ``all`` for a group that is read at once."""
        return self.word if self.low is None else f"{self.low}/{self.high}"


def parse(name: str) -> Window:
    """The window of a name; ValueError when it is none."""
    if name in {UNPLACED, WHOLE}:
        return Window(None, None, word=name)
    low, _, high = name.partition("/")
    return Window(_place(low), _place(high))


def _place(text: str) -> Place:
    return int(text) if re.fullmatch(r"-?\d+", text) else date.fromisoformat(text)


def token(window: str) -> str:
    """What the names of a window's data files begin with."""
    return f"w{digest('window', window, length=12)}-"


def is_marked(url: str) -> bool:
    """Whether a data file's name tells its window."""
    return re.match(r"w[0-9a-f]{12}-", url.rpartition("/")[2]) is not None


def is_of(url: str, *windows: str) -> bool:
    """Whether a data file belongs to one of the windows."""
    return url.rpartition("/")[2].startswith(tuple(token(window) for window in windows))


# --- which there are ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """Rows at a day, or in the slice of keys that begins at ``at``. ``at`` is None for rows without a place.

    ``side``: -1 before the declared ``from``, 1 from the declared ``until`` on, else 0.
    """

    at: Place | None
    side: int
    rows: int


@dataclass(frozen=True, slots=True)
class Listing:
    """Windows with rows in the order in which they are taken, and what stays behind. ``done`` and ``left`` part ``windows``."""

    left: tuple[Window, ...]
    done: tuple[Window, ...]
    before: int = 0
    after: int = 0
    top: int | None = None  # where the slice of the largest key begins


def list_windows(
    spec: WindowSpec,
    calendar: CalendarSpec,
    counts: Iterable[Count],
    done: Mapping[str, int],
    reopened: Collection[str] = (),
) -> Listing:
    """What is left to be read, whatever sizes were declared before: only what no done window covers.

    :param done: windows that were read, with their rows.
    :param reopened: those of them that are read again.
    """
    covered = sorted((w for w in map(parse, done) if w.low is not None), key=lambda w: w.low)  # type: ignore[arg-type,return-value]
    pieces: dict[tuple[Place, Place], list[tuple[Place, Place]]] = {}
    rows: dict[tuple[Place | None, Place | None], int] = {}
    outside, top = {-1: 0, 1: 0}, None
    for count in counts:
        if isinstance(count.at, int):
            top = max(count.at, count.at if top is None else top)
        if count.side:
            outside[count.side] += count.rows
        elif count.at is None:
            rows[None, None] = rows.get((None, None), 0) + count.rows
        else:
            whole = bounds(spec, calendar, count.at)
            if whole not in pieces:
                pieces[whole] = list(_pieces(*whole, covered))
            for piece in pieces[whole]:
                if spec.size.unit == "key" or piece[0] <= count.at < piece[1]:  # type: ignore[operator]
                    rows[piece] = rows.get(piece, 0) + count.rows
    found = {Window(*piece, n) for piece, n in rows.items() if n and Window(*piece).name not in done}
    again = {replace(parse(name), rows=done[name]) for name in reopened}
    held = {replace(parse(name), rows=n) for name, n in done.items() if name not in reopened}
    left = (*ordered(found, spec.order), *ordered(again, spec.order))  # what was never read comes first
    return Listing(left, ordered(held, spec.order), outside[-1], outside[1], top)


def ordered(windows: Collection[Window], order: str) -> tuple[Window, ...]:
    """As declared; rows without a place come last."""
    placed = sorted((w for w in windows if w.low is not None), key=lambda w: w.low, reverse=order == "newest_first")  # type: ignore[arg-type,return-value]
    return (*placed, *(w for w in windows if w.low is None))


def bounds(spec: WindowSpec, calendar: CalendarSpec, at: Place) -> tuple[Place, Place]:
    """The window of a day or key, within what is declared."""
    low, high = _aligned(spec, calendar, at)
    if spec.size.unit != "key":
        low, high = max(low, FIRST), min(high, LAST)
    if spec.from_ is not None:
        low = max(low, spec.from_)
    if spec.until is not None:
        high = min(high, spec.until)
    return low, high


def _aligned(spec: WindowSpec, calendar: CalendarSpec, at: Place) -> tuple[Place, Place]:
    size = spec.size.number
    if not isinstance(at, date):
        return at // size * size, at // size * size + size
    if spec.size.unit == "month":
        first = (at.year * 12 + at.month - 1) // size * size
        return _month(first), _month(first + size)
    days, origin = size, 0
    if spec.size.unit == "week":
        days, origin = 7 * size, WEEKDAYS.index(calendar.week_starts) + 1  # the first of January of year 1 was a Monday
    low = (at.toordinal() - origin) // days * days + origin
    return _day(low), _day(low + days)


def _month(number: int) -> date:
    return date(min(max(number // 12, 1), 9999), number % 12 + 1, 1)


def _day(ordinal: int) -> date:
    return date.fromordinal(min(max(ordinal, FIRST.toordinal()), LAST.toordinal()))


def _pieces(low: Place, high: Place, covered: Sequence[Window]) -> Iterator[tuple[Place, Place]]:
    """What is left of a slice; the covered ones are in order."""
    for window in covered:
        if window.high <= low or window.low >= high:  # type: ignore[operator]
            continue
        if window.low > low:  # type: ignore[operator]
            yield low, window.low  # type: ignore[misc]
        low = window.high  # type: ignore[assignment]
    if low < high:  # type: ignore[operator]
        yield low, high


def has_ended(window: Window, spec: WindowSpec, calendar: CalendarSpec, taken_at: datetime, top: int | None) -> bool:
    """Whether no row is to be expected in a window any more; for days a whole day is waited for transactions that end late.

    :param top: the slice of the largest key when windows were listed.
    """
    if isinstance(window.high, date):
        return taken_at.astimezone(ZoneInfo(calendar.time_zone)).date() >= window.high + timedelta(days=1)
    if window.high is None or window.high == spec.until:
        return True
    return top is not None and top >= window.high


def chosen(word: str, listing: Listing) -> tuple[Window, ...]:
    """The windows that a word of the command line means: by name or beginning, or those that hold some of a day, month or year."""
    every = (*listing.left, *listing.done)
    span = _span(word)
    return tuple(w for w in every if word in {w.name, str(w.low)}) or tuple(
        w
        for w in every
        if span and isinstance(w.low, date) and w.low < span[1] and span[0] < w.high  # type: ignore[operator]
    )


def _span(word: str) -> tuple[date, date] | None:
    """The days of ``2024``, ``2024-03`` or ``2024-03-15``, half-open."""
    found = re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", word)
    year, month, day = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    try:
        low = date(year, month or 1, day or 1)
    except ValueError:
        return None
    return low, _day(low.toordinal() + 1) if day else _month(year * 12 + (month or 12))


def overlapping(listing: Listing, first: datetime, last: datetime, zone: str) -> tuple[Window, ...]:
    """The windows that hold days from one instant to another, in a zone; windows of keys hold none."""
    low, high = (at.astimezone(ZoneInfo(zone)).date() for at in (first, last))
    every = (*listing.left, *listing.done)
    return tuple(w for w in every if isinstance(w.low, date) and w.low <= high and low < w.high)  # type: ignore[operator]


# --- the record in a table's properties --------------------------------------------------------------------------------


def fold(record: str, names: Iterable[str]) -> str:
    """Windows that landed, as few intervals as there can be: ``2023-01-01/2024-04-01 unplaced``."""
    windows = {parse(word) for word in (*record.split(), *names)}
    merged: list[Window] = []
    for window in ordered(windows, "oldest_first"):
        last = merged[-1] if merged else None
        if last and last.low is not None and window.low is not None and window.low <= last.high:  # type: ignore[operator]
            merged[-1] = Window(last.low, max(last.high, window.high))  # type: ignore[type-var]
        else:
            merged.append(window)
    return " ".join(window.name for window in merged)


def holds(record: str, name: str) -> bool:
    """Whether a window is in the record, or some of it."""
    wanted = parse(name)
    for window in map(parse, record.split()):
        if wanted.low is None or window.low is None:
            if wanted.low is window.low:
                return True
        elif window.low < wanted.high and wanted.low < window.high:  # type: ignore[operator]
            return True
    return False
