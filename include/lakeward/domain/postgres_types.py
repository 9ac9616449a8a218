"""How each PostgreSQL type is carried, exactly or not at all."""

from __future__ import annotations

from lakeward.domain.facts import LandedColumn, SourceColumn
from lakeward.domain.sql import ident
from lakeward.errors import UnsupportedError
from lakeward.spec.models import MaskMethod
from lakeward.spec.scalars import LakeType

INTEGERS = {"int2": "int", "int4": "int", "int8": "long"}
PLAIN = {"bool": "boolean", "float4": "float", "float8": "double", "uuid": "uuid", "bytea": "binary"} | INTEGERS
TEXTS = frozenset({"text", "varchar", "bpchar", "name"})
MOMENTS = {"date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz"}
NESTED = frozenset({"json", "jsonb"})

GUARD_REASONS = {
    "nan": "NaN, which no decimal can hold",
    "infinity": "infinity, which no date or timestamp in the lake can hold",
    "scale": "more decimals than the declared scale",
    "inexact": "a value that the declared decimal does not hold exactly",
    "time24": "24:00:00, which no time in the lake can hold",
}
"""What a guard that is not zero found, for messages."""


def land_column(
    column: SourceColumn, *, wanted: LakeType | None = None, mask: MaskMethod | None = None, nested: bool = False
) -> LandedColumn:
    """Decide how a column is read; UnsupportedError names what is refused and what to write instead.

    :param wanted: the type that the file declares for it.
    :param nested: the file flattens it, so text is taken for JSON text.
    """
    carried = _carry(column, wanted, nested=nested)
    return _masked(carried, mask) if mask else carried


def _carry(column: SourceColumn, wanted: LakeType | None, *, nested: bool) -> LandedColumn:
    if nested or wanted == "json":
        return _as_json(column)
    builtin = column.category in {"plain", "domain"}
    if wanted == "string" or (wanted is None and ((builtin and column.base in TEXTS) or column.category == "enum")):
        return _as_text(column, declared=wanted is not None)
    if (
        (builtin and column.base == "numeric")
        or (wanted and wanted.decimal)
        or (wanted in {"int", "long"} and wanted != INTEGERS.get(column.base))
    ):
        return _as_number(column, wanted)
    found = _natural(column)
    if found is None:
        raise UnsupportedError(
            f"column {column.name!r} has the type {column.type}, which is not carried yet",
            todo=f"declare `types: {{{column.name}: string}}` to carry its text, or `drop: [{column.name}]`.",
        )
    if wanted in {None, found.type}:
        return found
    if (found.type, wanted) == ("float", "double"):
        return _column(column, "double", f"{ident(column.name)}::float8", native=False)
    raise UnsupportedError(
        f"column {column.name!r} of type {column.type} cannot become {wanted} exactly",
        todo=f"leave its type out to carry it as {found.type}, or declare string.",
    )


def _column(
    column: SourceColumn,
    kind: str,
    expression: str,
    *,
    native: bool,
    guards: tuple[str, ...] = (),
    pad: int | None = None,
) -> LandedColumn:
    return LandedColumn(
        source=column.name,
        type=kind,
        source_type=column.type,
        expression=expression,
        native=native,
        nullable=column.nullable,
        pad=pad,
        guards=guards,
    )


def _natural(column: SourceColumn) -> LandedColumn | None:
    plain = column.category == "plain"
    name = ident(column.name)
    if column.category in {"array", "composite"} or column.base in NESTED:
        return _as_json(column)
    if column.category == "extension":
        return None
    if column.base in MOMENTS:
        return _column(column, MOMENTS[column.base], _undomained(column), native=plain, guards=("infinity",))
    if column.base == "time":
        return _column(column, "time", _undomained(column), native=plain, guards=("time24",))
    if column.base in PLAIN:
        return _column(column, PLAIN[column.base], name if plain else _undomained(column), native=plain)
    return None


def _undomained(column: SourceColumn) -> str:
    return ident(column.name) if column.category != "domain" else f"{ident(column.name)}::{column.base}"


def _as_json(column: SourceColumn) -> LandedColumn:
    if column.base in NESTED and column.category == "plain":
        return _column(column, "json", ident(column.name), native=True)
    if column.base in NESTED:
        return _column(column, "json", f"{ident(column.name)}::{column.base}", native=False)
    if column.category in {"array", "composite"}:
        return _column(column, "json", f"to_json({ident(column.name)})", native=False)
    if column.base in TEXTS:
        return _column(
            column, "json", f"{ident(column.name)}::text", native=column.base != "bpchar" and column.category == "plain"
        )
    raise UnsupportedError(
        f"column {column.name!r} of type {column.type} holds no nested records",
        todo="flatten only json, jsonb, text with JSON, arrays and composite types.",
    )


