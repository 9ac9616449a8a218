"""Kinds of sources: whose SQL they speak and how their columns are carried. Another database begins with a line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lakeward.domain import duck_types, mariadb_types, postgres_types, sqlite_types
from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import LandedColumn
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import ident
from lakeward.spec.models import MaskMethod, SpecialPolicy
from lakeward.spec.scalars import LakeType


class Land(Protocol):
    """Decides how a column is read; see ``postgres_types.land_column``."""

    def __call__(
        self,
        column: SourceColumn,
        *,
        wanted: LakeType | None = None,
        mask: MaskMethod | None = None,
        nested: bool = False,
        special: SpecialPolicy | None = None,
        trim: bool = False,
    ) -> LandedColumn:
        """The column on its way."""


@dataclass(frozen=True, slots=True)
class System:
    """What planning knows of a kind of source. ``origin`` is the SQL of the file that a row comes from, where there are files."""

    dialect: Dialect
    land: Land
    origin: str = ""


SYSTEMS = {
    "postgres": System(Dialect.POSTGRES, postgres_types.land_column),
    "duckdb": System(Dialect.DUCKDB, duck_types.land_column),
    "sqlite": System(Dialect.DUCKDB, sqlite_types.land_column),
    "mariadb": System(Dialect.MARIADB, mariadb_types.land_column),
    "files": System(Dialect.DUCKDB, duck_types.land_column, origin=ident("#path")),
}


def holding(column: SourceColumn, dialect: Dialect) -> str:
    """How a column holds records, for the source's own figures: json, jsonb, or text, which nobody has checked."""
    if dialect is Dialect.DUCKDB:  # whose JSON takes NaN
        return "text"
    if column.category in {"array", "composite"}:
        return "json"
    return column.base if column.base in {"json", "jsonb"} else "text"
