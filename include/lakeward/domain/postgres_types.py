"""A column of PostgreSQL on its way into the lake: carried exactly, by a policy that the file declares, or not at all."""

from __future__ import annotations

from dataclasses import replace

from lakeward.domain.facts import LandedColumn
from lakeward.domain.guards import nullified
from lakeward.domain.postgres_numbers import as_number
from lakeward.domain.postgres_rules import rule_of
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import ident
from lakeward.domain.type_rules import How, Rule, landed
from lakeward.errors import SpecError, UnsupportedError
from lakeward.spec.models import MaskMethod, SpecialPolicy
from lakeward.spec.scalars import LakeType

_NESTED = frozenset({"json", "jsonb"})
_BUILTIN = frozenset({"plain", "domain"})


def land_column(
    column: SourceColumn,
    *,
    wanted: LakeType | None = None,
    mask: MaskMethod | None = None,
    nested: bool = False,
    special: SpecialPolicy | None = None,
    trim: bool = False,
) -> LandedColumn:
    """Decide how a column is read.

    :param wanted: the type that the file declares for it.
    :param nested: the file flattens it, so text is taken for JSON text.
    :param special: what becomes of values that the lake has no counterpart for.
    :param trim: leave the padding of a char(n) behind.
    :raises UnsupportedError: it can't be carried so; the error says what to write instead.
    :raises SpecError: the file contradicts itself.
    """
    if mask:
        return _masked(_carry(column, wanted, nested=nested), mask)
    if special:
        return _by_policy(column, special, wanted, nested=nested)
    if trim:
        return _trimmed(column, wanted)
    return _carry(column, wanted, nested=nested)


def _carry(column: SourceColumn, wanted: LakeType | None, *, nested: bool) -> LandedColumn:
    if nested or wanted == "json":
        return _as_json(column)
    rule = rule_of(column)
    if wanted == "string":
        return _as_text(column, declared=True)
    if rule is None:
        raise UnsupportedError(
            f"column {column.name!r} has the type {column.type}, which is not carried",
            todo=f"declare `types: {{{column.name}: string}}` to carry its text, or `drop: [{column.name}]`.",
        )
    whole = wanted in {"int", "long"} and wanted != rule.lake
    if rule.how in {How.NUMERIC, How.MONEY} or whole or (wanted and wanted.decimal):
        return as_number(column, wanted)
    found = _natural(column, rule)
    if wanted in {None, found.type}:
        return found
    if (found.type, wanted) == ("float", "double"):
        return landed(column, "double", f"{ident(column.name)}::float8")
    raise UnsupportedError(
        f"column {column.name!r} of type {column.type} cannot become {wanted} exactly",
        todo=f"leave its type out to carry it as {found.type}, or declare string.",
    )


def _natural(column: SourceColumn, rule: Rule) -> LandedColumn:
    match rule.how:
        case How.TEXT | How.OUTPUT:
            return _as_text(column)
        case How.JSON:
            return _as_json(column)
        case How.CAST:
            return landed(column, rule.lake, f"{ident(column.name)}::int8")
        case _:
            plain = column.category == "plain"
            name = ident(column.name)
            lake = "int" if column.base == "int2" else rule.lake
            guards = () if lake in {"float", "double"} else rule.special
            return landed(column, lake, name if plain else f"{name}::{column.base}", native=plain, guards=guards)


def _as_json(column: SourceColumn) -> LandedColumn:
    name = ident(column.name)
    plain, builtin = column.category == "plain", column.category in _BUILTIN
    if builtin and column.base in _NESTED:
        return landed(column, "json", name if plain else f"{name}::{column.base}", native=plain)
    if column.category in {"array", "composite"}:
        exact = f"{name}::numeric[]" if column.element == "money" else name
        return landed(column, "json", f"to_json({exact})", guards=("bounds",), bounds=_bounds(column))
    if builtin and column.base in {"text", "varchar", "bpchar"}:
        return landed(column, "json", f"{name}::text", native=column.base != "bpchar" and plain)
    if column.category == "extension" and column.base == "hstore":
        return landed(column, "json", f"to_json({name})")
    raise UnsupportedError(
        f"column {column.name!r} of type {column.type} holds no nested records",
        todo="flatten only json, jsonb, text with JSON, arrays, composite types and hstore.",
    )


def _bounds(column: SourceColumn) -> str:
    return "both" if column.element == "record" else column.category


def _as_text(column: SourceColumn, *, declared: bool = False) -> LandedColumn:
    name, plain = ident(column.name), column.category == "plain"
    rule = rule_of(column)
    if column.category in _BUILTIN and column.base == "bpchar":
        return landed(column, "string", _output(column), native=plain and column.length is not None, pad=column.length)
    if plain and column.base in {"text", "varchar"}:
        return landed(column, "string", name, native=True)
    if rule and rule.how is How.OUTPUT:
        return landed(column, "string", _output(column))
    if rule and rule.how is How.MONEY:
        return landed(column, "string", f"{name}::numeric::text")
    return landed(column, "string", f"{name}::text", native=column.category == "enum" and not declared)


def _output(column: SourceColumn) -> str:
    """What the type's output function writes, by the cheapest call. A cast to text may be another: it trims char(n), and adds /32 to an inet."""
    name = ident(column.name)
    written = f"concat({name})"
    return f"CASE WHEN {name} IS NOT NULL THEN {written} END" if column.nullable else written


def _by_policy(column: SourceColumn, special: SpecialPolicy, wanted: LakeType | None, *, nested: bool) -> LandedColumn:
    rule = rule_of(column)
    if rule is None or not rule.special:
        raise SpecError(
            f"special: column {column.name!r} of type {column.type} has no values that need a policy",
            todo="take it out of `special`.",
        )
    if special is SpecialPolicy.TEXT:
        if nested or wanted not in {None, "string"}:
            as_what = "flattened" if nested else f"declared {wanted}"
            raise SpecError(
                f"column {column.name!r} is carried as text by `special`, and {as_what} too", todo="choose one."
            )
        return replace(
            _as_text(column, declared=True), guards=rule.special, policy=special.value, bounds=_bounds(column)
        )
    carried = _carry(column, wanted, nested=nested)
    if carried.type == "string":
        raise SpecError(
            f"column {column.name!r} is declared string, which holds every value as it is",
            todo="take it out of `special`.",
        )
    guarded = replace(carried, guards=carried.guards or rule.special)
    return nullified(guarded) if special is SpecialPolicy.NULL else guarded


def _trimmed(column: SourceColumn, wanted: LakeType | None) -> LandedColumn:
    if column.base != "bpchar" or column.category not in _BUILTIN or wanted not in {None, "string"}:
        raise SpecError(
            f"trim: column {column.name!r} of type {column.type} has no padding to leave behind",
            todo="list only columns of type char(n) that become string.",
        )
    return landed(column, "string", f"{ident(column.name)}::text", guards=("padding",), policy="trim")


def _masked(column: LandedColumn, mask: MaskMethod) -> LandedColumn:
    """Mask at the source, so that what is masked never leaves it."""
    value = column.expression
    expression = {
        MaskMethod.HASH: f"encode(sha256(convert_to(({value})::text, 'UTF8')), 'hex')",
        MaskMethod.REDACT: f"CASE WHEN ({value}) IS NOT NULL THEN '***' END",
        MaskMethod.NULL: "NULL::text",
    }[mask]
    return LandedColumn(
        source=column.source,
        type="string",
        source_type=column.source_type,
        expression=expression,
        native=False,
        nullable=column.nullable or mask is MaskMethod.NULL,
        mask=mask.value,
        definition=column.definition,
    )
