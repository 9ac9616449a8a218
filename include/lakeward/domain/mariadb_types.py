"""A column of MariaDB on its way into the lake: carried exactly, by a policy that the file declares, or not at all.

Expressions are MariaDB's SQL; they are what figures are reckoned over, too.
"""

from __future__ import annotations

from dataclasses import replace

from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import LandedColumn
from lakeward.domain.guards import nullified
from lakeward.domain.mariadb_rules import RULE_OF
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import ident
from lakeward.domain.type_rules import How, Rule, landed
from lakeward.errors import SpecError, UnsupportedError
from lakeward.spec.models import MaskMethod, SpecialPolicy
from lakeward.spec.scalars import LakeType

_DIGITS = 38
_WHOLE = {
    "tinyint": 3, "tinyint unsigned": 3, "smallint": 5, "smallint unsigned": 5, "mediumint": 7, "mediumint unsigned": 8,
    "int": 10, "int unsigned": 10, "bigint": 19, "bigint unsigned": 20, "year": 4, "year unsigned": 4,
}  # fmt: skip
"""Digits of whole numbers."""
_ROOM = {"int": 9, "long": 18}
"""Digits that always fit."""
_SAME = {"int": "mariadb int", "long": "mariadb bigint"}
BINARY = "COLLATE utf8mb4_nopad_bin"
"""Texts are compared by all of their characters, whatever their column's collation takes for the same."""


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
    rule = RULE_OF.get(column.base)
    if rule is None:
        raise UnsupportedError(
            f"column {column.name!r} has the type {column.type}, which is not carried", todo=f"`drop: [{column.name}]`."
        )
    if nested:
        raise UnsupportedError(
            f"column {column.name!r}: documents of MariaDB are not flattened",
            todo="take it out of `flatten`: it is carried as JSON text.",
        )
    if trim:
        raise SpecError(f"trim: column {column.name!r} has no padding to leave behind", todo="take it out of `trim`.")
    if mask:
        return _masked(_carried(column, rule, wanted), mask)
    return _by_policy(column, rule, special, wanted) if special else _carried(column, rule, wanted)


def _carried(column: SourceColumn, rule: Rule, wanted: LakeType | None) -> LandedColumn:
    kind, name = str(wanted or _natural(column, rule)), ident(column.name)
    if kind == "string" and rule.lake != "string":
        return landed(column, "string", _as_text(column, rule))
    digits = _digits(column)
    if digits and (kind in _ROOM or kind.startswith("decimal")):
        return landed(column, kind, _number(column, kind, digits), guards=_guards(column, kind, digits))
    if kind == "boolean" and ((digits and digits[1] == 0) or column.base == "mariadb bit"):
        if column.base == "mariadb bit" and column.precision != 1:
            raise _refused(column, kind, "boolean is for bit(1).")
        return landed(column, kind, f"({name} + 0)", guards=("unfit",))
    if rule.how is How.TEXT and kind in {"string", "json"}:
        return landed(column, kind, _text(column))
    if kind == rule.lake or (kind, rule.lake) == ("double", "float"):
        return landed(column, kind, _plain(name, kind), guards=rule.special)
    raise _refused(column, kind, f"{rule.types} may become {rule.lake}, {rule.also.replace('`', '')}.")


def _refused(column: SourceColumn, kind: str, todo: str) -> UnsupportedError:
    return UnsupportedError(f"column {column.name!r} of type {column.type} is not carried as {kind}", todo=todo)


def _natural(column: SourceColumn, rule: Rule) -> LakeType:
    if rule.lake != "decimal(p,s)":
        return LakeType(rule.lake)
    precision, scale = column.precision or 10, column.scale or 0
    if precision > _DIGITS:
        raise UnsupportedError(
            f"column {column.name!r} is {column.type}, and the lake has decimals of up to {_DIGITS} digits",
            todo=f"declare `types: {{{column.name}: 'decimal({_DIGITS},{min(scale, 18)})'}}`, which stops where a value does not fit, or string.",
        )
    return LakeType(f"decimal({precision},{scale})")


