"""DuckDB's names: of the lake's types, and of the ids that landed rows have while they are transformed."""

from __future__ import annotations

from enum import StrEnum

from lakeward.domain.sql import ident

ROWS = "#rows"
"""``<input>#rows`` is an input with the two columns that identify a row in it."""
FILE, ROW = "#file", "#row"
ROW_ID = f"{ident(FILE)}, {ident(ROW)}"

_TYPES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "string": "VARCHAR",
    "json": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
}


def duck_type(lake_type: str) -> str:
    """DuckDB's type of a lake type; KeyError when it is none."""
    return lake_type.upper() if lake_type.startswith("decimal(") else _TYPES[lake_type]


class Rows(StrEnum):
    """Which rows of an input are meant."""

    ALL = "all"
    GOOD = "good"
    BAD = "bad"


def bad_rows(view: str) -> str:
    """Name of the input that holds the ids of an input's rows that are set aside."""
    return f"{view}#bad"


def rows_of(view: str, rows: Rows = Rows.ALL) -> str:
    """An input's rows with their ids; the good or bad ones are told by the input ``bad_rows``."""
    every = ident(view + ROWS)
    if rows is Rows.ALL:
        return every
    join = "ANTI" if rows is Rows.GOOD else "SEMI"
    return f"{every} {join} JOIN {ident(bad_rows(view))} USING ({ROW_ID})"
