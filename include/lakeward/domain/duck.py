"""DuckDB's names: of the lake's types, and of the ids that landed rows have while they are transformed."""

from __future__ import annotations

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


def rows_of(view: str, excluded: str | None = None) -> str:
    """An input's rows with their ids, less those whose ids another input names."""
    rows = f"{ident(view + ROWS)}"
    return rows if excluded is None else f"{rows} ANTI JOIN {ident(excluded)} USING ({ROW_ID})"
