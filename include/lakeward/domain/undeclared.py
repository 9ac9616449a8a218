"""Records in the lake with keys that no field names: how many, and which keys."""

from __future__ import annotations

from collections.abc import Iterator

from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.sql import ident, text
from lakeward.domain.words import counted

_SHOWN = 5


def undeclared_sql(plan: TablePlan) -> Iterator[tuple[str, str]]:
    """The source's column, and SQL over ``lake``: ``n`` records, and ``keys``, the first of those that stand at the top of one."""
    for column in (c for c in plan.lake[0].columns if c.role == "undeclared"):
        nested = next(n for n in plan.nested if n.source == column.source)
        paths = [path for path, _ in (*nested.fields, *nested.lists, *nested.maps)]
        known = ", ".join(sorted({text(path[0]) for path in paths if path})) or "''"
        records = f"FROM lake WHERE {ident(column.name)} IS NOT NULL"
        every = f"SELECT DISTINCT left(unnest(json_keys({ident(column.name)})), 60) AS key {records}"
        keys = f"SELECT key FROM ({every}) WHERE key NOT IN ({known}) ORDER BY key LIMIT {_SHOWN + 1}"
        yield column.source, f"SELECT (SELECT count(*) {records}) AS n, (SELECT list(key) FROM ({keys})) AS keys"


def undeclared_told(table: LakeTable, source: str, n: int, keys: list[str] | None) -> str:
    """In words; nothing when there is none."""
    if not n:
        return ""
    shown = ", ".join([*(keys or [])[:_SHOWN], *(["..."] if len(keys or []) > _SHOWN else [])])
    return (
        f"{table.name}.{source}: {counted(n, 'record')} with keys that no field names ({shown or 'inside of others'})"
    )
