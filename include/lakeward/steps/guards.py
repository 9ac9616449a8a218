"""Values that a declared type would bend, counted by the source itself in the snapshot that is read or measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakeward.domain.facts import TablePlan
from lakeward.domain.guards import guard_condition, guard_key, is_refused, reason
from lakeward.domain.sql import ident
from lakeward.errors import DataError
from lakeward.ports import CutReader

_TERMS = 1000
"""Columns of one SELECT; PostgreSQL takes 1,664."""


def count_guarded(cut: CutReader, table: TablePlan) -> dict[str, int]:
    """The source's own count (under the empty name) and how many rows each guard finds, as ``column guard``."""
    found = {"": "true"} | {
        guard_key(c, g): guard_condition(c, g, table.dialect) for c in table.columns for g in c.guards
    }
    counts: dict[str, int] = {}
    for start in range(0, len(found), _TERMS):
        names = list(found)[start : start + _TERMS]
        listed = ", ".join(f"count(CASE WHEN {found[name]} THEN 1 END) AS c{n}" for n, name in enumerate(names))
        source = f"{ident(table.schema)}.{ident(table.table)}"
        row = cut.query(f"SELECT {listed} FROM {source} {table.where()}").to_pylist()[0]
        counts |= {name: int(row[f"c{n}"]) for n, name in enumerate(names)}
    return counts


def refused(table: TablePlan, counts: Mapping[str, int]) -> Iterator[str]:
    """What no policy of the file answers, in words: figures over such values would be of other values than the source's."""
    for column in table.columns:
        for guard in column.guards:
            if is_refused(column, guard) and (count := counts[guard_key(column, guard)]):
                yield f"{table.label}, column {column.column!r}: {count} rows hold {reason(column, guard)}"


def refuse(table: TablePlan, counts: Mapping[str, int]) -> None:
    """DataError when a guard found what no policy answers."""
    if said := "; ".join(refused(table, counts)):
        raise DataError(
            f"{said}.",
            todo="Mend them at the source, filter them out, give the column a type that holds them, say under `special` what becomes "
            "of NaN, infinities and their like, or carry its text with `types: {column: string}`.",
        )
