"""The source's own SQL for the rows of a lake table: its columns, values inside JSON, the items of lists, the entries of maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from lakeward.domain.facts import LakeColumn, LakeTable, LandedColumn, TablePlan
from lakeward.domain.kpi_measure import KpiError
from lakeward.domain.source_shape import shape_of, undeclared_of
from lakeward.domain.sql import ident, text
from lakeward.spec.scalars import LakeType

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?"
_ZONE = r"(Z|[-+][0-9]{2}(:?[0-9]{2})?)"
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_MOMENTS = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}$",
    "timestamp": f"^{_DATE}[T ]{_TIME}$",
    "timestamptz": f"^{_DATE}[T ]{_TIME} ?{_ZONE}?$",
}
_SOURCE_ROLES = frozenset({"value", "parent", "position", "key"})
_MADE = {"shape": shape_of, "undeclared": undeclared_of}
_FLOATS = {"float": "float4", "double": "float8"}
_SMALLEST = {"float": "1e-45", "double": "5e-324"}
_LARGEST = {"float": "3.4028235e38", "double": "1.7976931348623157e308"}


def postgres_rows(plan: TablePlan, table: LakeTable, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The rows of a lake table as PostgreSQL gives them: a FROM item, and each named column's typed SQL over it.

    The innermost SELECT sees the source's table alone, so that no name of ours can hide one of its columns.
    """
    columns = [table.column(name) for name in names]
    landed = {c.source: c for c in plan.columns}
    inside = {c.name for c in columns if _is_inside(c, table, landed[c.source])}
    made = [c.source for c in columns if c.role in _MADE and table.kind == "main"]
    plain = _unique([*(c.source for c in columns if c.name not in inside), *made])
    nested = _unique(
        [*([table.source] if table.kind != "main" else []), *(c.source for c in columns if c.name in inside)]
    )
    alias = {("value", s): f"v{i}" for i, s in enumerate(plain)} | {("doc", s): f"j{i}" for i, s in enumerate(nested)}
    selected = [f"{landed[s].expression} AS {alias['value', s]}" for s in plain]
    selected += [f"{_document(landed[s], _holding(s, table))} AS {alias['doc', s]}" for s in nested]
    inner = f"SELECT {', '.join(selected) or '1 AS one'} FROM {ident(plan.schema)}.{ident(plan.table)} {plan.where()}"
    parsed = any(_holding(s, table) != "jsonb" for s in nested)
    fence = " OFFSET 0" if parsed else ""  # else the documents would be parsed once for every mention
    sql = f"({inner}{fence}) AS r"
    if table.kind != "main":
        sql += _items(table, f"r.{alias['doc', table.source]}")
    typed = {c.name: _typed(plan, c, table, alias, inside=c.name in inside) for c in columns}
    return sql, typed


def require_source(column: LakeColumn, table: LakeTable) -> None:
    """Refuse a column that flattening makes and the source has nothing to compare with."""
    if column.role == "gone":
        raise KpiError(f"column {column.name!r} of {table.name} is no longer at the source, which has no such figure")
    if column.role not in _SOURCE_ROLES:
        raise KpiError(
            f"column {column.name!r} of {table.name} is made while flattening; the source has no such figure"
        )


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _of_item(column: LakeColumn, table: LakeTable) -> bool:
    """Whether the value is (in) an item of the child table's list or map."""
    return table.kind != "main" and column.role in {"value", "position", "key", "shape"}


def _is_inside(column: LakeColumn, table: LakeTable, landed: LandedColumn) -> bool:
    """Whether the value is inside a document; a JSON column that is kept as text is not."""
    inside = column.role in _MADE or bool(column.path) or (landed.type == "json" and column.type != "json")
    return _of_item(column, table) or (inside and column.role != "parent")


def _holding(source: str, table: LakeTable) -> str:
    """How the source's column holds its records: json, jsonb or text."""
    return next(c.nested for c in table.columns if c.source == source and c.role != "parent")


def _document(column: LandedColumn, holding: str) -> str:
    """A landed column as jsonb; null where it holds no JSON that jsonb can represent."""
    if holding == "jsonb":
        return column.expression
    as_text = f"CAST(({column.expression}) AS text)"
    return f"CASE WHEN pg_input_is_valid({as_text}, 'jsonb') THEN CAST({as_text} AS jsonb) END"


