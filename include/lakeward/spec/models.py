"""What people write in a migration file, as frozen models that refuse unknown keys.

Names under ``tables`` that describe reading (``key``, ``filter``, ``drop``, ``mask``, ``rename``, ``types``, ``flatten.column``)
are the source's; everywhere else (``partition``, ``sort``, ``rules``, ``references``, ``kpis``) the lake's names are meant.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lakeward.spec.rules import Rule
from lakeward.spec.scalars import (
    Expression,
    Identifier,
    LakeName,
    LakeType,
    Scalar,
    Size,
    SortTerm,
    Span,
    Transform,
    ZoneName,
)


class Spec(BaseModel):
    """Base of all parts of a migration file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


class SourceSpec(Spec):
    """The system that is read."""

    kind: Literal["postgres"] = Field("postgres", description="The kind of source.")
    connection: Identifier = Field(description="Airflow connection id; read-only rights are enough.")
    readers: int = Field(2, ge=1, le=32, description="Parallel readers that share the one snapshot of a cut.")
    max_snapshot_age: Span = Field(
        Span("2h"), description="A cut whose snapshot has been open for longer is given up, so that vacuum can go on."
    )


class TargetSpec(Spec):
    """The Iceberg catalog and namespace that are written."""

    connection: Identifier = Field(
        description="Airflow connection id of type `iceberg`; its extras are catalog properties."
    )
    namespace: LakeName = Field(description="One level; created when it is missing.")
    table_prefix: str = Field("", pattern=r"^([a-z0-9][a-z0-9_]*)?$", description="Put before every lake table's name.")
    file_size: Size = Field(Size("128MB"), description="Size that data files are rolled at.")


class LandingSpec(Spec):
    """Where the immutable picture of the source at the cut, the evidence and the pointers are kept."""

    path: str = Field(
        pattern=r"^(s3://[^/]+(/.*)?|file:///.+|/.+|\./.+)$",
        description="`s3://bucket/prefix`, or a local folder (absolute, or beginning with `./` and then inside LAKEWARD_HOME).",
    )
    connection: Identifier | None = Field(
        None, description="Airflow connection id of type `aws`; needed for `s3://` only."
    )


class FilterOp(StrEnum):
    """Comparison of a row filter."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    NOT_IN = "not in"
    IS_NULL = "is null"
    NOT_NULL = "is not null"


class Filter(Spec):
    """One comparison; a list of them is joined by AND. Null compares as in SQL: it never matches `=` or `!=`."""

    column: str = Field(min_length=1)
    op: FilterOp = FilterOp.EQ
    value: Scalar | tuple[Scalar, ...] | None = Field(
        None, description="A list for `in` and `not in`; none for the null tests."
    )


class MaskMethod(StrEnum):
    """How a column is made unreadable before it is landed."""

    HASH = "hash"
    REDACT = "redact"
    NULL = "null"


class FieldMap(Spec):
    """A map (an object whose keys are data) made a child table with the columns `key` and `value`."""

    path: str = Field(
        min_length=1, description="Dotted path of the object inside the column; `$` is the column itself."
    )
    table: LakeName = Field(description="Name of the child table.")
    value: LakeType = Field(LakeType("string"), description="Type of the values.")


class ChildSpec(Spec):
    """A list made a child table: the parent's key columns, `position` (from 0), then the fields of the items."""

    path: str = Field(min_length=1, description="Dotted path of the list inside the column; `$` is the column itself.")
    table: LakeName = Field(description="Name of the child table.")
    fields: dict[str, LakeType] | Literal["infer"] = Field(
        "infer", description="Dotted path to type, for items that are objects; `$: type` for items that are scalars."
    )
    rename: dict[str, LakeName] = Field(default_factory=dict, description="Dotted path to column name in the lake.")
    partition: tuple[Transform, ...] = ()
    sort: tuple[SortTerm, ...] = ()
    rules: tuple[Rule, ...] = ()


class FlattenSpec(Spec):
    """How one nested column (JSON, or text that holds JSON, array or composite) becomes typed columns."""

    column: str = Field(min_length=1, description="The source's column.")
    prefix: str | None = Field(
        None, description="Put before the names of the columns made; default `<column>_`. May be empty."
    )
    fields: dict[str, LakeType] | Literal["infer"] = Field(
        "infer",
        description="Dotted path to type. `infer` looks at the values of a sample; `lakeward plan` shows what it found.",
    )
    rename: dict[str, LakeName] = Field(default_factory=dict, description="Dotted path to column name in the lake.")
    keep_json: bool = Field(
        False,
        description="Also keep the whole value as JSON text in `<column>`; then `fields` only promotes what is filtered on.",
    )
    undeclared: Literal["keep", "ignore", "quarantine"] = Field(
        "keep",
        description="Keys that no field names: keep the record's whole JSON text in `<column>_undeclared`, ignore them by "
        "declared choice, or quarantine the record.",
    )
    children: tuple[ChildSpec, ...] = Field((), description="Lists that become child tables.")
    maps: tuple[FieldMap, ...] = Field((), description="Maps that become child tables.")


