"""DuckDB. DECIMAL(38, s) raises where an operation overflows; sums are of wider numbers, which a cast through text looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sqlglot import exp

from lakeward.domain.kpi_digits import MAX_DIGITS
from lakeward.domain.spelling.base import MODULUS, Spelling
from lakeward.domain.tree import (
    Expression,
    add,
    call,
    case,
    cast,
    coalesce,
    compare,
    every,
    modulo,
    number,
    one_of,
    own,
    side,
    times,
    word,
)
from lakeward.spec.scalars import LakeType

_SHORT, _SMALL = 18, 9
"""Digits that a bigint holds, and those that it holds beside a weight."""


class Duck(Spelling):
    """Over landings and lakes, and over sources that DuckDB reads."""

    name = "duckdb"
    kinds: ClassVar[dict[str, str]] = {
        "boolean": "BOOLEAN",
        "date": "DATE",
        "timestamp": "TIMESTAMP",
        "timestamptz": "TIMESTAMP WITH TIME ZONE",
        "uuid": "UUID",
    }

    def is_exact(self, value: Expression, scale: int) -> Expression:
        floats = one_of(call(self.typeof, value), [word("DOUBLE"), word("FLOAT")])
        return every(exp.Not(this=floats), super().is_exact(value, scale))

    def plain(self, value: Expression, kind: str) -> Expression:
        decimal = LakeType(kind).decimal
        if decimal is not None and decimal[0] == decimal[1]:  # .50 where there is no room for a digit before the point
            return call("regexp_replace", self.text(value), word(r"^(-?)\."), word(r"\10."))
        return self.text(value)

    def date(self, value: Expression) -> Expression:
        return call("replace", self.text(value), word(" (BC)"), word(" BC"))

    def timestamp(self, value: Expression) -> Expression:
        return self.joined(self.date(cast(value, "DATE")), call("strftime", value, word(" %H:%M:%S.%f")))

    def time(self, value: Expression) -> Expression:
        return call("strftime", add(cast(word("1970-01-01"), "DATE"), value), word("%H:%M:%S.%f"))

    def hex(self, value: Expression) -> Expression:
        return call("lower", call("hex", value))

    def compact(self, value: Expression, kind: str) -> Expression:
        if kind == "date":
            text = self.text(value)
            ours = compare(exp.GTE, value, cast(word("0001-01-01"), "DATE"))
            return case((ours, text), other=call("replace", text, word(" (BC)"), word(" BC")))
        if kind in {"timestamp", "timestamptz"}:
            return self._moment(value, kind)
        if kind == "binary":
            return self.joined(word("\\x"), self.hex(value))
        return self.plain(value, kind) if kind.startswith("decimal") else value

    def _moment(self, value: Expression, kind: str) -> Expression:
        # The text of an instant goes by a calendar that is a millisecond off in far years; that of its microseconds does not.
        zone = "+00" if kind == "timestamptz" else ""
        text = self.text(call("make_timestamp", call("epoch_us", value)) if zone else value)
        before = self.joined(call("replace", text, word(" (BC)"), word("")), word(f"{zone} BC"))
        return case((call("contains", text, word("(")), before), other=self.joined(text, word(zone)))

    def bits(self, value: Expression, kind: str) -> Expression:
        wide = "FLOAT" if kind == "float" else "DOUBLE"
        held = cast(cast(cast(add(value, number(0)), wide), "BIT"), "BLOB")
        return case((call("isnan", value), word("NaN")), other=self.hex(held))

    def hashed(self, text: Expression, digits: int) -> Expression:
        return cast(self.joined(word("0x"), call("left", call("md5", text), number(digits))), "BIGINT")

    def mixed(self, value: Expression) -> Expression:
        return call("xor", value, exp.BitwiseRightShift(this=side(value), expression=number(16)))

    room = (MAX_DIGITS, MAX_DIGITS)

    def wide(self, value: Expression, scale: int) -> Expression:
        return cast(value, f"DECIMAL({MAX_DIGITS}, {scale})")

    def with_room(self, operator: str, sides: list[Expression], digits: Sequence[tuple[int, int]]) -> list[Expression]:
        """A result of short decimals is short, and raises where it does not fit; one long operand makes it long."""
        (left, left_scale), _, (result, scale) = digits
        if operator != "*":
            return [cast(one, f"DECIMAL({result}, {scale})") for one in sides]
        if result <= _SHORT:
            return sides
        return [cast(sides[0], f"DECIMAL({max(left, _SHORT + 1)}, {left_scale})"), sides[1]]

    def weighed(self, weight: Expression, measure: Expression, digits: int, scale: int) -> Expression:
        """By the size of each measure: as bigints, as decimals, and what has more than 18 digits by way of its text.

        One cast of a long decimal to an integer costs more than all else of a row.
        """
        whole: Expression = exp.Paren(this=modulo(self._digits(measure), MODULUS))
        if scale >= _SHORT:
            return call("sum", times(weight, whole))
        near = _within(measure, number(10 ** (_SHORT - scale)))
        sums = [self._digits(call("sum", case((near, times(weight, measure)))))]
        if scale < _SMALL:
            tiny = _within(measure, number(10 ** (_SMALL - scale)))
            short = cast(times(cast(measure, f"DECIMAL({_SHORT}, {scale})"), number(10**scale)), "BIGINT")
            sums = [
                call("sum", case((tiny, times(weight, short)))),
                self._digits(call("sum", case((every(near, exp.Not(this=tiny)), times(weight, measure))))),
            ]
        sums.append(call("sum", case((exp.Not(this=near), times(weight, whole)))))
        found = coalesce(sums[0], number(0))
        for one in sums[1:]:
            found = add(found, coalesce(one, number(0)))
        return found

    def _digits(self, value: Expression) -> Expression:
        """A decimal as a whole number of its last digits."""
        return cast(call("replace", self.text(value), word("."), word("")), "HUGEINT")

    def total(self, value: Expression) -> Expression:
        summed = call("fsum", value)
        return case((call("isfinite", summed), summed), other=call("sum", value))

    def told(self, value: Expression, scale: int) -> Expression:
        # Through text: a sum may hold one digit too many, which a cast to its own type would not look at.
        looked_at = cast(self.text(value), self.figure(scale))
        if scale > MAX_DIGITS - 1 - _SHORT:
            return looked_at
        return case((_within(value, number(10**_SHORT)), cast(value, self.figure(scale))), other=looked_at)


def _within(value: Expression, bound: Expression) -> Expression:
    return exp.Between(this=own(value), low=exp.Neg(this=bound), high=bound.copy())
