"""Numbers of PostgreSQL that become decimals or whole numbers of the lake, and what the source is asked where the file must say which."""

from __future__ import annotations

from dataclasses import dataclass

from lakeward.domain.facts import LandedColumn
from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.sql import ident
from lakeward.domain.type_rules import landed
from lakeward.errors import UnsupportedError
from lakeward.spec.scalars import LakeType

INTEGERS = {"int2": "int", "int4": "int", "int8": "long"}
_INTEGER_DIGITS = {"int2": 5, "int4": 10, "int8": 19}
DIGITS = 38
"""The most that a decimal of the lake holds."""
_MONEY_DIGITS, _CENTS = 19, 2
_WHOLE = {"int": (9, "int4"), "long": (18, "int8")}


class UnboundedError(UnsupportedError):
    """A numeric whose type the file must say: its own has no bound, or is beyond what the lake holds."""


def as_number(column: SourceColumn, wanted: LakeType | None) -> LandedColumn:
    """A column as a decimal, int or long.

    :raises UnboundedError: it is a numeric, and the file must say its precision and scale.
    :raises UnsupportedError: it can't become that exactly.
    """
    if column.base in {"numeric", "money"}:
        return _numeric(column, wanted)
    target = _target(wanted)
    if wanted is None or target is None:
        raise AssertionError("only numeric and money come here without a declared type")
    name = ident(column.name)
    if column.base in INTEGERS:
        if wanted == "int" and column.base == "int8":
            raise UnsupportedError(f"column {column.name!r} of type bigint cannot become int", todo="leave it long.")
        kind = _WHOLE[wanted][1] if wanted in _WHOLE else f"numeric({target[0]},{target[1]})"
        wide = wanted.decimal and target[0] - target[1] < _INTEGER_DIGITS[column.base]
        return landed(column, wanted, f"{name}::{kind}", guards=("wide",) if wide else ())
    if column.base in {"float4", "float8"} and wanted.decimal:
        guards = ("nan", "infinity", "inexact")
        return landed(column, wanted, f"{name}::numeric({target[0]},{target[1]})", guards=guards)
    raise UnsupportedError(
        f"column {column.name!r} of type {column.type} cannot become {wanted} exactly",
        todo="leave its type out, or declare string.",
    )


def _target(wanted: LakeType | None) -> tuple[int, int] | None:
    if wanted in _WHOLE:
        return _WHOLE[wanted][0], 0
    return wanted.decimal if wanted else None


def _numeric(column: SourceColumn, wanted: LakeType | None) -> LandedColumn:
    name, plain = ident(column.name), column.category == "plain"
    money = column.base == "money"
    value = f"{name}::numeric" if money else name
    declared = _declared(column)
    target = _target(wanted)
    if wanted is None or target is None:
        if declared is None or declared[0] > DIGITS:
            what = "without precision and scale" if declared is None else f"beyond the {DIGITS} digits of the lake"
            raise UnboundedError(
                f"column {column.name!r} is {column.type}, a numeric {what}",
                todo=f"declare its precision and scale, as in `types: {{{column.name}: 'decimal(38,9)'}}`.",
            )
        wanted, target = LakeType(f"decimal({declared[0]},{declared[1]})"), declared
    kind = _WHOLE[wanted][1] if wanted in _WHOLE else f"numeric({target[0]},{target[1]})"
    native = plain and not money and wanted not in _WHOLE and (column.precision, column.scale) == target
    guards = [] if money else ["nan"] if column.precision is not None else ["nan", "infinity"]
    if declared is None or declared[1] > target[1]:
        guards.append("scale")
    if declared is None or declared[0] - declared[1] > target[0] - target[1]:
        guards.append("wide")
    expression = name if native else f"{value}::{kind}"
    return landed(column, wanted, expression, native=native, guards=tuple(guards))


def _declared(column: SourceColumn) -> tuple[int, int] | None:
    """The smallest decimal that holds every finite value that the source's own type allows."""
    if column.base == "money":
        return _MONEY_DIGITS, _CENTS if column.scale is None else column.scale
    if column.precision is None:
        return None
    scale = column.scale or 0
    return (column.precision - scale, 0) if scale < 0 else (max(column.precision, scale), scale)


@dataclass(frozen=True, slots=True)
class Widest:
    """What a numeric column holds at the source: the most digits before and after the point, and how many values are no number."""

    whole: int
    decimals: int
    special: int

    @property
    def fitting(self) -> LakeType | None:
        """The smallest decimal that holds all of it; None when none does."""
        digits = max(1, self.whole + self.decimals)
        return LakeType(f"decimal({digits},{self.decimals})") if digits <= DIGITS else None

    @property
    def roomy(self) -> LakeType | None:
        """The decimal that holds all of it and most of what may come."""
        return (
            LakeType(f"decimal({DIGITS},{max(self.decimals, min(9, DIGITS - self.whole))})") if self.fitting else None
        )


def widest_sql(column: SourceColumn) -> str:
    """An aggregate over a numeric column that ``widest`` reads."""
    value = f"{ident(column.name)}::numeric"
    finite = f"FILTER (WHERE {value} NOT IN ('NaN', 'infinity', '-infinity'))"
    special = f"FILTER (WHERE {value} IN ('NaN', 'infinity', '-infinity'))"
    return (
        f"concat_ws(' ', coalesce(max(trunc(abs({value}))) {finite}, 0), "
        f"coalesce(max(scale(trim_scale({value}))) {finite}, 0), count(*) {special})"
    )


def widest(answer: str) -> Widest:
    """What the source answers to ``widest_sql``."""
    largest, decimals, special = answer.split()
    return Widest(0 if largest == "0" else len(largest), int(decimals), int(special))


def advice(column: SourceColumn, found: Widest) -> str:
    """What to write for a numeric that needs a declared type."""
    held = f"the widest values at the source have {found.whole} digits before and {found.decimals} after the point"
    if found.fitting:
        todo = f"declare `types: {{{column.name}: '{found.fitting}'}}`, or a wider one for what may come"
    else:
        todo = f"no decimal of the lake holds that: declare `types: {{{column.name}: string}}`"
    if found.special:
        todo += (
            f"; {found.special} are NaN or infinite: say what becomes of them, as in `special: {{{column.name}: 'null'}}`"
            if found.fitting
            else f" ({found.special} are NaN or infinite)"
        )
    return f"{held}; {todo}."
