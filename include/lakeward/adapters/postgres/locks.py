"""Tables kept as they are while a cut is read: ALTER, TRUNCATE and DROP don't respect snapshots, so they must wait."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.rows import TupleRow

from lakeward.domain.facts import TablePlan
from lakeward.domain.sql import ident
from lakeward.errors import SourceError

_LOCKABLE = frozenset({"table", "partitioned", "view"})
"""What LOCK TABLE takes; a view's tables are locked with it."""


def lockable(holder: psycopg.Connection[TupleRow], tables: Sequence[TablePlan]) -> list[TablePlan]:
    """The tables that can be locked before a snapshot is taken: the right to read single columns does not suffice for it."""
    names = [_name(t) for t in tables if t.kind in _LOCKABLE]
    sql = "SELECT name FROM unnest(%s::text[]) name WHERE has_table_privilege(to_regclass(name), 'SELECT')"
    whole = {row[0] for row in holder.execute(sql, (names,)).fetchall()}
    holder.rollback()
    return [t for t in tables if _name(t) in whole]


def lock(holder: psycopg.Connection[TupleRow], tables: Sequence[TablePlan]) -> None:
    """Lock as any SELECT does; what a snapshot shows that is taken after it can't be taken away from then on."""
    if names := ", ".join(_name(t) for t in tables):
        holder.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE".encode())


def lock_late(holder: psycopg.Connection[TupleRow], tables: Sequence[TablePlan]) -> None:
    """Lock the others when the snapshot is there; SourceError when one was emptied or refreshed between the two.

    A table that is gone is left to whoever compares the catalog with the plan.
    """
    sql = "SELECT name FROM unnest(%s::text[]) name WHERE to_regclass(name) IS NOT NULL"
    there = {row[0] for row in holder.execute(sql, ([_name(t) for t in tables],)).fetchall()}
    for table in (t for t in tables if _name(t) in there):
        holder.execute(f"SELECT FROM {_name(table)} LIMIT 0".encode())
        row = holder.execute(
            "SELECT relfilenode = pg_relation_filenode(oid) FROM pg_class WHERE oid = %s::regclass", (_name(table),)
        ).fetchone()
        if row is None or row[0] is False:
            raise SourceError(
                f"{table.label} was emptied, refreshed or rewritten just when the cut's snapshot was taken.",
                todo="Run the step again.",
            )


def _name(table: TablePlan) -> str:
    return f"{ident(table.schema)}.{ident(table.table)}"
