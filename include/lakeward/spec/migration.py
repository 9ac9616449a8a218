"""What every pattern of a migration file has: source, target, landing, groups, figures, gate; and lift-and-shift, which has no more."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from lakeward.spec.calendar import CalendarSpec, Grain
from lakeward.spec.files import FilesSpec
from lakeward.spec.names import home_of
from lakeward.spec.scalars import Count, Expression, Flag, Identifier, LakeName, LakeType, One, Pause, Size, Span
from lakeward.spec.tables import DriftSpec, Filter, GroupSpec, Spec


class SourceSpec(Spec):
    """The system that is read."""

    kind: Literal["postgres", "mariadb", "duckdb", "sqlite", "files", "iceberg", "delta"] = Field(
        "postgres", description="The kind of source."
    )
    connection: Identifier = Field(description="Airflow connection id; read-only rights are enough.")
    readers: Count = Field(
        2,
        ge=1,
        le=32,
        description="Parallel readers of rows that share the one snapshot of a cut; one more query at a time takes figures beside them.",
    )
    max_snapshot_age: Span = Field(
        Span("2h"), description="A cut whose snapshot has been open for longer is given up, so that vacuum can go on."
    )

    path: str | None = Field(
        None,
        pattern=r"^(s3://[^/]+(/.*)?|/.*|[^/].*)$",
        description="`files`, `delta`: `s3://bucket/prefix`, or a folder (below that of the connection, where it is no absolute path). `iceberg`: the namespace.",
    )
    files: dict[Identifier, FilesSpec] = Field(
        default_factory=dict,
        description="`files`: tables by their files; default: every folder and file below `path` is a table of that name.",
    )

    @property
    def home(self) -> str:
        """The schema that a table without one is in."""
        return home_of(self.kind)


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
    keep: Span = Field(
        Span("30d"),
        description="How long a cut's landed rows are kept after its last use (landed, measured, switched, replaced by another "
        "cut); those of a published cut stay until it is retired, and evidence stays always.",
    )


class ToleranceSpec(Spec):
    """How far the two sides of a figure over floats may lie apart; one of `absolute` and `relative`."""

    absolute: Decimal | None = Field(None, ge=0, description="Largest difference of the two figures.")
    relative: Decimal | None = Field(
        None, ge=0, le=1, description="Largest difference, as a share of the larger of the two figures."
    )
    owner: str = Field(min_length=1, description="Who answers for it; verdicts and reports name them.")
    reason: str = Field(min_length=1, description="Why the figure may differ by that much.")

    @property
    def told(self) -> str:
        """The bound in words."""
        return f"{self.absolute:f}" if self.absolute is not None else f"{self.relative:f} of the larger figure"


class HandSpec(Spec):
    """Rows of a KPI by one SELECT for each side, for what references and measures can't say."""

    source: str = Field(
        min_length=1, max_length=20_000, description="In the source's SQL, over its tables of the group."
    )
    lake: str = Field(
        min_length=1,
        max_length=20_000,
        description="In DuckDB's SQL, over the group's lake tables, by their plain names.",
    )
    columns: dict[str, LakeType] = Field(
        min_length=1,
        description="What both give, by name and type; `measure`, `date`, `dimensions` and `filter` are over these.",
    )


class KpiSpec(Spec):
    """A business figure, computed by the source in the cut's snapshot and again from the lake's pinned snapshot."""

    name: LakeName = Field(description="Name of the figure; its evidence carries it.")
    title: str = Field("", description="What people call it.")
    table: LakeName = Field(description="The lake's table, child tables included; its rows are what is counted.")
    terms: Literal["lake", "source"] = Field(
        "lake",
        description="Whose names the columns are: the lake's, or the source's with paths into nested ones (`payload.shipping.cost`).",
    )
    measure: Expression = Field(
        description="`sum(x)`, `count()`, `count(x)`, `count_distinct(x)`, `min(x)`, `max(x)`, `avg(x)`, or `ratio(a, b)` of two of them; "
        "x is arithmetic (+ - *) over columns and numbers, as in `sum(quantity * unit_price)`. Here and below a column may also be that of a "
        "table which the rows name by a reference: `customers.country`."
    )
    date: str | None = Field(None, description="Column that gives the period; without it only the total is compared.")
    grains: tuple[Grain, ...] = Field(
        (Grain.DAY, Grain.WEEK, Grain.MONTH), description="Lengths of the periods; each is compared by itself."
    )
    dimensions: tuple[str, ...] = Field((), max_length=4, description="Columns that the figure is broken down by.")
    filter: tuple[Filter, ...] = Field((), description="Only rows that match enter the figure, on both sides.")
    warn_only: Flag = Field(False, description="A difference warns and is shown, but does not hold the gate.")
    exact: Flag = Field(
        True, description="`false` says that the figure is made of floats; it then needs a `tolerance`."
    )
    sql: HandSpec | None = Field(None, description="SELECTs written by hand that give the rows; the verdict says so.")
    tolerance: ToleranceSpec | None = Field(None, description="Only of figures that are not exact.")


class CompactionSpec(Spec):
    """What happens to small files after the append."""

    mode: Literal["none", "observe", "rewrite"] = Field(
        "none",
        description="`observe` waits for the store's own compaction; `rewrite` rewrites small files into few, sorted as before.",
    )
    small_file: Size = Field(
        Size("32MB"), description="A file below this size is small; for `rewrite` at most `target.file_size`."
    )
    min_small_files: Count = Field(
        8, ge=2, description="Compaction is due from this many small files in one partition."
    )
    wait: Span = Field(Span("10m"), description="`observe`: how long to wait.")