def _as_text(column: SourceColumn, *, declared: bool) -> LandedColumn:
    name = ident(column.name)
    if column.base == "bpchar" and column.category in {"plain", "domain"}:
        # A cast to text would trim the padding; the output function keeps it.
        native = column.category == "plain" and column.length is not None
        return (
            _column(column, "string", f"format('%s', {name})", native=native, pad=column.length)
            if column.nullable is False
            else (
                _column(
                    column,
                    "string",
                    f"CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END",
                    native=native,
                    pad=column.length,
                )
            )
        )
    if column.base in {"text", "varchar"} and column.category == "plain":
        return _column(column, "string", name, native=True)
    native = column.category == "enum" and not declared
    return _column(column, "string", f"{name}::text", native=native)


def _as_number(column: SourceColumn, wanted: LakeType | None) -> LandedColumn:
    name = ident(column.name)
    whole = wanted in {"int", "long"}
    target = (18 if wanted == "long" else 9, 0) if whole else wanted.decimal if wanted else None
    if column.base == "numeric":
        return _numeric(column, wanted, target, whole=whole)
    if wanted is None or target is None:
        raise AssertionError("only numbers without a declared type come here as numeric")
    if column.base in INTEGERS:
        if wanted == "int" and column.base == "int8":
            raise UnsupportedError(f"column {column.name!r} of type bigint cannot become int", todo="leave it long.")
        kind = "int8" if wanted == "long" else "int4" if wanted == "int" else f"numeric({target[0]},{target[1]})"
        return _column(column, wanted, f"{name}::{kind}", native=False)
    if column.base in {"float4", "float8"} and not whole:
        return _column(
            column,
            wanted,
            f"{name}::numeric({target[0]},{target[1]})",
            native=False,
            guards=("nan", "infinity", "inexact"),
        )
    raise UnsupportedError(
        f"column {column.name!r} of type {column.type} cannot become {wanted} exactly",
        todo="leave its type out, or declare string.",
    )


def _numeric(
    column: SourceColumn, wanted: LakeType | None, target: tuple[int, int] | None, *, whole: bool
) -> LandedColumn:
    name = ident(column.name)
    declared = None if column.precision is None else (column.precision, column.scale or 0)
    fits = declared is not None and declared[0] <= 38 and 0 <= declared[1] <= declared[0]
    if wanted is None or target is None:
        if not fits or declared is None:
            what = "without precision and scale" if declared is None else "beyond 38 digits or with an unusual scale"
            raise UnsupportedError(
                f"column {column.name!r} is {column.type}, a numeric {what}",
                todo=f"declare its precision and scale, as in `types: {{{column.name}: decimal(38,9)}}`.",
            )
        kind = f"decimal({declared[0]},{declared[1]})"
        expression = name if column.category == "plain" else f"{name}::numeric({declared[0]},{declared[1]})"
        return _column(column, kind, expression, native=column.category == "plain", guards=("nan",))
    same = declared == target and not whole
    cast = f"{name}::{'int8' if wanted == 'long' else 'int4'}" if whole else f"{name}::numeric({target[0]},{target[1]})"
    safe = declared is not None and declared[1] <= target[1]
    guards = ("nan", "infinity") if safe else ("nan", "infinity", "scale")
    return _column(
        column,
        wanted,
        name if same and column.category == "plain" else cast,
        native=same and column.category == "plain",
        guards=guards,
    )


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
    )


def guard_condition(column: LandedColumn, guard: str) -> str:
    """The source's SQL that is true for a row that a guard must find; columns stand for themselves."""
    name = ident(column.source)
    _, scale = LakeType(column.type).decimal or (0, 0)
    return {
        "nan": f"{name} = 'NaN'",
        "infinity": f"{name} IN ('infinity', '-infinity')",
        "scale": f"{name} NOT IN ('NaN', 'infinity', '-infinity') AND scale(trim_scale({name})) > {scale}",
        "inexact": f"{name} NOT IN ('NaN', 'infinity', '-infinity') AND ({column.expression})::float8 <> {name}::float8",
        "time24": f"{name} = '24:00:00'",
    }[guard]
