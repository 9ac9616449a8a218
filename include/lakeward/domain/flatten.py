"""A table plan as DuckDB SQL over its landing: the main table and its child tables, typed as the lake wants them.

The input's name is the plan's; which of its rows are bad is told by the input ``bad_rows`` of that name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lakeward.domain.duck import ROW_ID, Rows, duck_type, rows_of
from lakeward.domain.facts import LakeColumn, LakeTable, TablePlan
from lakeward.domain.flatten_faults import faults
from lakeward.domain.flatten_record import JSON, Path, Record, json_path, sql_list
from lakeward.domain.flatten_stages import KEY, POSITION, Nest, items, nests, records
from lakeward.domain.json_numbers import inexact, inexact_plain, large, marked
from lakeward.domain.json_values import is_numeric
from lakeward.domain.sql import ident, text
from lakeward.domain.unread import UNREAD, has_unread

MISFIT = "lakeward: a record may not fit"


def table_sql(
    plan: TablePlan,
    table: LakeTable,
    rows: Rows,
    *,
    exact: Collection[str] = (),
    only: Sequence[str] = (),
    ids: bool = False,
    strict: bool = False,
) -> str:
    """The rows of a lake table, its columns in order; ``order_terms`` tells how they are to be sorted.

    :param rows: of the landed rows: all of them, or those that are good or bad.
    :param exact: nested columns that hold no inexact number, as ``inexact_sql`` tells; they are read faster.
    :param only: just these columns.
    :param ids: with the ids of the landed rows that they come from.
    :param strict: fail with the text ``MISFIT`` at a record that may not fit, or that must be read the slower way.
    """
    source = ident(plan.name) if rows is Rows.ALL and not ids else rows_of(plan.name, rows)
    columns = [c for c in table.columns if not only or c.name in only]
    found = nests(plan, exact)
    if table.kind == "main":
        body = _main(plan, found, columns, source, strict=strict)
    else:
        body = _child(plan, found[table.source], table, columns, source, strict=strict)
    return f"SELECT {f'{ROW_ID}, ' if ids else ''}{body}"


def _main(plan: TablePlan, found: Mapping[str, Nest], columns: Sequence[LakeColumn], rows: str, *, strict: bool) -> str:
    made = {}
    for source, nest in found.items():
        roles = {c.role for c in columns if c.source == source}
        inside = any(c.source == source and (c.path or c.type != JSON or c.role != "value") for c in columns)
        if not inside and not strict:
            continue
        record = nest.record(keyed="undeclared" in roles or (strict and nest.keyed))
        parts = any(c.source == source and c.role == "value" and c.path and c.type == JSON for c in columns)
        rows = f"({records(nest, record, rows, parts=parts)})"
        made[source] = (nest, record)
    values = [_column(plan, c, made) for c in columns]
    if not strict:
        return _listed(values, columns, rows)
    misfits = [f"{ident(UNREAD)} IS NOT NULL"] if has_unread(plan) else []
    for source, (nest, record) in made.items():
        doubtful = [_inexact(nest)] * nest.numeric + [marked(nest.doc)] * nest.keeps_parts
        misfits += [f"{ident(source)} IS NOT NULL AND {nest.doc} IS NULL", *doubtful]
        misfits += _misfits(nest, record, [c if c.source == source else None for c in columns])
    return _checked(values, columns, rows, misfits)


def _listed(values: Sequence[str], columns: Sequence[LakeColumn], rows: str) -> str:
    return f"{', '.join(f'{value} AS {ident(c.name)}' for value, c in zip(values, columns, strict=True))} FROM {rows}"


def _checked(values: Sequence[str], columns: Sequence[LakeColumn], rows: str, misfits: Sequence[str]) -> str:
    """As ``_listed``, but failing where one of the misfits is true: they are told by the values, which are computed once."""
    if not misfits:
        return _listed(values, columns, rows)
    inner = ", ".join(f"{value} AS {_nth(n)}" for n, value in enumerate(values))
    first, *others = map(_nth, range(len(values)))
    first = f"CASE WHEN {' OR '.join(f'({m})' for m in misfits)} THEN error({text(MISFIT)}) ELSE {first} END"
    return _listed([first, *others], columns, f"(SELECT *, {inner} FROM {rows})")


def _misfits(nest: Nest, record: Record, columns: Sequence[LakeColumn | None]) -> list[str]:
    """What may be wrong in a record; ``columns`` are the computed ones, None where one is of another record."""
    read = {c.path: _nth(n) for n, c in enumerate(columns) if c and c.role == "value"}
    undeclared = nest.column.undeclared == "quarantine"
    found = [f.condition for f in faults(record, "", repeated=nest.repeats, undeclared=undeclared, read=read)]
    fractions = [c for c in columns if c and c.role == "value" and is_numeric(c.type)] if nest.plain else []
    return found + [
        f"CASE WHEN {large(read[c.path])} AND {record.type(c.path)} = 'DOUBLE' THEN {inexact(nest.doc)} ELSE false END"
        for c in fractions
    ]


def _inexact(nest: Nest) -> str:
    """Whether the record may hold an inexact number; large ones of plain records are looked at where they are read."""
    return inexact_plain(nest.doc) if nest.plain else inexact(nest.doc)


def _nth(number: int) -> str:
    return ident(f"#value {number}")


def _column(plan: TablePlan, column: LakeColumn, made: dict[str, tuple[Nest, Record]]) -> str:
    if column.role == "gone":
        return f"NULL::{duck_type(column.type)}"
    if column.source not in made or (column.role == "value" and not column.path and column.type == JSON):
        return _landed(plan, column)
    nest, record = made[column.source]
    match column.role:
        case "shape":
            return f"CASE WHEN {ident(column.source)} IS NULL THEN '$:sqlnull' ELSE {record.shape()} END"
        case "undeclared":
            return _undeclared(nest, record)
        case _:
            return record.value(column.path)


def _landed(plan: TablePlan, column: LakeColumn) -> str:
    landed = next(c for c in plan.columns if c.source == column.source)
    wanted = duck_type(column.type)
    return ident(column.source) if duck_type(landed.type) == wanted else f"CAST({ident(column.source)} AS {wanted})"


def _undeclared(nest: Nest, record: Record) -> str:
    """The record's whole text where any of its objects, those in lists too, has a key that nothing declares."""
    terms = [f"len({record.keys(level)}) > {_present(record, level, keys)}" for level, keys in record.levels.items()]
    for path, fields in nest.column.lists:
        for level, keys in nest.item(fields, keyed=True).levels.items():
            every = f"flatten(json_keys({record.doc}, {json_path(path, '[*]', level)}))"
            terms.append(f"NOT list_has_all({_known(keys)}, {every})")
    return f"CASE WHEN {' OR '.join(terms)} THEN {ident(nest.column.source)} END" if terms else "NULL::VARCHAR"


