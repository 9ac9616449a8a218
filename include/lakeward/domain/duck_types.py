"""A column of DuckDB on its way into the lake: carried exactly, by a policy that the file declares, or not at all."""

from __future__ import annotations

from dataclasses import replace

from lakeward.domain.dialect import Dialect
from lakeward.domain.duck import duck_type
from lakeward.domain.duck_rules import NESTED, rule_of
from lakeward.domain.facts import LandedColumn
from lakeward.domain.guards import nullified
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import ident
from lakeward.domain.text_values import text_value
from lakeward.domain.type_rules import Rule, landed
from lakeward.errors import SpecError, UnsupportedError
from lakeward.spec.models import MaskMethod, SpecialPolicy
from lakeward.spec.scalars import LakeType

_NUMBERS = frozenset(
    {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint", "hugeint", "uhugeint"}
    | {"decimal", "float", "double"}
)


def land_column(
    column: SourceColumn,
    *,
    wanted: LakeType | None = None,
    mask: MaskMethod | None = None,
    nested: bool = False,
    special: SpecialPolicy | None = None,
    trim: bool = False,
) -> LandedColumn:
    """Decide how a column is read; arguments and errors as of ``postgres_types.land_column``."""
    if trim:
        raise SpecError(
            f"trim: column {column.name!r} of type {column.type} has no padding to leave behind",
            todo="take it out of `trim`.",
        )
    if mask:
        return masked(_carry(column, wanted, nested=nested), mask)
    if special is SpecialPolicy.TEXT and (nested or wanted not in {None, "string"}):
        as_what = "flattened" if nested else f"declared {wanted}"
        raise SpecError(
            f"column {column.name!r} is carried as text by `special`, and {as_what} too", todo="choose one."
        )
    return by_policy(column, _carry(column, wanted, nested=nested), special, _as_text(column))


def by_policy(
    column: SourceColumn, carried: LandedColumn, special: SpecialPolicy | None, as_text: LandedColumn
) -> LandedColumn:
    """The column with what the file says of values without a counterpart; texts that can't be read are quarantined by default."""
    rule = rule_of(column)
    guards = carried.guards
    if carried.type in {"float", "double"} and special and rule:
        guards = (*rule.special, *guards) if column.base in {"float", "double"} else guards
    answerable = [g for g in guards if g != "unfit"]
    if special is None:
        return replace(carried, policy="quarantine") if "unread" in guards else carried
    if not answerable:
        raise SpecError(
            f"special: column {column.name!r} of type {column.type}, carried as {carried.type}, has no values that need a policy",
            todo="take it out of `special`.",
        )
    if special is SpecialPolicy.TEXT:
        return replace(as_text, guards=tuple(answerable), policy=special.value)
    guarded = replace(carried, guards=guards)
    return nullified(guarded, Dialect.DUCKDB) if special is SpecialPolicy.NULL else guarded


def _carry(column: SourceColumn, wanted: LakeType | None, *, nested: bool) -> LandedColumn:
    rule = rule_of(column)
    if column.base == "inexact":
        raise UnsupportedError(
            f"column {column.name!r} holds {column.type}, which DuckDB does not read exactly",
            todo=f"write the files anew with a type that it does (microseconds, decimals of up to 38 digits, text), or `drop: [{column.name}]`.",
        )
    if nested or wanted == "json" or (column.base in NESTED and wanted is None):
        return _as_json(column)
    if wanted == "string" or (rule and rule.lake == "string" and wanted is None):
        return _as_text(column)
    if rule is None:
        raise UnsupportedError(
            f"column {column.name!r} has the type {column.type}, which is not carried",
            todo=f"declare `types: {{{column.name}: string}}` to carry DuckDB's text of it, or `drop: [{column.name}]`.",
        )
    lake = f"decimal({column.precision},{column.scale})" if column.base == "decimal" else rule.lake
    return _natural(column, rule, lake) if wanted in {None, lake} else _declared(column, rule, LakeType(str(wanted)))


def _natural(column: SourceColumn, rule: Rule, lake: str) -> LandedColumn:
    name = ident(column.name)
    if column.base in {"hugeint", "uhugeint"}:
        return landed(column, lake, f"TRY_CAST({name} AS {duck_type(lake)})", guards=("unfit",))
    guards = () if lake in {"float", "double"} else rule.special
    return landed(column, lake, f"CAST({name} AS {duck_type(lake)})", guards=guards)


def _declared(column: SourceColumn, rule: Rule, wanted: LakeType) -> LandedColumn:
    name = ident(column.name)
    if (column.base, wanted) == ("float", "double"):
        return landed(column, wanted, f"CAST({name} AS DOUBLE)")
    if column.base == "varchar":
        return landed(column, wanted, text_value(wanted, name), guards=("unread",))
    if column.base in _NUMBERS and (wanted in {"int", "long"} or wanted.decimal):
        special = rule.special if column.base in {"float", "double"} else ()
        # DuckDB writes .50 where there is no room for a digit before the point
        written = rf"regexp_replace(CAST({name} AS VARCHAR), '^(-?)\.', '\10.')"
        return landed(column, wanted, text_value(wanted, written), guards=(*special, "unfit"))
    raise UnsupportedError(
        f"column {column.name!r} of type {column.type} cannot become {wanted} exactly",
        todo="leave its type out, or declare string.",
    )


def _as_json(column: SourceColumn) -> LandedColumn:
    name = ident(column.name)
    if column.base in {"json", "varchar"}:
        return landed(column, "json", f"CAST({name} AS VARCHAR)")
    if column.base in NESTED:
        guards = ("inside",) if "DOUBLE" in column.exact or "FLOAT" in column.exact else ()
        made = f"CAST(to_json(CAST({name} AS {column.exact})) AS VARCHAR)"
        return landed(column, "json", f"CASE WHEN {name} IS NOT NULL THEN {made} END", guards=guards)
    raise UnsupportedError(
        f"column {column.name!r} of type {column.type} holds no nested records",
        todo="flatten only JSON, text with JSON, structs, lists, maps and unions.",
    )


def _as_text(column: SourceColumn) -> LandedColumn:
    name = ident(column.name)
    if column.base == "blob":
        return landed(column, "string", rf"'\x' || lower(hex({name}))")
    return landed(column, "string", name if column.base == "varchar" else f"CAST({name} AS VARCHAR)")


def masked(column: LandedColumn, mask: MaskMethod) -> LandedColumn:
    """Mask where it is read, so that what is masked never leaves the source."""
    value = column.expression
    expression = {
        MaskMethod.HASH: f"sha256(CAST(({value}) AS VARCHAR))",
        MaskMethod.REDACT: f"CASE WHEN ({value}) IS NOT NULL THEN '***' END",
        MaskMethod.NULL: "CAST(NULL AS VARCHAR)",
    }[mask]
    nullable = column.nullable or mask is MaskMethod.NULL
    return replace(
        column, type="string", expression=expression, nullable=nullable, guards=(), policy="", mask=mask.value
    )
