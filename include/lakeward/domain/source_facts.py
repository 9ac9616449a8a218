"""What a source's catalog tells about its tables: frozen facts."""

from __future__ import annotations

from dataclasses import dataclass


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
    definition: str = ""  # what its type is made of: the labels of an enum, what a domain stands on
    element: str = ""  # of an array, the base type of its elements; ``record`` for composite ones
    exact: str = ""  # of a nested value, the type from which the source's own JSON is exact


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
    adopt: bool = False  # it is made of Parquet files that are wanted as they are
    system: str = "postgres"  # whose types and SQL these are, as ``systems.SYSTEMS`` knows it

    @property
    def label(self) -> str:
        """``schema.table`` for messages."""
        return f"{self.schema}.{self.name}"
