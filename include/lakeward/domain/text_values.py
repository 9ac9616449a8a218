"""A text as a value of a lake type, as DuckDB SQL: exactly, or null where it spells none. Blanks around it are no part of a value.

Numbers are spelled as JSON spells them, a sign ``+`` and leading zeros aside; moments as ISO 8601 does; booleans ``true`` and ``false``.
"""

from __future__ import annotations

from lakeward.domain.json_values import is_numeric, value_sql
from lakeward.domain.sql import text

_NUMBER = text(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SPECIAL = "('nan', 'inf', '-inf', 'infinity', '-infinity')"
_HEX = text(r"\\x([0-9a-fA-F]{2})*")


def text_value(kind: str, value: str) -> str:
    """SQL of the value that a text spells.

    :param kind: a lake type; a text of ``string`` and ``json`` is what it is.
    :param value: SQL of the text; it is mentioned several times.
    """
    if kind in {"string", "json"}:
        return value
    if kind == "boolean":
        return f"CASE lower({value}) WHEN 'true' THEN true WHEN 'false' THEN false END"
    if kind == "binary":
        return f"CASE WHEN regexp_full_match({value}, {_HEX}) THEN unhex(substr({value}, 3)) END"
    if not is_numeric(kind):
        return value_sql(kind, "'VARCHAR'", value)
    number = f"ltrim({value}, '+')"
    read = value_sql(kind, "'DOUBLE'", number)
    if kind in {"float", "double"}:
        word = kind.upper()
        special = f"WHEN lower({value}) IN {_SPECIAL} THEN CAST({value} AS {word}) "
        return f"CASE {special}WHEN regexp_full_match({value}, {_NUMBER}) THEN {read} END"
    return f"CASE WHEN regexp_full_match({value}, {_NUMBER}) THEN {read} END"
