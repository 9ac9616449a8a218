"""What of a landing is set aside and why, what refers to it, and how many rows there are: as DuckDB SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lakeward.domain.duck import ROW_ID, Rows, bad_rows, rows_of
from lakeward.domain.facts import LakeTable, LandedColumn, ReferencePlan, TablePlan
from lakeward.domain.flatten import table_sql
from lakeward.domain.flatten_faults import Fault, faults, first_fault
from lakeward.domain.flatten_record import LIST, MAP, pointer, sql_list
from lakeward.domain.flatten_stages import KEY, POSITION, Nest, documents, items, nests, parts_of, quoting, records
from lakeward.domain.json_numbers import inexact, marked
from lakeward.domain.oversize import is_cut_short, told
from lakeward.domain.sql import ident, text
from lakeward.domain.unread import has_unread, unread_sql
from lakeward.spec.paths import format_path

_SHOWN = 60


def inexact_sql(plan: TablePlan) -> str | None:
    """One row that tells of each nested column whether it holds an inexact number; None when no column is read for numbers."""
    found, source = [], ident(plan.name)
    for name, nest in nests(plan).items():
        if nest.numeric:
            found.append(f"coalesce(bool_or({inexact(ident(name))}), false) AS {ident(name)}")
    return f"SELECT {', '.join(found)} FROM {source}" if found else None


def faults_sql(plan: TablePlan, *, exact: Collection[str] = ()) -> str | None:
    """The landed rows that do not fit: their id, ``reason`` and ``column_name``, a row once; None when nothing can be wrong."""
    parts = [sql for order, nest in enumerate(nests(plan, exact).values()) for sql in _faults(plan, nest, order)]
    parts += [unread_sql(plan)] if has_unread(plan) else []
    if not parts:
        return None
    every = " UNION ALL ".join(f"({part})" for part in parts)
    first = ", ".join(f"arg_min({c}, {ident('#order')}) AS {c}" for c in ("reason", "column_name"))
    return f"SELECT {ROW_ID}, {first} FROM ({every}) GROUP BY ALL"


def _faults(plan: TablePlan, nest: Nest, order: int) -> list[str]:
    undeclared = nest.column.undeclared == "quarantine"
    column, rows, name = ident(nest.column.source), rows_of(plan.name), nest.column.source
    record = nest.record(keyed=nest.keyed, judged=True)
    found = [
        Fault(f"{column} IS NOT NULL AND {record.doc} IS NULL AND {is_cut_short(column)}", told(column)),
        Fault(f"{column} IS NOT NULL AND {record.doc} IS NULL", f"'not JSON: ' || left({column}, {_SHOWN})"),
        *faults(record, "", repeated=nest.repeats, undeclared=undeclared),
        *_marked(nest),
    ]
    parts = [first_fault(records(nest, record, rows, parts=False), found, name, f"[{order}, -1]")]
    for kind, path, fields in nest.children:
        item = nest.item(fields, keyed=nest.keyed, judged=True)
        where = text(format_path(path)) + (
            f" || '[' || {POSITION} || ']'" if kind == LIST else f" || '[\"' || left({KEY}, {_SHOWN}) || '\"]'"
        )
        if inside := faults(item, where, repeated=nest.repeats, undeclared=undeclared):
            each = items(nest, item, kind, path, rows, parts=False)
            parts.append(first_fault(each, inside, name, f"[{order}, {POSITION}]"))
    return parts


def _marked(nest: Nest) -> list[Fault]:
    """Parts kept as JSON text can't be told from quoted numbers where they hold the mark; hardly a record ever does."""
    if not nest.keeps_parts:
        return []
    need, parts = (of(nest, nest.column.fields, nest.children) for of in (quoting, parts_of))
    reason = "'a string begins with the control character U+0001 beside numbers that are kept as they are spelled'"
    return [Fault(f"CASE WHEN {marked(nest.doc)} THEN {marked(parts)} AND ({need}) END", reason)]


