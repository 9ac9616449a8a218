"""A column of SQLite on its way into the lake. DuckDB sees its values as texts that begin with their storage class: ``integer 7``, ``text abc``."""

from __future__ import annotations

from dataclasses import replace

from lakeward.domain.duck_types import masked
from lakeward.domain.facts import LandedColumn
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import ident
from lakeward.domain.sqlite_rules import DIGITS, RULE_OF
from lakeward.domain.text_values import text_value
from lakeward.domain.type_rules import landed
from lakeward.errors import SpecError, UnsupportedError
from lakeward.spec.models import MaskMethod, SpecialPolicy
from lakeward.spec.scalars import LakeType

_EXACT = 2**53
"""Up to here a double holds every whole number."""


def cell_sql(name: str) -> str:
    """SQLite's SQL of a value as such a text; doubles with so many digits that reading them gives the same double again."""
    c = ident(name)
    return (
        f"CASE typeof({c}) WHEN 'null' THEN NULL WHEN 'blob' THEN 'blob ' || hex({c}) "
        f"WHEN 'real' THEN 'real ' || printf('%!.20e', {c}) ELSE typeof({c}) || ' ' || {c} END AS {c}"
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
        raise SpecError(f"trim: column {column.name!r} has no padding to leave behind", todo="take it out of `trim`.")
    kind = "json" if nested else str(wanted or _natural(column))
    if wanted == "string" or special is SpecialPolicy.TEXT:
        if nested or wanted not in {None, "string"}:
            raise SpecError(
                f"column {column.name!r} is carried as text by `special`, and as {kind} too", todo="choose one."
            )
        if special not in {None, SpecialPolicy.TEXT}:
            raise SpecError(
                f"column {column.name!r} is declared string, which holds every value", todo="take it out of `special`."
            )
        carried = landed(column, "string", _any_text(column.name))
    elif kind == "float":
        raise UnsupportedError(f"column {column.name!r} holds doubles, not floats", todo="declare double.")
    else:
        carried = landed(column, kind, _value(kind, column.name), guards=("unread",))
        policy = {None: "quarantine", SpecialPolicy.NULL: "null"}.get(special, "")
        carried = replace(carried, policy=policy, nullable=carried.nullable or policy == "null")
    return masked(carried, mask) if mask else carried


def _natural(column: SourceColumn) -> LakeType:
    rule = RULE_OF.get(column.base)
    if rule is None:
        raise UnsupportedError(
            f"column {column.name!r} has {f'the type {column.type}' if column.type else 'no type'}, which tells nothing of its values",
            todo=f"declare `types: {{{column.name}: string}}`, or another type; values that are none are quarantined.",
        )
    if column.base != "sqlite numeric":
        return LakeType(rule.lake)
    if column.precision is None or column.precision > DIGITS:
        raise UnsupportedError(
            f"column {column.name!r} is {column.type}, of which SQLite keeps {DIGITS} digits where it keeps a double",
            todo=f"declare it, as `types: {{{column.name}: 'decimal(38,9)'}}` for texts and whole numbers, or double.",
        )
    return LakeType(f"decimal({column.precision},{column.scale})")


def _value(kind: str, column: str) -> str:
    """The value of a cell, by the storage classes that a lake type takes; null for all others."""
    name = ident(column)
    tail = f"substr({name}, strpos({name}, ' ') + 1)"
    number = f"CAST(TRY_CAST({tail} AS DOUBLE) AS VARCHAR)"
    match kind:
        case "double":
            whole = f"CASE WHEN abs(TRY_CAST({tail} AS HUGEINT)) <= {_EXACT} THEN TRY_CAST({tail} AS DOUBLE) END"
            takes = {"real": f"TRY_CAST({tail} AS DOUBLE)", "integer": whole}
        case "boolean":
            takes = {
                "integer": f"CASE {tail} WHEN '0' THEN false WHEN '1' THEN true END",
                "text": text_value(kind, tail),
            }
        case "binary":
            takes = {"blob": f"unhex({tail})"}
        case "int" | "long":
            takes = {
                "integer": text_value(kind, tail),
                "text": text_value(kind, tail),
                "real": text_value(kind, number),
            }
        case _ if kind.startswith("decimal"):
            takes = {
                "integer": text_value(kind, tail),
                "text": text_value(kind, tail),
                "real": text_value(kind, number),
            }
        case _:
            takes = {"text": text_value(kind, tail)}
    return _by_class(name, takes)


def _any_text(column: str) -> str:
    name = ident(column)
    tail = f"substr({name}, strpos({name}, ' ') + 1)"
    number = f"CAST(TRY_CAST({tail} AS DOUBLE) AS VARCHAR)"
    return _by_class(name, {"text": tail, "integer": tail, "real": number, "blob": rf"'\x' || lower({tail})"})


def _by_class(name: str, takes: dict[str, str]) -> str:
    cases = " ".join(f"WHEN '{held}' THEN {value}" for held, value in takes.items())
    return f"CASE split_part({name}, ' ', 1) {cases} END"
