"""A JSON value as a column's value: exactly, or NULL where it does not fit the declared type. Nothing is rounded or coerced.

==================  ====================================================================================================
declared            takes
==================  ====================================================================================================
boolean             true, false
int, long           numbers whose value is integral and in range, however spelled (7, 7.0, 7e0)
decimal(p,s)        numbers that need no more than s decimals and fit p digits
float, double       numbers; the nearest one that the type holds, as JSON's own readers do
string              strings
date                strings YYYY-MM-DD
time                strings HH:MM[:SS[.ffffff]]
timestamp           strings YYYY-MM-DD HH:MM:SS[.ffffff], blank or T between; no offset
timestamptz         the same with an offset: Z, +01, +0100, +01:00
uuid                strings, 8-4-4-4-12 hexadecimal digits
json                anything but null, as JSON text; numbers keep their spelling, blanks go
==================  ====================================================================================================
"""

from __future__ import annotations

from lakeward.domain.duck import duck_type
from lakeward.domain.json_numbers import plain
from lakeward.domain.sql import text
from lakeward.spec.scalars import LakeType

_NUMBERS = "('UBIGINT', 'BIGINT', 'DOUBLE')"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = r":[0-5][0-9](\.[0-9]{1,6}0*)?"
_FORMS = {
    "date": _DAY,
    "time": rf"{_CLOCK}({_SECONDS})?",
    "timestamp": rf"{_DAY}[T ]{_CLOCK}{_SECONDS}",
    "timestamptz": rf"{_DAY}[T ]{_CLOCK}{_SECONDS}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}
NUMERIC = frozenset({"int", "long", "float", "double"})


def is_numeric(kind: str) -> bool:
    """Whether a lake type takes numbers."""
    return kind in NUMERIC or kind.startswith("decimal(")


def json_type_of(kind: str) -> str | None:
    """DuckDB's JSON type that alone decides whether a value fits; None when its text must be looked at too."""
    return {"string": "VARCHAR", "boolean": "BOOLEAN"}.get(kind)


def value_sql(kind: str, json_type: str, string: str) -> str:
    """The value of a JSON value.

    :param kind: the declared lake type; not json.
    :param json_type: SQL of DuckDB's ``json_type`` of the value as it was written.
    :param string: SQL of its ``json_extract_string``, a number without the mark.
    """
    target = duck_type(kind)
    if kind == "string":
        return f"CASE WHEN {json_type} = 'VARCHAR' THEN {string} END"
    if kind == "boolean":
        return f"CASE WHEN {json_type} = 'BOOLEAN' THEN {string} = 'true' END"
    if kind in _FORMS:
        fits = f"regexp_full_match({string}, {text(_FORMS[kind])})"
        return f"CASE WHEN {json_type} = 'VARCHAR' AND {fits} THEN TRY_CAST({string} AS {target}) END"
    return f"CASE WHEN {json_type} IN {_NUMBERS} THEN {_number_sql(kind, json_type, string, target)} END"


def _number_sql(kind: str, json_type: str, number: str, target: str) -> str:
    read = "TRY_CAST({} AS " + target + ")"
    if kind in {"float", "double"}:
        return f"CASE WHEN isfinite({read.format(number)}) THEN {read.format(number)} END"
    precision, scale = LakeType(kind).decimal or (0, 0)
    if precision:
        form = rf"-?0*[0-9]{{0,{precision - scale}}}(\.[0-9]{{0,{scale}}}0*)?"
        short = f"len({number}) - strpos({number}, '.') <= {scale}" if scale else f"ends_with({number}, '.0')"
        easy = f"WHEN contains({number}, '.') AND {short} AND NOT contains(lower({number}), 'e') THEN {read.format(number)} "
    else:
        form, easy = r"-?[0-9]+(\.0*)?", ""
        read = r"TRY_CAST(regexp_replace({}, '\.0*$', '') AS " + target + ")"
    written = plain(number)
    return (
        f"CASE WHEN {json_type} <> 'DOUBLE' THEN TRY_CAST({number} AS {target}) {easy}"
        f"WHEN regexp_full_match({number}, {text(form)}) THEN {read.format(number)} "
        f"WHEN regexp_matches({number}, '[eE]') AND regexp_full_match({written}, {text(form)}) "
        f"THEN {read.format(written)} END"
    )
