"""What a plan says: what is read how, and which lake tables it becomes; frozen facts that are stored as JSON and read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from lakeward.domain.dialect import Dialect
from lakeward.domain.identity import WHOLE
from lakeward.spec.models import AnyMigration, Filter
from lakeward.spec.names import home_of
from lakeward.spec.rules import Rule

if TYPE_CHECKING:
    from lakeward.domain.tree import Expression, Select


@dataclass(frozen=True, slots=True)
class LandedColumn:
    """A column on its way into the landing; it keeps the source's name there.

    ``type`` is the lake's type of the landed value (``json`` for nested ones). ``expression`` is the SQL by which the source
    itself gives the exact value: ``"name"``, a cast, or a text form; ``native`` says that the fast scanner gives the same.
    ``pad`` is the length of a fixed char(n), which the scanner trims. ``policy`` is what the file declares for values that a
    guard finds; without one they are refused.
    """

    source: str
    type: str
    source_type: str
    expression: str
    native: bool
    nullable: bool
    pad: int | None = None
    mask: str | None = None
    guards: tuple[str, ...] = ()  # nan, infinity, scale, ...: counted at the source, refused when not zero
    policy: str = ""  # null, text, trim, quarantine
    bounds: str = ""  # where bounds of arrays are looked for: array, composite, both
    definition: str = ""  # of its type at the source: an enum's labels, what a domain stands on
    name: str = ""  # the source's own name, where ``source`` had to differ from it by more than case

    @property
    def column(self) -> str:
        """The column's name at the source."""
        return self.name or self.source


@dataclass(frozen=True, slots=True)
class LakeColumn:
    """A column of a lake table and where its value comes from.

    ``role``: ``value`` (a landed column, or ``path`` inside it), ``shape`` (which declared paths are null, missing or empty),
    ``undeclared`` (whole JSON text of a record with keys that no field names), ``position`` (index in the parent's list),
    ``key`` (a map's key), ``parent`` (the parent's key column ``source``), ``gone`` (the lake has it and the source no longer does:
    null in what is written, not compared).
    """

    name: str
    type: str
    required: bool
    role: str
    source: str
    path: tuple[str, ...] = ()
    nested: str = "json"  # how ``source`` holds its records: json, jsonb, text (of the source's type), for the source's own figures


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A column of a lake table that is there. ``gone``: the source had lost it when the table was last evolved."""

    name: str
    type: str
    required: bool
    key: bool = False
    partitioned: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class LiveTable:
    """A lake table that is there; ``filled``: something has landed in it."""

    columns: tuple[LiveColumn, ...]
    filled: bool


@dataclass(frozen=True, slots=True)
class SortField:
    """A column to sort by."""

    column: str
    descending: bool


@dataclass(frozen=True, slots=True)
class PartitionField:
    """A partition transform over a lake column: identity, year, month, day, hour, bucket[N] or truncate[W]."""

    transform: str
    column: str

    def __str__(self) -> str:
        word, _, width = self.transform.rstrip("]").partition("[")
        return f"{word}({width}, {self.column})" if width else f"{word}({self.column})"


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table of the lake as it must be; ``key`` are the lake's names, empty when the source declares none.

    ``evolve`` are columns that a table which is there may be given, or whose type may be widened or made optional in it; ``drift``
    tells what has changed since it was made, in words.
    """

    name: str
    columns: tuple[LakeColumn, ...]
    key: tuple[str, ...]
    partition: tuple[PartitionField, ...] = ()
    sort: tuple[SortField, ...] = ()
    rules: tuple[Rule, ...] = ()
    source: str = ""  # the landed column that holds the list or map, for child tables
    path: tuple[str, ...] = ()  # where in it
    kind: str = "main"  # main, list, map
    evolve: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()

    def column(self, name: str) -> LakeColumn:
        """The column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class NestedColumn:
    """How records in a landed column are judged: every path that may stand in them, with its type."""

    source: str
    fields: tuple[tuple[tuple[str, ...], str], ...]  # path, lake type
    lists: tuple[tuple[tuple[str, ...], tuple[tuple[tuple[str, ...], str], ...]], ...]  # path, fields of the items
    maps: tuple[tuple[tuple[str, ...], str], ...]  # path, type of the values
    undeclared: str  # keep, ignore, quarantine
    nullable: bool
    max_bytes: int = 16_000_000  # of a value's text; the source cuts short what is larger, and it is quarantined


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One source table, how it is read, and the lake tables it becomes: the main one first, then its children."""

    schema: str
    table: str
    filter: tuple[Filter, ...]
    columns: tuple[LandedColumn, ...]
    nested: tuple[NestedColumn, ...]
    lake: tuple[LakeTable, ...]
    scan: bool  # the fast scanner may read it; else the source runs our SELECT
    ctid: bool  # a plain heap table, whose pages can be shared out
    estimated_rows: int
    notes: tuple[str, ...] = ()
    kind: str = ""  # of the source's table, as SourceTable tells it
    dropped: tuple[str, ...] = ()  # columns of the source that are left behind
    prove_rows: bool = True  # every column of every row is compared, beside the KPIs
    within: str = ""  # condition of the source's SQL: only the rows of a window
    dialect: Dialect = Dialect.POSTGRES  # of the source, in which its expressions and conditions are written
    adopt: bool = False  # its files are copied as they are, into the landing and from there into the lake

    @property
    def name(self) -> str:
        """The main lake table's name; also the name of the landing folder."""
        return self.lake[0].name

    @property
    def label(self) -> str:
        """``schema.table`` for messages."""
        return f"{self.schema}.{self.table}"

    def where(self, extra: str = "") -> str:
        """``WHERE`` of the rows that are read at the source, in its own SQL, or nothing."""
        from lakeward.domain.spelling import spelling

        condition = self._condition(extra)
        return f"WHERE {spelling(self.dialect).sql(condition)}" if condition else ""

    def select(self, items: Sequence[Expression]) -> Select:
        """A SELECT over the rows that are read at the source."""
        from lakeward.domain.tree import select, table

        return select(items, table(self.table, schema=self.schema), self._condition())

    def _condition(self, extra: str = "") -> Expression | None:
        """What rows fulfil that are read at the source; which of them a window or page takes was compiled elsewhere."""
        from lakeward.domain.filter_sql import literal, term
        from lakeward.domain.tree import every, raw

        terms = [
            term(
                one, self._filtered(one.column), lambda value: literal(value, zoned=self.dialect is not Dialect.MARIADB)
            )
            for one in self.filter
        ]
        terms += [raw(f"({given})") for given in (self.within, extra) if given]
        return every(*terms) if terms else None

    def _filtered(self, name: str) -> Expression:
        """What a filter looks at: PostgreSQL's own column, else the value that it is read as."""
        from lakeward.domain import tree

        own = self.dialect is Dialect.POSTGRES
        found = None if own else next((c for c in self.columns if c.column == name and not c.mask), None)
        return tree.raw(f"({found.expression})") if found else tree.name(name)