class TableSpec(Spec):
    """One table, view or glob of them."""

    table: str = Field(
        min_length=1, description="`schema.table`; `*` and `?` match (`public.*`). Quote a part that has a dot."
    )
    name: LakeName | None = Field(
        None, description="The lake's name; default is the source's in snake case. Not with a glob."
    )
    key: tuple[str, ...] | None = Field(
        None, description="The source's key columns; default is its primary key. `[]` is none."
    )
    filter: tuple[Filter, ...] = Field(
        (), description="Only rows that match are migrated; the source's figures use it too."
    )
    drop: tuple[str, ...] = Field((), description="Columns left behind on purpose; `*` matches.")
    mask: dict[str, MaskMethod] = Field(
        default_factory=dict, description="Columns made unreadable before they are landed."
    )
    rename: dict[str, str] = Field(default_factory=dict, description="The source's column to the lake's.")
    types: dict[str, LakeType] = Field(default_factory=dict, description="The source's column to its type in the lake.")
    flatten: tuple[FlattenSpec, ...] = ()
    partition: tuple[Transform, ...] = Field(
        (), description="`month(ordered_at)`, `identity(country)`, or a bare column."
    )
    sort: tuple[SortTerm, ...] = Field((), description="Columns that files are sorted by; `-column` is descending.")
    rules: tuple[Rule, ...] = Field(
        (), description="Record rules, beside those derived from keys, not-null columns, references."
    )


class Reference(Spec):
    """Rows of one table that name rows of another; both must be in one group."""

    table: LakeName
    columns: tuple[str, ...] = Field(min_length=1)
    to: LakeName
    to_columns: tuple[str, ...] = Field(min_length=1)


class QuarantineSpec(Spec):
    """How much may be set aside before the task fails."""

    max_share: float = Field(
        0.01, ge=0, le=1, description="Largest share of a table's rows; above it the flatten task fails."
    )


class GroupSpec(Spec):
    """Entities that belong together: read at one cut, published at one instant."""

    name: LakeName
    tables: tuple[TableSpec, ...] = Field(min_length=1)
    references: tuple[Reference, ...] = Field((), description="Beside the foreign keys that the source declares.")
    source_references: bool = Field(True, description="Take the source's own foreign keys as references too.")
    quarantine: QuarantineSpec = QuarantineSpec()


class Grain(StrEnum):
    """Length of a KPI's period."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class KpiSpec(Spec):
    """A business figure, computed by the source in the cut's snapshot and again from the lake's pinned snapshot."""

    name: LakeName
    title: str = ""
    table: LakeName = Field(description="The lake's table, child tables included.")
    measure: Expression = Field(
        description="`sum(x)`, `count()`, `count(x)`, `count_distinct(x)`, `min(x)`, `max(x)`, `avg(x)`; x is arithmetic "
        "(+ - *) over columns and numbers, as in `sum(quantity * unit_price)`."
    )
    date: str | None = Field(None, description="Column that gives the period; without it only the total is compared.")
    grains: tuple[Grain, ...] = (Grain.DAY, Grain.WEEK, Grain.MONTH)
    dimensions: tuple[str, ...] = Field((), max_length=4)
    filter: tuple[Filter, ...] = ()
    warn_only: bool = Field(False, description="A difference warns and is shown, but does not hold the gate.")


class CalendarSpec(Spec):
    """The business calendar that periods are cut by."""

    time_zone: ZoneName = Field(
        ZoneName("UTC"), description="IANA name; where a day of a timestamp with time zone begins."
    )
    week_starts: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"


class CompactionSpec(Spec):
    """What happens to small files after the append."""

    mode: Literal["none", "observe", "rewrite"] = Field(
        "none", description="`observe` waits for the store's own compaction; `rewrite` is not there yet and is refused."
    )
    small_file: Size = Field(Size("32MB"), description="A file below this size is small.")
    min_small_files: int = Field(8, ge=2, description="Compaction is due from this many small files in one partition.")
    wait: Span = Field(Span("10m"), description="`observe`: how long to wait.")


class GateSpec(Spec):
    """What must hold before a person may be asked to approve."""

    warnings: Literal["show", "hold"] = Field(
        "show", description="Whether a verdict `warn` opens the gate and is shown, or holds it."
    )
    quarantine: Literal["accept", "hold"] = Field(
        "accept",
        description="Quarantined rows need a signer's named acceptance, or hold the gate until a cut has none.",
    )
    timeout: Span = Field(Span("7d"), description="How long the KPI sensor and the approval wait.")


class CutoverSpec(Spec):
    """How readers are moved."""

    require_frozen_source: Literal[True] = Field(
        True,
        description="Lift-and-shift demands it: the approver declares the source frozen and its figures are taken once more.",
    )


class Migration(Spec):
    """What every pattern has."""

    version: Literal[1] = 1
    migration: LakeName = Field(description="Name of the migration; part of the DAG's id.")
    description: str = ""
    owner: str = Field("lakeward", description="Shown as the DAG's owner.")
    tags: tuple[str, ...] = ()
    source: SourceSpec
    target: TargetSpec
    landing: LandingSpec
    groups: tuple[GroupSpec, ...] = Field(min_length=1)
    kpis: tuple[KpiSpec, ...] = Field(min_length=1)
    calendar: CalendarSpec = CalendarSpec()
    compaction: CompactionSpec = CompactionSpec()
    gate: GateSpec = GateSpec()
    cutover: CutoverSpec = CutoverSpec()


class LiftAndShift(Migration):
    """One cut, everything at once."""

    pattern: Literal["lift_and_shift"]


class Phased(Migration):
    """Scheduled waves by entity group and time window (joins later; refused by name)."""

    pattern: Literal["phased"]


class StranglerFig(Migration):
    """Incoming data forked to old and new (joins later; refused by name)."""

    pattern: Literal["strangler_fig"]


class Hybrid(Migration):
    """Each group by the pattern that suits it (joins later; refused by name)."""

    pattern: Literal["hybrid"]


AnyMigration = Annotated[LiftAndShift | Phased | StranglerFig | Hybrid, Field(discriminator="pattern")]
