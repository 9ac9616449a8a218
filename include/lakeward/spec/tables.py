"""The parts of a migration file that say what is read and what becomes of it: groups, tables, nested columns.

Names under ``tables`` that describe reading (``key``, ``filter``, ``drop``, ``mask``, ``rename``, ``types``, ``special``,
``trim``, ``flatten.column``) are the source's; everywhere else (``partition``, ``sort``, ``rules``, ``references``) the lake's names are meant.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lakeward.spec.rules import Rule
from lakeward.spec.scalars import Flag, LakeName, LakeType, Scalar, Share, Size, SortTerm, Transform


class Spec(BaseModel):
    """Base of all parts of a migration file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


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

    column: str = Field(
        min_length=1,
        description="Under `tables` the source's column, under `kpis` the lake's, unless their `terms` are the source's.",
    )
    op: FilterOp = Field(FilterOp.EQ, description="How the column compares with the value.")
    value: Scalar | tuple[Scalar, ...] | None = Field(
        None, description="A list for `in` and `not in`; none for the null tests."
    )


class MaskMethod(StrEnum):
    """How a column is made unreadable before it is landed."""

    HASH = "hash"
    REDACT = "redact"
    NULL = "null"


class SpecialPolicy(StrEnum):
    """What becomes of values that the lake's type has no counterpart for: NaN, infinities, `24:00:00`, arrays that begin elsewhere than at 1."""

    REFUSE = "refuse"
    NULL = "null"
    TEXT = "text"


def _null_word(value: object) -> object:
    """YAML reads the word `null` as no value."""
    return "null" if value is None else value


Mask = Annotated[MaskMethod, BeforeValidator(_null_word, json_schema_input_type=MaskMethod | None)]
Special = Annotated[SpecialPolicy, BeforeValidator(_null_word, json_schema_input_type=SpecialPolicy | None)]


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
    partition: tuple[Transform, ...] = Field((), description="As of a table, over the child's columns.")
    sort: tuple[SortTerm, ...] = Field((), description="As of a table, over the child's columns.")
    rules: tuple[Rule, ...] = Field((), description="As of a table, over the child's columns.")


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
    keep_json: Flag = Field(
        False,
        description="Also keep the whole value as JSON text in `<column>`; then `fields` only promotes what is filtered on.",
    )
    undeclared: Literal["keep", "ignore", "quarantine"] = Field(
        "keep",
        description="Keys that no field names: keep the record's whole JSON text in `<column>_undeclared`, ignore them by "
        "declared choice, or quarantine the record.",
    )
    max_value: Size = Field(
        Size("16MB"),
        description="Largest value, in bytes of its text. The source itself checks it: a larger one never travels, its record is "
        "quarantined with the beginning of its text.",
    )
    children: tuple[ChildSpec, ...] = Field((), description="Lists that become child tables.")
    maps: tuple[FieldMap, ...] = Field((), description="Maps that become child tables.")


class DriftSpec(Spec):
    """What becomes of changes at the source (or in this file) that the lake's tables, which are there, don't have yet.

    `hold` stops the run before anything is read, naming the change and what to write.
    """

    added: Literal["hold", "evolve", "ignore"] = Field(
        "hold",
        description="A new column: `evolve` gives it to the lake's table, null for all rows that are there, and carries it from then on; "
        "`ignore` leaves it behind, and each run says so.",
    )
    widened: Literal["hold", "evolve"] = Field(
        "hold",
        description="A type that holds more than before (int to long, float to double, a decimal of more digits and the same scale), or a "
        "column that may be null now: `evolve` widens the lake's column; no file is rewritten.",
    )
    dropped: Literal["hold", "evolve"] = Field(
        "hold",
        description="A column that is gone: `evolve` keeps it in the lake with the values that are there, null in what is written from "
        "then on.",
    )
    renamed: Literal["hold", "apart"] = Field(
        "hold",
        description="One column gone and one of the same type new may be one that was renamed, which `rename` of the table tells; `apart` "
        "says that they have nothing to do with each other.",
    )
    retyped: Literal["hold", "quarantine"] = Field(
        "hold",
        description="Any other type: `quarantine` goes on with the lake's type, and rows whose value it does not hold exactly are "
        "quarantined with the reason.",
    )


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
    mask: dict[str, Mask] = Field(default_factory=dict, description="Columns made unreadable before they are landed.")
    rename: dict[str, str] = Field(default_factory=dict, description="The source's column to the lake's.")
    types: dict[str, LakeType] = Field(default_factory=dict, description="The source's column to its type in the lake.")
    special: dict[str, Special] = Field(
        default_factory=dict,
        description="What becomes of a column's values without a counterpart in the lake (NaN, infinities, `24:00:00`, arrays that "
        "do not begin at 1): `refuse` stops the run (the default), `null` makes them null, `text` carries the whole column as "
        "text. They are counted, and the verdict tells the number.",
    )
    trim: tuple[str, ...] = Field(
        (), description="`char(n)` columns whose padding is left behind; `*` matches. The verdict tells the number."
    )
    flatten: tuple[FlattenSpec, ...] = Field((), description="Nested columns that become columns and child tables.")
    partition: tuple[Transform, ...] = Field(
        (),
        description="`month(ordered_at)`, `bucket(16, id)`, `truncate(8, sku)`, `identity(country)`, or a bare column.",
    )
    sort: tuple[SortTerm, ...] = Field((), description="Columns that files are sorted by; `-column` is descending.")
    prove_rows: Flag = Field(
        True,
        description="Compare every column of every row by fingerprints, beside the KPIs; costs the source one more reading of the table.",
    )
    rules: tuple[Rule, ...] = Field(
        (), description="Record rules, beside those derived from keys, not-null columns, references."
    )
    drift: DriftSpec | None = Field(
        None, description="What of the migration's `drift` is otherwise for this table; keys left out are as there."
    )


class Reference(Spec):
    """Rows of one table that name rows of another; both must be in one group."""

    table: LakeName = Field(description="The lake table whose rows name others.")
    columns: tuple[str, ...] = Field(min_length=1, description="Its columns; null in one of them names nothing.")
    to: LakeName = Field(description="The lake table that is named; of the same group.")
    to_columns: tuple[str, ...] = Field(min_length=1, description="Its columns, in the same order.")


class QuarantineSpec(Spec):
    """How much may be set aside before the task fails."""

    max_share: Share = Field(
        0.01, ge=0, le=1, description="Largest share of a table's rows; above it the flatten task fails."
    )


class GroupSpec(Spec):
    """Entities that belong together: read at one cut, published at one instant."""

    name: LakeName = Field(description="Name of the group; its quarantine table is `<name>_quarantine`.")
    tables: tuple[TableSpec, ...] = Field(min_length=1, description="What the group moves.")
    references: tuple[Reference, ...] = Field((), description="Beside the foreign keys that the source declares.")
    source_references: Flag = Field(True, description="Take the source's own foreign keys as references too.")
    quarantine: QuarantineSpec = Field(QuarantineSpec(), description="How much may be set aside.")
