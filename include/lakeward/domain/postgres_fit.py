"""A column of PostgreSQL whose type is another than the lake's: what the lake's type holds exactly is carried, other rows are quarantined."""

from __future__ import annotations

from dataclasses import replace

from lakeward.domain.facts import LandedColumn
from lakeward.domain.postgres_types import land_column
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import ident
from lakeward.domain.type_rules import landed
from lakeward.errors import UnsupportedError
from lakeward.spec.scalars import LakeType

_NUMBER = "^-?[0-9]{1,200}([.][0-9]{1,200})?$"
_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_WHOLE = {
    "int": ("int4", "BETWEEN -2147483648 AND 2147483647"),
    "long": ("int8", "BETWEEN -9223372036854775808 AND 9223372036854775807"),
}


def fit_column(column: SourceColumn, kind: LakeType) -> LandedColumn:
    """The column as a type of the lake, null where a value does not fit; UnsupportedError when nothing of it could."""
    if kind == "string":
        return land_column(column, wanted=kind)
    text = f"{ident(column.name)}::text"
    expression = _fitting(text, kind)
    if column.category not in {"plain", "domain"} or not expression:
        raise UnsupportedError(
            f"column {column.name!r} of type {column.type} holds no {kind} that could be told from others",
            todo=f"give it another name by `rename`, as a column of its own, or `drop: [{column.name}]`.",
        )
    found = landed(column, kind, expression, guards=("unread",), policy="quarantine")
    return replace(found, nullable=True)


def _fitting(text: str, kind: LakeType) -> str:
    """SQL of a text's value, null where it is none of the type; each test stands in a CASE, so that nothing is cast before it is known to go."""
    if kind in _WHOLE:
        name, within = _WHOLE[kind]
        whole = f"trunc({text}::numeric) = {text}::numeric AND {text}::numeric {within}"
        return f"CASE WHEN {text} ~ '{_NUMBER}' THEN CASE WHEN {whole} THEN {text}::numeric::{name} END END"
    if found := kind.decimal:
        precision, scale = found
        exact = f"round({text}::numeric, {scale}) = {text}::numeric AND abs({text}::numeric) < 1e{precision - scale}"
        value = f"CASE WHEN {text} ~ '{_NUMBER}' THEN CASE WHEN {exact} THEN {text}::numeric END END"
        return f"({value})::numeric({precision},{scale})"
    if kind == "boolean":
        return f"CASE WHEN {text} IN ('true', 'false') THEN {text}::boolean END"
    if kind == "uuid":
        return f"CASE WHEN {text} ~ '{_UUID}' THEN {text}::uuid END"
    return ""
