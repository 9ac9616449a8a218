"""The source's own SQL for the rows of a lake table: its columns, values inside JSON, the items of lists, the entries of maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from sqlglot import exp

from lakeward.domain import tree
from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import LakeColumn, LakeTable, LandedColumn, TablePlan
from lakeward.domain.kpi_measure import KpiError
from lakeward.domain.source_shape import shape_of, undeclared_of
from lakeward.domain.spelling import spelling
from lakeward.domain.tree import Expression
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
    given = [tree.named(tree.raw(landed[s].expression), alias["value", s]) for s in plain]
    given += [tree.named(_document(landed[s], _holding(s, table)), alias["doc", s]) for s in nested]
    inner = plan.select(given or [tree.named(tree.number(1), "one")])
    spelled = spelling(Dialect.POSTGRES)
    if any(_holding(s, table) != "jsonb" for s in nested):
        inner = spelled.fence(inner)  # else the documents would be parsed once for every mention
    rows = tree.nested(inner, "r")
    if table.kind != "main":
        rows.append("joins", _items(table, tree.name(alias["doc", table.source], table="r")))
    typed = {c.name: _typed(plan, c, table, alias, inside=c.name in inside) for c in columns}
    return spelled.sql(rows), {name: spelled.sql(value) for name, value in typed.items()}


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


def _document(column: LandedColumn, holding: str) -> Expression:
    """A landed column as jsonb; null where it holds no JSON that jsonb can represent."""
    given = tree.raw(column.expression)
    if holding == "jsonb":
        return given
    text = tree.cast(exp.Paren(this=given), "TEXT")
    return tree.case((tree.call("pg_input_is_valid", text, tree.word("jsonb")), tree.cast(text, "jsonb")))


def _items(table: LakeTable, document: Expression) -> Expression:
    """The join of every row with the items of its list, or the entries of its map."""
    found = part(document, table.path)
    of_map = table.kind == "map"
    kind, none, function = ("object", "{}", "jsonb_each") if of_map else ("array", "[]", "jsonb_array_elements")
    is_one = tree.equal(tree.call("jsonb_typeof", found), tree.word(kind))
    each = tree.call(function, tree.case((is_one, found), other=tree.cast(tree.word(none), "jsonb")))
    names = ["key", "item"] if of_map else ["item", "at"]
    alias = exp.TableAlias(this=exp.to_identifier("i"), columns=[exp.to_identifier(n, quoted=True) for n in names])
    return exp.Join(this=exp.Lateral(this=each, alias=alias, ordinality=not of_map), kind="CROSS")


def part(document: Expression, path: Sequence[str], *, text: bool = False) -> Expression:
    """What stands at a path of a jsonb document; as ``text`` without its quotes."""
    if not path and not text:
        return document
    keys = exp.Cast(
        this=exp.Array(expressions=[tree.word(key) for key in path]),
        to=exp.DataType.build("text[]", dialect="postgres"),
    )
    kind = exp.JSONBExtractScalar if text else exp.JSONBExtract
    return exp.Paren(this=kind(this=tree.own(document), expression=keys))


def _typed(
    plan: TablePlan, column: LakeColumn, table: LakeTable, alias: dict[tuple[str, str], str], *, inside: bool
) -> Expression:
    held = alias.get(("value", column.source))
    value = tree.name(held, table="r") if held else tree.null()
    if not inside:
        return value
    if column.role == "position":
        return exp.Paren(this=tree.subtract(tree.name("at", table="i"), tree.number(1)))
    if column.role == "key":
        return tree.name("key", table="i")
    of_item = _of_item(column, table)
    document = tree.name("item", table="i") if of_item else tree.name(alias["doc", column.source], table="r")
    if column.role in _MADE:
        sql = spelling(Dialect.POSTGRES).sql
        return tree.raw(_MADE[column.role](plan, table, column, sql(document), sql(value)))
    return json_value(document, column.path, column.type)


def json_value(document: Expression, path: tuple[str, ...], lake_type: str) -> Expression:
    """A value inside a jsonb document by its lake type; null, never an error, where it can't be read as that type."""
    word, value = part(document, path, text=True), part(document, path)
    if lake_type in _MOMENTS:
        return _moment(word, lake_type)
    if lake_type in _LARGEST:
        return _float(value, lake_type)
    if lake_type == "boolean":
        is_one = tree.one_of(word, [tree.word("true"), tree.word("false")])
        return tree.case((is_one, tree.cast(word, "boolean")))
    if lake_type == "uuid":
        return tree.case((_like(word, _UUID), tree.cast(word, "uuid")))
    if lake_type in {"int", "long"} or lake_type.startswith("decimal"):
        return _number(value, word, lake_type)
    null = tree.cast(tree.word("null"), "jsonb")
    return tree.cast(exp.Nullif(this=tree.own(value), expression=null), "TEXT") if lake_type == "json" else word


def _like(word: Expression, pattern: str) -> Expression:
    return exp.RegexpLike(this=tree.own(word), expression=tree.word(pattern))


def _is_number(value: Expression) -> Expression:
    return tree.equal(tree.call("jsonb_typeof", value), tree.word("number"))


def _number(value: Expression, word: Expression, lake_type: str) -> Expression:
    """Every digit that is there, and at least those of the type: what does not fit it must show in the figure."""
    decimal = LakeType(lake_type).decimal
    scale = decimal[1] if decimal else 0

    def spelled(of: Expression) -> Expression:
        digits = tree.number(f"{Decimal(0):.{scale}f}")
        return tree.add(tree.call("trim_scale", tree.cast(of, "DECIMAL")), digits)

    size = tree.call("abs", tree.cast(value, "DECIMAL"))
    fits = tree.compare(exp.LT, size, tree.number(f"1e{38 - scale}"))  # beyond it nothing could be added up
    written = _like(word, f"^-?[0-9]{{1,{max(1, 38 - scale)}}}([.][0-9]+)?$")
    return tree.case((_is_number(value), tree.case((fits, spelled(value)))), (written, spelled(word)))


def _float(value: Expression, lake_type: str) -> Expression:
    """The nearest float, as reading the text gives it; what is too small to be told from 0 is 0."""
    number = tree.cast(value, "DECIMAL")
    size = tree.call("abs", number)
    tiny = tree.compare(exp.LT, size, tree.number(_SMALLEST[lake_type]))
    fits = tree.compare(exp.LTE, size, tree.number(_LARGEST[lake_type]))
    read = tree.case((tiny, tree.number(0)), other=tree.cast(number, _FLOATS[lake_type]))
    return tree.case((_is_number(value), tree.case((fits, read))))


def _moment(word: Expression, lake_type: str) -> Expression:
    valid = tree.call("pg_input_is_valid", word, tree.word(lake_type))
    value: Expression = tree.cast(word, lake_type)
    if lake_type == "timestamptz":
        # Without an offset it is UTC, whatever the session's zone is.
        zoned = tree.every(_like(word, _ZONE + "$"), exp.Not(this=exp.Paren(this=_like(word, f"^{_DATE}$"))))
        utc = exp.AtTimeZone(this=tree.cast(word, "timestamp"), zone=tree.word("UTC"))
        value = tree.case((zoned, value), other=utc)
    return tree.case((tree.every(_like(word, _MOMENTS[lake_type]), valid), value))
