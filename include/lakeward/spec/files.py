"""What people write of a lake of files: which files are which table, and how they are read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lakeward.spec.scalars import Flag, Identifier, LakeType
from lakeward.spec.tables import Spec

Column = Annotated[str, Field(min_length=1)]


class CsvSpec(Spec):
    """How CSV files are written. All columns are read as text; `types` of the table says what they spell."""

    delimiter: str = Field(",", min_length=1, max_length=1, description="Between columns.")
    quote: str = Field('"', max_length=1, description="Around values; doubled inside. Empty: there are no quotes.")
    header: Flag = Field(default=True, description="Whether the first line names the columns.")
    columns: tuple[Column, ...] = Field((), description="Names of the columns, in order, where there is no header.")
    null: str = Field(
        "", description="What stands, without quotes, for null. An empty value in quotes is an empty text."
    )
    encoding: Literal["utf-8", "utf-16", "latin-1"] = Field("utf-8", description="Of the text.")


class FilesSpec(Spec):
    """The files of one table."""

    path: str = Field(
        min_length=1,
        description="Below `source.path`: a folder, which means every file in and below it, or a glob with `*`, `?` and `**`.",
    )
    format: Literal["auto", "parquet", "json", "csv"] = Field(
        "auto",
        description="`auto` goes by the names: `.parquet`, `.jsonl`, `.ndjson`, `.json`, `.csv`, `.tsv`, and `.gz` or `.zst` after the latter.",
    )
    hive: Flag = Field(default=True, description="Whether folders called `name=value` are columns, as text.")
    adopt: Literal["no", "copy"] = Field(
        "no",
        description="Parquet that fits: `copy` takes its files as they are, byte for byte, where nothing is to be reshaped.",
    )
    csv: CsvSpec = Field(CsvSpec(), description="How CSV files are written.")
    columns: dict[Identifier, LakeType] = Field(
        default_factory=dict,
        description="JSON: members of the record that become columns beside `record`, as a key needs: `{id: long}`.",
    )


MEMBERS = {
    "int": "INTEGER",
    "long": "BIGINT",
    "string": "VARCHAR",
    "uuid": "UUID",
    "date": "DATE",
    "boolean": "BOOLEAN",
}
"""Types that a member of a record may have as a column, and DuckDB's: it reads these exactly, whatever the document."""
