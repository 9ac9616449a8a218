"""A batch of changes as rows of lake tables: what gives way, what comes, and values that only the lake has, as DuckDB SQL."""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.changes import FILL, KEEP, ROOT, ChangedTable, N, spooled_columns
from lakeward.domain.duck import FILE, ROW, ROWS, Rows, duck_type, rows_of
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.flatten import table_sql
from lakeward.domain.flatten_checks import row_key_sql
from lakeward.domain.sql import ident, text

FILLS, LAKE = "fills", "lake"
STAY = "#stay"
_LOST = "the change does not carry a value that was not changed, and the lake has no such row, which is in quarantine since before"


def landed_sql() -> str:
    """The typed rows that are read at all."""
    return f"SELECT * EXCLUDE ({ident(KEEP)}) FROM typed WHERE {ident(KEEP)}"


def roots_sql(changed: ChangedTable) -> str:
    """The rows with values that only the lake has: the key that it knows them by, still text, and whether that is theirs still."""
    keys = ", ".join(f"json_extract_string({ident(ROOT)}, '$[{n}]') AS {ident(k)}" for n, k in enumerate(changed.key))
    own = f"to_json([{', '.join(map(ident, changed.key))}])::VARCHAR"
    return (
        f"SELECT {ident(N)}, {ident(FILL)}, {ident(ROOT)} = {own} AS {ident(STAY)}, {keys} "
        f"FROM latest WHERE {ident(FILL)} IS NOT NULL"
    )


def fills_sql(plan: TablePlan) -> str:
    """Roots with typed keys, and the rows' own keys, by the names of the lake's key."""
    roots = ", ".join(f"{_typed(plan, name, 'k')} AS {_root(name)}" for name in plan.lake[0].key)
    own = ", ".join(f"{_typed(plan, name, 'l')} AS {_own(name)}" for name in plan.lake[0].key)
    return (
        f"SELECT r.{ident(N)}, r.{ident(FILL)}, r.{ident(STAY)}, {roots}, {own} FROM roots r "
        f"JOIN keys k USING ({ident(N)}) JOIN landed l USING ({ident(N)})"
    )


def fills_kinds(plan: TablePlan) -> tuple[tuple[str, str], ...]:
    """Columns of ``FILLS`` and their lake types."""
    main = plan.lake[0]
    keys = [(f"{what} {name}", main.column(name).type) for what in ("root", "own") for name in main.key]
    return ((N, "long"), (FILL, "string"), (STAY, "boolean"), *keys)


def lost_sql(plan: TablePlan) -> str:
    """Landed rows with a value that only the lake could have, and has not: their id, ``reason`` and ``column_name``."""
    on = " AND ".join(f"o.{ident(name)} = x.{_root(name)}" for name in plan.lake[0].key)
    rows = ident(plan.name + ROWS)
    return (
        f"SELECT r.{ident(FILE)}, r.{ident(ROW)}, {text(_LOST)} AS reason, '' AS column_name "
        f"FROM {FILLS} x JOIN {rows} r USING ({ident(N)}) ANTI JOIN {LAKE} o ON {on}"
    )


def good_fills_sql(plan: TablePlan) -> str:
    """``FILLS`` without the rows that are set aside."""
    good = f"(SELECT {ident(N)} FROM {rows_of(plan.name, Rows.GOOD)})"
    return f"SELECT x.* FROM {FILLS} x SEMI JOIN {good} r ON x.{ident(N)} = r.{ident(N)}"


def fresh_sql(plan: TablePlan, table: LakeTable, rows: Rows, exact: Sequence[str], *, filled: bool) -> str:
    """The new rows of a lake table.

    :param filled: there are rows with values that only the lake has: ``FILLS`` tells which, ``LAKE`` is the table as it is.
    """
    if not filled:
        return table_sql(plan, table, rows, exact=exact)
    columns = ", ".join(ident(c.name) for c in table.columns)
    fresh = f"({table_sql(plan, table, rows, exact=exact, ids=True)}) f"
    if table.kind == "main":
        row = f"JOIN {ident(plan.name + ROWS)} r USING ({ident(FILE)}, {ident(ROW)}) LEFT JOIN {FILLS} x ON x.{ident(N)} = r.{ident(N)}"
        on = " AND ".join(f"o.{ident(name)} = x.{_root(name)}" for name in table.key)
        values = ", ".join(f"{_filled(plan, c.name, c.source)} AS {ident(c.name)}" for c in table.columns)
        return f"SELECT {values} FROM {fresh} {row} LEFT JOIN {LAKE} o ON {on}"
    return f"SELECT {columns} FROM {fresh} UNION ALL {_carried(plan, table)}"


