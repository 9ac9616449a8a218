"""Rows with a text that is none of its column's declared type: landed with the reason and the text, and set aside while flattening."""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.dialect import Dialect
from lakeward.domain.duck import ROW_ID, rows_of
from lakeward.domain.facts import LandedColumn, TablePlan
from lakeward.domain.guards import guard_condition
from lakeward.domain.sql import ident, text

UNREAD = "#unread"
"""A landed column beside the source's own: null, or the reason why a row can't be read, a line end, and such texts by column, as JSON."""
_SHOWN = 60


def unread_column(columns: Sequence[LandedColumn], dialect: Dialect, origin: str = "") -> LandedColumn | None:
    """The column that tells of such rows, or None where there can be none.

    :param dialect: of the source.
    :param origin: SQL of the file that a row comes from; empty where there is none.
    """
    judged = [c for c in columns if c.policy == "quarantine"]
    if not judged:
        return None
    found = [(c, guard_condition(c, "unread", dialect)) for c in judged]
    shown = {c.source: f"replace(left(CAST({ident(c.column)} AS VARCHAR), {_SHOWN}), chr(10), ' ')" for c in judged}
    cases = " ".join(
        f"WHEN {condition} THEN {text(c.source + ': ' + chr(34))} || {shown[c.source]} || {text(f'{chr(34)} is no {c.type}')}"
        for c, condition in found
    )
    raw = ", ".join(f"{text(c.source)}, CASE WHEN {condition} THEN {ident(c.column)} END" for c, condition in found)
    pairs = "json_build_object" if dialect is Dialect.POSTGRES else "json_object"
    where = f" || coalesce(', in ' || {origin}, '')" if origin else ""
    expression = f"(CASE {cases} END{where} || chr(10) || CAST({pairs}({raw}) AS VARCHAR))"
    return LandedColumn(UNREAD, "string", "", expression, native=False, nullable=True)


def has_unread(plan: TablePlan) -> bool:
    """Whether rows of a table may be set aside so."""
    return any(c.source == UNREAD for c in plan.columns)


def unread_sql(plan: TablePlan) -> str:
    """The landed rows that are set aside: their id, column, reason, and an order before every other reason."""
    told = ident(UNREAD)
    return (
        f"SELECT {ROW_ID}, regexp_extract({told}, '^[^:]*') AS column_name, regexp_extract({told}, '^[^\\n]*') AS reason, "
        f"[-1, -1] AS {ident('#order')} FROM {rows_of(plan.name)} WHERE {told} IS NOT NULL"
    )