def referring_sql(
    reference: ReferencePlan, table: tuple[TablePlan, LakeTable], to: tuple[TablePlan, LakeTable], rows: Rows
) -> str:
    """Landed rows that refer to what only bad rows of ``to`` hold: their id, ``reason`` and ``column_name``.

    :param rows: of the referring table's, those that are looked at: its good ones, or all while it has no bad ones.
    """
    pairs = list(zip(reference.columns, reference.to_columns, strict=True))
    gone = f"{_named(to, Rows.BAD, reference.to_columns)} EXCEPT {_named(to, Rows.GOOD, reference.to_columns)}"
    good = table_sql(*table, rows, only=reference.columns, ids=True)
    on = " AND ".join(f"r.{ident(a)} = g.{ident(b)}" for a, b in pairs)
    shown = " || ', ' || ".join(f"{text(b + '=')} || g.{ident(b)}::VARCHAR" for _, b in pairs)
    reason = f"{text(f'refers to quarantined {reference.to} (')} || min({shown}) || ')'"
    return (
        f"SELECT {ROW_ID}, {reason} AS reason, {text(', '.join(reference.columns))} AS column_name "
        f"FROM ({good}) r JOIN ({gone}) g ON {on} GROUP BY {ROW_ID}"
    )


def _named(table: tuple[TablePlan, LakeTable], rows: Rows, columns: Sequence[str]) -> str:
    listed = ", ".join(ident(c) for c in columns)
    return f"SELECT {listed} FROM ({table_sql(*table, rows, only=columns)})"


def counts_sql(plan: TablePlan, rows: Rows) -> str:
    """One row with the number of rows of each lake table, by name; items are counted by another way than they are read."""
    found = nests(plan)
    source = ident(plan.name) if rows is Rows.ALL else rows_of(plan.name, rows)
    for nest in found.values():
        source = f"({documents(nest, source)})"
    counts = []
    for table in plan.lake:
        count = "count(*)" if table.kind == "main" else _entries(found[table.source], table)
        counts.append(f"CAST({count} AS BIGINT) AS {ident(table.name)}")
    return f"SELECT {', '.join(counts)} FROM {source}"


def _entries(nest: Nest, table: LakeTable) -> str:
    doc, at = nest.doc, sql_list([pointer(table.path)])
    one = f"len(json_keys({doc}, {at})[1])" if table.kind == MAP else f"json_array_length({doc}, {at})[1]"
    return f"coalesce(sum({one}), 0)"


def row_key_sql(plan: TablePlan) -> str:
    """The key of a landed row ``r`` as the quarantine tells it."""
    main = plan.lake[0]
    key = [(name, _text(next(c for c in plan.columns if c.source == main.column(name).source))) for name in main.key]
    return _object(key) if key else "NULL::VARCHAR"


def quarantine_sql(plan: TablePlan, cut_id: str, since: str = "") -> str:
    """The bad rows of a table as rows of the quarantine table; values as text, binary as hex.

    :param since: put behind the reason.
    """
    raw = [(c.source, _text(c)) for c in plan.columns]
    reason = f"b.reason || {text(since)}" if since else "b.reason"
    return (
        f"SELECT {text(cut_id)} AS cut_id, {text(plan.name)} AS table_name, {row_key_sql(plan)} AS row_key, {reason} AS reason, "
        f"b.column_name AS column_name, {_object(raw)} AS raw "
        f"FROM {rows_of(plan.name)} r JOIN {ident(bad_rows(plan.name))} b USING ({ROW_ID})"
    )


def _object(members: Sequence[tuple[str, str]]) -> str:
    listed = ", ".join(f"{text(name)}, {value}" for name, value in members)
    return f"json_object({listed})::VARCHAR"


def _text(column: LandedColumn) -> str:
    name = f"r.{ident(column.source)}"
    return f"lower(hex({name}))" if column.type == "binary" else f"{name}::VARCHAR"
