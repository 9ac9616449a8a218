"""Kinds of sources: whose SQL they speak and how their columns are carried. Another database begins with a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lakeward.domain import duck_types, mariadb_types, postgres_fit, postgres_types, sqlite_types
from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import LandedColumn
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import ident
from lakeward.errors import UnsupportedError
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
    """What planning knows of a kind of source. ``origin`` is the SQL of the file that a row comes from, where there are files.

    ``fit`` carries a column as a type that does not hold all of its values, so that other rows can be quarantined.
    """

    dialect: Dialect
    land: Land
    fit: Callable[[SourceColumn, LakeType], LandedColumn]
    origin: str = ""


def _duck_fit(column: SourceColumn, kind: LakeType) -> LandedColumn:
    """Texts that are read as another type are judged one by one anyway."""
    found = duck_types.land_column(column, wanted=kind)
    if found.policy != "quarantine" and kind != "string":
        return _no_fit(column, kind)
    return found


def _no_fit(column: SourceColumn, kind: LakeType) -> LandedColumn:
    raise UnsupportedError(
        f"column {column.name!r} of type {column.type} can't be read as {kind} row by row",
        todo=f"give it another name by `rename`, as a column of its own, or `drop: [{column.name}]`.",
    )


SYSTEMS = {
    "postgres": System(Dialect.POSTGRES, postgres_types.land_column, postgres_fit.fit_column),
    "duckdb": System(Dialect.DUCKDB, duck_types.land_column, _duck_fit),
    "sqlite": System(Dialect.DUCKDB, sqlite_types.land_column, _no_fit),
    "mariadb": System(Dialect.MARIADB, mariadb_types.land_column, _no_fit),
    "files": System(Dialect.DUCKDB, duck_types.land_column, _duck_fit, origin=ident("#path")),
}


def holding(column: SourceColumn, dialect: Dialect) -> str:
    """How a column holds records, for the source's own figures: json, jsonb, or text, which nobody has checked."""
    if dialect is Dialect.DUCKDB:  # whose JSON takes NaN
        return "text"
    if column.category in {"array", "composite"}:
        return "json"
    return column.base if column.base in {"json", "jsonb"} else "text"
