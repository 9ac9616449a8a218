"""What is known about a source, a plan, a cut and the lake: frozen facts that are stored as JSON and read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from lakeward.errors import UnreadableError
from lakeward.spec.models import Filter, LiftAndShift
from lakeward.spec.rules import Rule

# --- the source's catalog ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column as the source's catalog tells it; ``type`` is the source's own spelling, domains resolved in ``base``."""

    name: str
    type: str
    base: str
    nullable: bool
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    category: str = (
        "plain"  # plain, array, composite, enum, domain, extension: of what a domain stands on, if that is special
    )
    comment: str = ""
    element: str = ""  # of an array, the base type of its elements; ``record`` for composite ones


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference that the source declares."""

    columns: tuple[str, ...]
    to_schema: str
    to_table: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table, view or materialized view as the source's catalog tells it."""

    schema: str
    name: str
    kind: str  # table, partitioned, view, materialized view, foreign, partly foreign
    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    has_children: bool
    row_security: bool
    readable: bool
    estimated_rows: int
    bytes: int
    indexes: tuple[str, ...] = ()  # but the primary key's
    unreadable_columns: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()  # labels of every table that it inherits from, whose rows hold its own
    whole: bool = True  # the role may read the table, not only columns of it by name, which ctid is none of

    @property
    def label(self) -> str:
        """``schema.table`` for messages."""
        return f"{self.schema}.{self.name}"


# --- the plan ---------------------------------------------------------------------------------------------------------


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
    policy: str = ""  # null, text, trim
    bounds: str = ""  # where bounds of arrays are looked for: array, composite, both
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
    ``key`` (a map's key), ``parent`` (the parent's key column ``source``).
    """

    name: str
    type: str
    required: bool
    role: str
    source: str
    path: tuple[str, ...] = ()
    nested: str = "json"  # how ``source`` holds its records: json, jsonb, text (of the source's type), for the source's own figures


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
    """A table of the lake as it must be; ``key`` are the lake's names, empty when the source declares none."""

    name: str
    columns: tuple[LakeColumn, ...]
    key: tuple[str, ...]
    partition: tuple[PartitionField, ...] = ()
    sort: tuple[SortField, ...] = ()
    rules: tuple[Rule, ...] = ()
    source: str = ""  # the landed column that holds the list or map, for child tables
    path: tuple[str, ...] = ()  # where in it
    kind: str = "main"  # main, list, map

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

    @property
    def name(self) -> str:
        """The main lake table's name; also the name of the landing folder."""
        return self.lake[0].name

    @property
    def label(self) -> str:
        """``schema.table`` for messages."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class ReferencePlan:
    """Rows of lake table ``table`` name rows of lake table ``to``; null columns name nothing."""

    table: str
    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]
    origin: str  # file, source, parent (a child table names its parent)


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """One entity group."""

    name: str
    cut_id: str
    tables: tuple[TablePlan, ...]
    references: tuple[ReferencePlan, ...]
    max_quarantine_share: float
    notes: tuple[str, ...] = ()

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

    migration: LiftAndShift
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


# --- files and cuts ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileFact:
    """A Parquet file that was written: where, how many rows and bytes, and what its content is (sha256 or etag)."""

    url: str
    rows: int
    bytes: int
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class LandedTable:
    """What one table left in the landing. ``source_rows`` is the source's own count in the cut's snapshot."""

    table: str
    files: tuple[FileFact, ...]
    rows: int
    source_rows: int
    guards: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """The landing of one group at one cut. Written last and only if absent: without it a landing does not exist."""

    migration: str
    group: str
    cut_id: str
    run_key: str
    file_hash: str
    version: str
    snapshot: str
    taken_at: datetime
    source: str  # host, database, server version; never credentials
    tables: tuple[LandedTable, ...]
    figures: tuple[
        FileFact, ...
    ]  # figures/<kpi>.parquet of each KPI, rows/<lake table>.parquet of each table whose rows are proved
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A data file of a lake table that nobody can read yet. ``partition`` are the partition's values in Iceberg's own form.

    ``checksum`` tells its content from any other: the store's etag, or the sha256.
    """

    url: str
    rows: int
    bytes: int
    checksum: str
    partition: tuple[int | str | bool | None, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A data file of a table's current snapshot. ``partition`` tells its partition from others, and says nothing else."""

    url: str
    rows: int
    bytes: int
    partition: str


@dataclass(frozen=True, slots=True)
class StagedTable:
    """The data files of one lake table for one cut, and what was set aside."""

    table: str
    files: tuple[StagedFile, ...]
    rows: int
    read: int  # rows of the landing (main tables), list items or map entries (children)
    quarantined: int


@dataclass(frozen=True, slots=True)
class Staged:
    """The staged files of a group; written once per cut, the first wins. The quarantine table is among ``tables``."""

    group: str
    cut_id: str
    tables: tuple[StagedTable, ...]
    seconds: float = 0.0

    def table(self, name: str) -> StagedTable:
        """The table of that name; KeyError when there is none."""
        for table in self.tables:
            if table.table == name:
                return table
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Committed:
    """A table's snapshot that holds the batch."""

    table: str
    batch_id: str
    snapshot_id: int
    rows: int
    already: bool  # the batch had landed before


@dataclass(frozen=True, slots=True)
class Appended:
    """A group whose batch is in the lake, and how it was committed: ``multi`` is one transaction over all tables."""

    group: str
    cut_id: str
    multi: bool
    tables: tuple[Committed, ...]

    @property
    def snapshots(self) -> dict[str, int]:
        """Table to snapshot id."""
        return {c.table: c.snapshot_id for c in self.tables}


# --- storage ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StorageAccess:
    """How files are reached; empty for local ones. Its repr never shows the keys."""

    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    path_style: bool = True


@dataclass(frozen=True, slots=True)
class FileSet:
    """Parquet files that are read as one table; ``columns`` (name, lake type) give the schema when there is no file."""

    urls: tuple[str, ...]
    access: StorageAccess
    columns: tuple[tuple[str, str], ...]


# --- JSON -------------------------------------------------------------------------------------------------------------

T = TypeVar("T")


_ADAPTERS: dict[type, TypeAdapter[object]] = {}


def _adapter(kind: type) -> TypeAdapter[object]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_json(fact: object) -> bytes:
    """A fact as JSON, the same bytes for the same fact."""
    return _adapter(type(fact)).dump_json(fact, indent=1)


def from_json(kind: type[T], data: bytes | str, at: str = "") -> T:
    """Read a fact back; UnreadableError when it is another, or was cut off or changed.

    :param at: where it is stored, for the message.
    """
    try:
        return cast("T", _adapter(kind).validate_json(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise UnreadableError(
            f"What is stored as {kind.__name__}{f' at {at}' if at else ''} ({len(data)} bytes) can't be read: {where}: {first['msg']}.",
            todo="It was changed, cut off, or written by another version: find out who writes below the landing path. Put the object "
            "back from a copy or the store's versions if there is one; a landing or plan that is lost is made anew by a new run "
            "(`lakeward run --new`), and docs/operating.md tells how pointers and claims are.",
        ) from None
