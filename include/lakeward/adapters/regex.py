"""Regular expressions as DuckDB itself reads them."""

from __future__ import annotations

import duckdb

from lakeward.domain.regex import regex_fault as surely_wrong


def regex_fault(pattern: str) -> str:
    """Why DuckDB does not take a pattern, or nothing."""
    try:
        with duckdb.connect() as con:
            con.execute("SELECT regexp_matches('', $1)", [pattern])
    except duckdb.Error as error:
        return surely_wrong(pattern) or str(error).split("\n", 1)[0].removeprefix("Invalid Input Error: ")
    return ""