def _digits(column: SourceColumn) -> tuple[int, int] | None:
    """Digits before and after the point of an exact number."""
    base = column.base.removeprefix("mariadb ")
    if base in _WHOLE:
        return _WHOLE[base], 0
    if base.startswith("decimal"):
        scale = column.scale or 0
        return (column.precision or 10) - scale, scale
    return None


def _number(column: SourceColumn, kind: str, digits: tuple[int, int]) -> str:
    """As a number with a sign, in which a difference may be negative; what is one already stays as it is.

    A year becomes one, too: its own text has four digits.
    """
    name = ident(column.name)
    signed = "unsigned" not in column.base and "year" not in column.base
    if decimal := LakeType(kind).decimal:
        precision, scale = decimal
        same = column.base == "mariadb decimal" and digits == (precision - scale, scale)
        return name if same else f"CAST({name} AS DECIMAL({precision},{scale}))"
    return name if signed and digits[1] == 0 else f"CAST({name} AS SIGNED)"


def _guards(column: SourceColumn, kind: str, digits: tuple[int, int]) -> tuple[str, ...]:
    before, after = digits
    precision, scale = LakeType(kind).decimal or (_ROOM[kind], 0)
    wide = before > precision - scale and column.base != _SAME.get(kind)
    return (*(("wide",) if wide else ()), *(("scale",) if after > scale else ()))


def _plain(name: str, kind: str) -> str:
    return f"CAST({name} AS CHAR)" if kind == "uuid" else f"CAST({name} AS DOUBLE)" if kind == "double" else name


def _text(column: SourceColumn) -> str:
    name = ident(column.name)
    if column.base == "mariadb bit":
        return f"LPAD(BIN({name} + 0), {column.precision or 1}, '0')"
    if column.base in {"mariadb inet4", "mariadb inet6"}:
        return f"CAST({name} AS CHAR)"
    return f"(CONVERT({name} USING utf8mb4) {BINARY})"


def _as_text(column: SourceColumn, rule: Rule) -> str:
    """The server's own text of what is no text; a float's is that of a double, which loses nothing."""
    name = ident(column.name)
    if rule.lake == "binary":
        return f"CONCAT('\\\\x', LOWER(HEX({name})))"
    return f"CAST({f'CAST({name} AS DOUBLE)' if rule.lake == 'float' else name} AS CHAR)"


def _by_policy(column: SourceColumn, rule: Rule, special: SpecialPolicy, wanted: LakeType | None) -> LandedColumn:
    if not rule.special:
        raise SpecError(
            f"special: column {column.name!r} of type {column.type} has no values that need a policy",
            todo="take it out of `special`.",
        )
    if special is SpecialPolicy.TEXT:
        if wanted not in {None, "string"}:
            raise SpecError(
                f"column {column.name!r} is carried as text by `special`, and declared {wanted} too", todo="choose one."
            )
        return replace(landed(column, "string", _as_text(column, rule)), guards=rule.special, policy=special.value)
    carried = _carried(column, rule, wanted)
    if carried.type == "string":
        raise SpecError(
            f"column {column.name!r} is declared string, which holds every value as it is",
            todo="take it out of `special`.",
        )
    return nullified(carried, Dialect.MARIADB) if special is SpecialPolicy.NULL else carried


def _masked(column: LandedColumn, mask: MaskMethod) -> LandedColumn:
    """Mask at the source, so that what is masked never leaves it."""
    value = f"CONVERT({column.expression} USING utf8mb4)"
    expression = {
        MaskMethod.HASH: f"SHA2({value}, 256)",
        MaskMethod.REDACT: f"CASE WHEN {value} IS NOT NULL THEN '***' END",
        MaskMethod.NULL: "CAST(NULL AS CHAR)",
    }[mask]
    nullable = column.nullable or mask is MaskMethod.NULL
    return replace(
        column, type="string", expression=expression, nullable=nullable, mask=mask.value, guards=(), policy=""
    )