@dataclass(frozen=True, slots=True)
class ReferencePlan:
    """Rows of lake table ``table`` name rows of lake table ``to``; null columns name nothing."""

    table: str
    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]
    origin: str  # file, source, parent (a child table names its parent)


@dataclass(frozen=True, slots=True)
class Follower:
    """Rows of ``table`` are in the window of the row of ``to`` that they name; columns are the source's."""

    table: str
    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Windowing:
    """The table that a group is sliced by (the main lake table's name), and those that follow it."""

    table: str
    column: str  # of the source
    kind: str  # date, timestamp, timestamptz, key
    zone: str  # whose days are meant
    followers: tuple[Follower, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        """Every main table that is read by windows."""
        return (self.table, *(f.table for f in self.followers))

    @property
    def basis(self) -> str:
        """What windows are counted by; another one would slice otherwise."""
        return (
            f"{self.table}.{self.column} in {self.zone}"
            if self.kind == "timestamptz"
            else f"{self.table}.{self.column}"
        )


@dataclass(frozen=True, slots=True)
class Watermark:
    """The column of a table (the main lake table's name) that every insert and update raises; ``zone`` is whose times it holds.

    ``overlap``: seconds, or numbers, before the last mark from where rows are read again.
    """

    table: str
    column: str  # of the source
    kind: str  # timestamp, timestamptz, number
    zone: str
    overlap: int


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """One entity group; at the cut of a window ``window`` names it, and the tables' conditions are of it."""

    name: str
    cut_id: str
    tables: tuple[TablePlan, ...]
    references: tuple[ReferencePlan, ...]
    max_quarantine_share: float
    notes: tuple[str, ...] = ()
    windowing: Windowing | None = None
    window: str = WHOLE
    top: int | None = None  # where the slice of the largest key began when windows were listed
    watermarks: tuple[Watermark, ...] = ()

    @property
    def dialect(self) -> Dialect:
        """Of the source."""
        return self.tables[0].dialect if self.tables else Dialect.POSTGRES

    @property
    def home(self) -> str:
        """The schema that a table without one is in."""
        return home_of(self.dialect.value)

    @property
    def sliced(self) -> frozenset[str]:
        """Every lake table that holds the rows of several windows."""
        names = self.windowing.tables if self.windowing else ()
        return frozenset(table.name for plan in self.tables if plan.name in names for table in plan.lake)

    @property
    def lake_tables(self) -> tuple[LakeTable, ...]:
        """Every lake table of the group, the quarantine aside."""
        return tuple(table for plan in self.tables for table in plan.lake)

    @property
    def quarantine(self) -> str:
        """Name of the group's quarantine table."""
        return f"{self.name}_quarantine"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the later steps of a run need; frozen beside the landing before anything is read."""

    migration: AnyMigration
    text: str
    file_hash: str
    version: str
    run_key: str
    planned_at: datetime
    groups: tuple[GroupPlan, ...]
    notes: tuple[str, ...] = ()

    def group(self, name: str) -> GroupPlan:
        """The group of that name; KeyError when there is none."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)