def _filled(plan: TablePlan, name: str, source: str) -> str:
    return f"CASE WHEN {_is_filled(plan, source)} THEN o.{ident(name)} ELSE f.{ident(name)} END"


def _is_filled(plan: TablePlan, source: str) -> str:
    column = next(c.column for c in plan.columns if c.source == source)
    return f"coalesce(substr(x.{ident(FILL)}, {spooled_columns(plan).index(column) + 1}, 1) = '1', false)"


def _carried(plan: TablePlan, table: LakeTable) -> str:
    """Rows of a child table that the log did not carry, and whose parent's key has changed."""
    parents = parents_of(plan, table)
    values = ", ".join(
        f"x.{_own(parents[c.name])}" if c.name in parents else f"o.{ident(c.name)}" for c in table.columns
    )
    on = " AND ".join(f"o.{ident(column)} = x.{_root(name)}" for column, name in parents.items())
    return f"SELECT {values} FROM {LAKE} o JOIN {FILLS} x ON {on} WHERE {_is_filled(plan, table.source)} AND NOT x.{ident(STAY)}"


def parents_of(plan: TablePlan, table: LakeTable) -> dict[str, str]:
    """Columns of a lake table by which its rows belong to a row of the main table, and the names of these there."""
    main = plan.lake[0]
    if table.kind == "main":
        return {name: name for name in main.key}
    by_source = {main.column(name).source: name for name in main.key}
    return {c.name: by_source[c.source] for c in table.columns if c.role == "parent"}


def gone_sql(plan: TablePlan, table: LakeTable, *, filled: bool) -> str:
    """The keys whose rows give way in a lake table, once; those of child tables stay where the log did not carry them."""
    parents = parents_of(plan, table)
    keys = ", ".join(f"{_typed(plan, name, 'k')} AS {ident(column)}" for column, name in parents.items())
    sql = f"SELECT DISTINCT {keys} FROM keys k"
    if table.kind == "main" or not filled:
        return sql
    own = ", ".join(f"x.{_own(name)}" for name in parents.values())
    return f"{sql} EXCEPT SELECT {own} FROM {FILLS} x WHERE x.{ident(STAY)} AND {_is_filled(plan, table.source)}"


def aside_keys_sql(plan: TablePlan) -> str:
    """What the quarantine holds of the keys that were met."""
    return f"SELECT {text(plan.name)} AS table_name, {row_key_sql(plan)} AS row_key FROM keys r"


def refused_sql(plan: TablePlan, changed: ChangedTable, cut_id: str, since: str) -> str:
    """Rows with a value that no declared type holds, as rows of the quarantine: ``bad`` tells why, ``keys`` their keys."""
    raw = ", ".join(f"{text(c)}, l.{ident(c)}" for c in changed.columns)
    return (
        f"SELECT {text(cut_id)} AS cut_id, {text(plan.name)} AS table_name, {row_key_sql(plan)} AS row_key, "
        f"b.reason || {text(since)} AS reason, b.column_name, json_object({raw})::VARCHAR AS raw "
        f"FROM latest l JOIN bad b USING ({ident(N)}) JOIN keys r USING ({ident(N)})"
    )


def _typed(plan: TablePlan, name: str, alias: str) -> str:
    column = plan.lake[0].column(name)
    return f"CAST({alias}.{ident(column.source)} AS {duck_type(column.type)})"


def _root(name: str) -> str:
    return ident(f"root {name}")


def _own(name: str) -> str:
    return ident(f"own {name}")
