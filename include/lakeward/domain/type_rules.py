"""How types of a source are carried, as tables that decide, are documented (docs/types.md) and are tested row by row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lakeward.domain.facts import LandedColumn
from lakeward.domain.source_facts import SourceColumn


class How(StrEnum):
    """By what means a value gets into the lake."""

    SAME = "same"
    NUMERIC = "numeric"
    CAST = "cast"
    TEXT = "text"
    OUTPUT = "output"
    SHOWN = "shown"
    JSON = "json"
    MONEY = "money"


HOW_SAYS = {
    How.SAME: "the lake has this type",
    How.NUMERIC: "the lake has decimals of up to 38 digits",
    How.CAST: "a wider type of the lake holds every value",
    How.TEXT: "text as it is",
    How.OUTPUT: "the text that the server itself writes and reads back (what `pg_dump` relies on)",
    How.SHOWN: "the text that DuckDB itself writes and reads back",
    How.JSON: "JSON text",
    How.MONEY: "through `numeric`, with the server's own number of decimals",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of some types. ``bases`` are the source's own names of types; ``special`` are the guards of values without a counterpart."""

    types: str
    bases: tuple[str, ...]
    lake: str
    how: How
    special: tuple[str, ...] = ()
    also: str = "`string`"
    note: str = ""


def landed(
    column: SourceColumn,
    kind: str,
    expression: str,
    *,
    native: bool = False,
    guards: tuple[str, ...] = (),
    pad: int | None = None,
    policy: str = "",
    bounds: str = "",
) -> LandedColumn:
    """A column on its way; arguments as of LandedColumn."""
    return LandedColumn(
        source=column.name,
        type=kind,
        source_type=column.type,
        expression=expression,
        native=native,
        nullable=column.nullable,
        pad=pad,
        guards=guards,
        policy=policy,
        bounds=bounds,
        definition=column.definition,
    )