class MaintenanceSpec(Spec):
    """What the maintenance DAG tidies up, and when."""

    schedule: Literal["never", "daily", "weekly", "monthly"] = Field(
        "never", description="When the DAG does it by itself; a run that somebody triggers is a dry run by default."
    )
    leftovers: Span = Field(
        Span("7d"),
        description="Files that nothing names go when they are older: far longer than a run takes, and longer than "
        "`source.max_snapshot_age`.",
    )
    snapshots: Span = Field(Span("7d"), description="Snapshots and `cut_` tags that are younger stay.")
    keep_snapshots: Count = Field(10, ge=1, description="So many snapshots of a branch stay, however old they are.")
    keep_cuts: Count = Field(
        2, ge=1, description="So many `cut_` tags of a table stay, beside those that a pointer or an open run needs."
    )


class GateSpec(Spec):
    """What must hold before a person may be asked to approve."""

    warnings: Literal["show", "hold"] = Field(
        "show", description="Whether a verdict `warn` opens the gate and is shown, or holds it."
    )
    quarantine: Literal["accept", "hold"] = Field(
        "accept",
        description="Quarantined rows need a signer's named acceptance, or hold the gate until a cut has none.",
    )
    signed: Flag = Field(
        False, description="Whether every verdict must be signed by a trusted key (connection `lakeward_signing`)."
    )
    closed_periods: dict[Grain, Annotated[Count, Field(ge=1, le=10_000)]] = Field(
        default_factory=dict,
        description="So many closed periods of a grain in a row, up to the latest closed one, must be proved equal, for every KPI "
        "of that grain: `{day: 14, week: 2, month: 1}`.",
    )
    timeout: Span = Field(Span("7d"), description="How long the KPI sensor and the approval wait.")


class ParitySpec(Spec):
    """How source and lake are compared."""

    recheck_after: Pause = Field(
        Pause("2s"),
        description="With `--at now`, on a source that moves: what differs is measured again so much later, in a new snapshot, before "
        "the verdict; `0s`: it is not. Raise it to how far the lake may lag behind.",
    )
    max_cells: Count = Field(
        2_000_000,
        ge=1,
        description="Cells (period x dimension values) that one KPI may have; a dimension with more values is refused by name, since "
        "figures are held in memory.",
    )


class CutoverSpec(Spec):
    """How readers are moved."""

    require_frozen_source: Literal[True] = Field(
        True,
        description="Lift-and-shift demands it: the approver declares the source frozen and its figures are taken once more.",
    )


class FreezeSpec(Spec):
    """How writers are kept out of the source while it is synchronised for the last time. Only names stand here; what they do is the source's own affair.

    `procedure`: two procedures without arguments, `schema.name`, that are called at a connection of type `postgres`. `http`: two
    paths that are posted to at a connection of type `http`. Both must bear being called again.
    """

    kind: Literal["procedure", "http"] = Field("procedure", description="What `freeze` and `lift` name.")
    connection: Identifier = Field(
        description="Id of the Airflow connection that is used for nothing else; its role needs no more than to call these two."
    )
    freeze: str = Field(min_length=1, description="Keeps writers out: `schema.procedure`, or a path.")
    lift: str = Field(min_length=1, description="Lets them in again.")
    limit: Span = Field(
        Span("1h"),
        description="The freeze is lifted when nothing was switched until then; approving takes part of that time.",
    )


class Migration(Spec):
    """What every pattern has."""

    version: One = Field(1, description="Of the file's format.")
    migration: LakeName = Field(description="Name of the migration; part of the DAG's id.")
    description: str = Field("", description="Shown on the DAG.")
    owner: str = Field("lakeward", description="Shown as the DAG's owner.")
    tags: tuple[str, ...] = Field((), description="Put on the DAG.")
    source: SourceSpec = Field(description="The system that is read.")
    target: TargetSpec = Field(description="The Iceberg catalog and namespace that are written.")
    landing: LandingSpec = Field(description="Where raw data of the cut, evidence and pointers are kept.")
    groups: tuple[GroupSpec, ...] = Field(
        min_length=1,
        description="Entities that belong together: each group is read at one cut, published at one instant.",
    )
    drift: DriftSpec = Field(DriftSpec(), description="What becomes of schema changes at the source.")
    kpis: tuple[KpiSpec, ...] = Field(min_length=1, description="Business figures that must be equal, to the cent.")
    calendar: CalendarSpec = Field(CalendarSpec(), description="The business calendar that periods are cut by.")
    parity: ParitySpec = Field(ParitySpec(), description="How source and lake are compared.")
    compaction: CompactionSpec = Field(CompactionSpec(), description="What happens to small files after the append.")
    maintenance: MaintenanceSpec = Field(MaintenanceSpec(), description="What is tidied up, and when.")
    gate: GateSpec = Field(GateSpec(), description="What must hold before a person may be asked to approve.")
    cutover: CutoverSpec = Field(CutoverSpec(), description="How readers are moved.")


class Freezable(Migration):
    """What is synchronised for the last time with a source that nobody writes to."""

    freeze: FreezeSpec | None = Field(
        None,
        description="How the source is frozen for the cutover; without it, the approver freezes it by hand and says so.",
    )


class LiftAndShift(Migration):
    """One cut, everything at once."""

    pattern: Literal["lift_and_shift"] = Field(
        description="`lift_and_shift`: one cut, everything at once, one cutover."
    )
