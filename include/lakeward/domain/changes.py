"""Changes of a source between two positions of its log, and what is left of them by key, as DuckDB SQL.

Values are the source's own text. A spooled event has the columns of the source, and beside them ``#seq`` (its place in the log),
``#gone`` (the key was given up: deleted, or changed to another one), ``#unchanged`` (of an update: which columns the log did not
carry, a ``1`` for each), ``#life`` and ``#root`` (of a row whose key has changed: what it is known by since, and its key before).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lakeward.domain.duck import FILE, ROW, ROWS
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.sql import ident
from lakeward.domain.unread import has_unread

SEQ, GONE, UNCHANGED, LIFE, ROOT = "#seq", "#gone", "#unchanged", "#life", "#root"
N, KEEP, FILL = "#n", "#keep", "#fill"
EVENTS = "events"
"""Name of the input that holds the spooled events of a table."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch ends: at the first commit after so many changes or bytes, or so long after its first change.

    ``wait``: how long is waited for a first change.
    """

    changes: int
    bytes: int
    time: timedelta
    wait: timedelta


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot: how far it was confirmed, what the server keeps for it, and whether somebody reads from it."""

    name: str
    confirmed: int
    head: int
    retained_bytes: int
    active: bool
    lost: bool  # the server has given up what it kept


@dataclass(frozen=True, slots=True)
class ChangedTable:
    """The events of one table. ``emptied``: it was truncated before them. ``unfilled``: so many carry unchanged values."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    files: tuple[str, ...]
    events: int
    emptied: bool = False
    unfilled: int = 0

    @property
    def input(self) -> FileSet:
        """The events as something to read."""
        kinds = ((SEQ, "long"), (GONE, "boolean"), (UNCHANGED, "string"), (LIFE, "string"), (ROOT, "string"))
        return FileSet(self.files, StorageAccess(), (*kinds, *((c, "string") for c in self.columns)))


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """What was committed from one position up to, and without, another one."""

    since: int
    until: int
    transactions: int = 0
    changes: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    tables: dict[str, ChangedTable] = field(default_factory=dict)


def spelled(position: int) -> str:
    """A position as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def position(text: str) -> int:
    """The position that a text spells; 0 for an empty one."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32 | int(low, 16)) if low else 0


def key_columns(plan: TablePlan) -> tuple[str, ...]:
    """The source's names of the key's columns."""
    main = plan.lake[0]
    landed = {c.source: c.column for c in plan.columns}
    return tuple(landed[main.column(name).source] for name in main.key)


def spooled_columns(plan: TablePlan) -> tuple[str, ...]:
    """The source's columns that are taken from the log: those that land, and those that decide whether a row does."""
    return tuple(dict.fromkeys((*(c.column for c in plan.columns), *(f.column for f in plan.filter))))


def not_followed(plan: TablePlan) -> Iterator[tuple[str, str]]:
    """Why a table's changes can't be applied, and what to do."""
    if plan.kind not in {"table", "partitioned"}:
        yield f"a {plan.kind} has no change log", "Name the tables that it is made of."
    if not plan.lake[0].key:
        yield (
            "without a key its changes find no row",
            "Give it a primary key, or name a `key` and a replica identity that has it.",
        )
    if masked := [c.column for c in plan.columns if c.mask]:
        yield (
            f"{', '.join(masked)}: masks are done at the source, and the change log carries values as they are",
            "Take the mask out, or `drop` the column; a publication with a column list keeps it at the source.",
        )
    if has_unread(plan):
        yield (
            "a column of another type is judged row by row, which changes are not",
            "Leave `drift.retyped` out, and give the column another name by `rename`.",
        )


def key_text(parts: Sequence[str]) -> str:
    """A key as one text that no other key has."""
    return "".join(f"{len(part)}:{part}" for part in parts)


def touched_sql(changed: ChangedTable) -> str:
    """Every key that was met, once, numbered (``#n``)."""
    keys = ", ".join(map(ident, changed.key))
    return f"SELECT row_number() OVER () AS {ident(N)}, {keys} FROM (SELECT DISTINCT {keys} FROM {EVENTS})"


def latest_sql(changed: ChangedTable) -> str:
    """The last row of every key that is there at the end, numbered by its place in the log (``#n``).

    ``#fill`` marks the columns whose value only the lake has, and ``#root`` is then the key that the lake knows the row by, as
    JSON; both are null for nearly all rows.
    """
    keys = ", ".join(map(ident, changed.key))
    last = f"{ident(SEQ)} IN (SELECT max({ident(SEQ)}) FROM {EVENTS} GROUP BY {keys}) AND NOT {ident(GONE)}"
    if not changed.unfilled:
        columns = ", ".join(map(ident, changed.columns))
        empty = f"NULL::VARCHAR AS {ident(FILL)}, NULL::VARCHAR AS {ident(ROOT)}"
        return f"SELECT {ident(SEQ)} AS {ident(N)}, {empty}, {columns} FROM {EVENTS} WHERE {last}"
    own = " || ".join(f"length({ident(k)}) || ':' || {ident(k)}" for k in changed.key)
    lives = f"SELECT *, coalesce({ident(LIFE)}, {own}) AS {ident('#of')} FROM {EVENTS}"
    over = f"OVER (PARTITION BY {ident('#of')} ORDER BY {ident(SEQ)} ROWS UNBOUNDED PRECEDING)"
    filled, missing = [], []
    for n, name in enumerate(changed.columns, 1):
        absent = f"coalesce(substr({ident(UNCHANGED)}, {n}, 1) = '1', {ident(GONE)})"
        known = f"last_value(CASE WHEN NOT {absent} THEN [{ident(name)}] END IGNORE NULLS) {over}"
        filled.append(f"CASE WHEN {absent} THEN ({known})[1] ELSE {ident(name)} END AS {ident(name)}")
        missing.append(f"CASE WHEN {absent} AND ({known}) IS NULL THEN '1' ELSE '0' END")
    # The window is reckoned over all events, before the last ones are chosen.
    flags = f"{' || '.join(missing)} AS {ident(FILL)}"
    rows = f"SELECT {ident(SEQ)}, {ident(GONE)}, {ident(ROOT)}, {flags}, {', '.join(filled)} FROM ({lives})"
    needed = f"CASE WHEN contains({ident(FILL)}, '1') THEN"
    return (
        f"SELECT {ident(SEQ)} AS {ident(N)}, {needed} {ident(FILL)} END AS {ident(FILL)}, "
        f"{needed} coalesce({ident(ROOT)}, to_json([{keys}])::VARCHAR) END AS {ident(ROOT)}, "
        f"{', '.join(map(ident, changed.columns))} FROM ({rows}) WHERE {last}"
    )


def found_sql(by: Sequence[str]) -> str:
    """Where the rows are, in ``live``, that have the values of a row of ``keys`` in these columns: ``file`` and ``pos``."""
    on = " AND ".join(f"r.{ident(name)} = k.{ident(name)}" for name in by)
    return (
        f"SELECT r.{ident(FILE)} AS file, r.{ident(ROW)} AS pos FROM {ident('live' + ROWS)} r SEMI JOIN keys k ON {on}"
    )