def _present(record: Record, level: Path, keys: Sequence[str]) -> str:
    """How many of the declared keys an object has: those that are left to others show in its number of keys."""
    return " + ".join(("0", *(f"({record.type((*level, key))} IS NOT NULL)::INT" for key in keys)))


def _known(keys: Sequence[str]) -> str:
    return f"{sql_list(keys)}::VARCHAR[]"


def _child(
    plan: TablePlan, nest: Nest, table: LakeTable, columns: Sequence[LakeColumn], rows: str, *, strict: bool
) -> str:
    record = nest.item(nest.fields_of(table.kind, table.path), keyed=strict and nest.keyed)
    parts = any(c.role == "value" and c.type == JSON for c in columns)
    values = [_item_column(plan, c, record) for c in columns]
    rows = f"({items(nest, record, table.kind, table.path, rows, parts=parts)})"
    return (
        _checked(values, columns, rows, _misfits(nest, record, columns)) if strict else _listed(values, columns, rows)
    )


def _item_column(plan: TablePlan, column: LakeColumn, record: Record) -> str:
    match column.role:
        case "gone":
            return f"NULL::{duck_type(column.type)}"
        case "parent":
            return _landed(plan, column)
        case "position":
            return POSITION
        case "key":
            return KEY
        case "shape":
            return record.shape()
        case _:
            return record.value(column.path)