def _items(table: LakeTable, document: str) -> str:
    found = f"{document} {_path('#>', table.path)}" if table.path else document
    if table.kind == "map":
        return f" CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof({found}) = 'object' THEN {found} ELSE '{{}}' END) AS i(key, item)"
    return (
        f" CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof({found}) = 'array' THEN {found} ELSE '[]' END)"
        " WITH ORDINALITY AS i(item, at)"
    )


def _path(operator: str, path: tuple[str, ...]) -> str:
    return f"{operator} ARRAY[{', '.join(text(key) for key in path)}]::text[]"


def _typed(
    plan: TablePlan, column: LakeColumn, table: LakeTable, alias: dict[tuple[str, str], str], *, inside: bool
) -> str:
    value = f"r.{alias['value', column.source]}" if ("value", column.source) in alias else "NULL"
    if not inside:
        return value
    if column.role == "position":
        return "(i.at - 1)"
    if column.role == "key":
        return "i.key"
    document = "i.item" if _of_item(column, table) else f"r.{alias['doc', column.source]}"
    if column.role in _MADE:
        return _MADE[column.role](plan, table, column, document, value)
    return json_value(document, column.path, column.type)


def json_value(document: str, path: tuple[str, ...], lake_type: str) -> str:
    """A value inside a jsonb document by its lake type; null, never an error, where it can't be read as that type."""
    word, value = f"({document} {_path('#>>', path)})", f"({document} {_path('#>', path)})"
    if lake_type in _MOMENTS:
        return _moment(word, lake_type)
    if lake_type in _LARGEST:
        return _float(value, lake_type)
    if lake_type == "boolean":
        return f"CASE WHEN {word} IN ('true', 'false') THEN CAST({word} AS boolean) END"
    if lake_type == "uuid":
        return f"CASE WHEN {word} ~ {text(_UUID)} THEN CAST({word} AS uuid) END"
    if lake_type in {"int", "long"} or lake_type.startswith("decimal"):
        return _number(value, word, lake_type)
    return f"CAST(NULLIF({value}, 'null') AS text)" if lake_type == "json" else word


def _number(value: str, word: str, lake_type: str) -> str:
    """Every digit that is there, and at least those of the type: what does not fit it must show in the figure."""
    decimal = LakeType(lake_type).decimal
    scale = decimal[1] if decimal else 0
    spelled = f"trim_scale(CAST({{}} AS numeric)) + {Decimal(0):.{scale}f}"
    fits = f"abs(CAST({value} AS numeric)) < 1e{38 - scale}"  # beyond it nothing could be added up
    written = text(f"^-?[0-9]{{1,{max(1, 38 - scale)}}}([.][0-9]+)?$")
    return (
        f"CASE WHEN jsonb_typeof({value}) = 'number' THEN CASE WHEN {fits} THEN {spelled.format(value)} END "
        f"WHEN {word} ~ {written} THEN {spelled.format(word)} END"
    )


def _float(value: str, lake_type: str) -> str:
    """The nearest float, as reading the text gives it; what is too small to be told from 0 is 0."""
    number = f"abs(CAST({value} AS numeric))"
    read = f"CASE WHEN {number} < {_SMALLEST[lake_type]} THEN 0 ELSE CAST(CAST({value} AS numeric) AS {_FLOATS[lake_type]}) END"
    return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN CASE WHEN {number} <= {_LARGEST[lake_type]} THEN {read} END END"


def _moment(word: str, lake_type: str) -> str:
    valid = f"{word} ~ {text(_MOMENTS[lake_type])} AND pg_input_is_valid({word}, '{lake_type}')"
    value = f"CAST({word} AS {lake_type})"
    if lake_type == "timestamptz":
        # Without an offset it is UTC, whatever the session's zone is.
        value = f"CASE WHEN {word} ~ {text(_ZONE + '$')} AND {word} !~ {text('^' + _DATE + '$')} THEN {value} ELSE CAST({word} AS timestamp) AT TIME ZONE 'UTC' END"
    return f"CASE WHEN {valid} THEN {value} END"
