"""MariaDB, in a session that is set as ``SESSION`` says and speaks utf8mb4.

It has neither GROUPING SETS nor bits of floats, and CONVERT_TZ knows the years 1970 to 2037 alone and says nothing beyond.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from lakeward.domain.spelling.base import MODULUS, Sets, Spelling
from lakeward.domain.spelling.sets import by_listed_sets
from lakeward.domain.tree import (
    Expression,
    Select,
    add,
    call,
    case,
    cast,
    compare,
    equal,
    modulo,
    number,
    own,
    raw,
    row,
    side,
    subtract,
    times,
    word,
)
from lakeward.domain.zones import Ruling, rulings

SESSION = "time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO', max_sort_length = 65536, sort_buffer_size = 16777216"
"""What a session must be set to: instants are told in UTC, a backslash escapes, and texts are grouped by all of their characters."""
_DIGITS, _SCALE = 65, 38
"""Of DECIMAL; what needs more is cut off without a word."""
_ADDED = 33
"""Digits of a measure whose products with weights have room in a sum of any number of rows."""
_FLOAT = {"float": (23, 127, 8), "double": (52, 1023, 16)}
"""Bits of the fraction, bias of the exponent, hexadecimal digits."""
_UNLIMITED = {"-infinity": "0000-01-01", "infinity": "0000-01-02"}
"""MariaDB's dates have no infinities; no calendar has a year 0."""


class MariaDb(Spelling):
    """Its texts are compared with all their blanks, by code points."""

    name = "mysql"

    def plain(self, value: Expression, kind: str) -> Expression:
        if kind == "boolean":
            value = case(
                (equal(value, number(0)), word("false")), (exp.Not(this=equal(value, number(0))), word("true"))
            )
        text = self._utf8(value) if kind == "string" else self._utf8(self.text(value))
        return exp.Collate(this=text, expression=exp.var("utf8mb4_nopad_bin"))

    def _utf8(self, value: Expression) -> Expression:
        return exp.Cast(this=own(value), to=exp.DataType(this=exp.DType.CHARACTER_SET, kind=exp.var("utf8mb4")))

    def date(self, value: Expression) -> Expression:
        return call("DATE_FORMAT", value, word("%Y-%m-%d"))

    def timestamp(self, value: Expression) -> Expression:
        return call("DATE_FORMAT", value, word("%Y-%m-%d %H:%i:%s.%f"))

    def instant(self, value: Expression) -> Expression:
        return self.joined(self.timestamp(value), word("Z"))

    def time(self, value: Expression) -> Expression:
        return call("TIME_FORMAT", value, word("%H:%i:%s.%f"))

    def hex(self, value: Expression) -> Expression:
        return call("LOWER", call("HEX", value))

    def joined(self, *parts: Expression) -> Expression:
        return call("CONCAT", *parts)

    def character(self, code: int) -> Expression:
        return exp.Chr(expressions=[number(code)], charset=exp.var("utf8mb4"))

    def matched(self, value: Expression, pattern: str, put: str) -> Expression:
        return call("REGEXP_REPLACE", value, word(pattern), word(put))

    def compact(self, value: Expression, kind: str) -> Expression:
        if kind in {"timestamp", "timestamptz"}:
            shown = self._short(self.timestamp(value))
            return self.joined(shown, word("+00")) if kind == "timestamptz" else shown
        made = {
            "time": lambda: self._short(self.time(value)),
            "date": lambda: self.date(value),
            "binary": lambda: self.joined(word("\\x"), self.hex(value)),
            "string": lambda: self._utf8(value),
            "json": lambda: self._utf8(value),
            "boolean": lambda: self.plain(value, kind),
        }
        return made[kind]() if kind in made else self.text(value)

    def _short(self, text: Expression) -> Expression:
        """Without zeros at the end of a fraction."""
        for end in ("0", "."):
            text = exp.Trim(this=own(text), expression=word(end), position="TRAILING")
        return text

    def bits(self, value: Expression, kind: str) -> Expression:
        """By arithmetic: powers of two scale a double without rounding it."""
        fraction, bias, digits = _FLOAT[kind]
        size = call("ABS", value)
        about = call("LEAST", call("FLOOR", call("LOG2", size)), number(bias - 1))
        power = add(
            about,
            subtract(
                exp.Paren(this=compare(exp.GTE, size, call("POW", number(2), add(about, number(1))))),
                exp.Paren(this=compare(exp.LT, size, call("POW", number(2), about))),
            ),
        )
        whole = times(exp.Div(this=size.copy(), expression=call("POW", number(2), power)), number(2**fraction))
        normal = add(times(cast(add(power, number(bias - 1)), "BIGINT"), number(2**fraction)), cast(whole, "BIGINT"))
        half = (bias + fraction) // 2
        tiny = times(
            times(size, call("POW", number(2), number(half))),
            call("POW", number(2), number(bias - 1 + fraction - half)),
        )
        smallest = call("POW", number(2), exp.Neg(this=number(bias - 1)))
        held = case((compare(exp.LT, size, smallest), cast(tiny, "BIGINT")), other=normal)
        sign = case((compare(exp.LT, value, number(0)), number(1 << (4 * digits - 1))), other=number(0))
        signed = exp.BitwiseOr(this=side(held), expression=side(sign))
        return call("LOWER", call("LPAD", call("HEX", signed), number(digits), word("0")))

    def hashed(self, text: Expression, digits: int) -> Expression:
        found = call("LEFT", call("MD5", self._utf8(text)), number(digits))
        return cast(call("CONV", found, number(16), number(10)), "BIGINT")

    def mixed(self, value: Expression) -> Expression:
        shifted = exp.BitwiseRightShift(this=side(value), expression=number(16))
        return cast(exp.BitwiseXor(this=side(value), expression=exp.Paren(this=shifted)), "BIGINT")

    room = (_DIGITS, _SCALE)
    has_wide = False

    def weighed(self, weight: Expression, measure: Expression, digits: int, scale: int) -> Expression:
        if digits <= _ADDED:
            return self._digits(call("SUM", times(weight, measure)))
        return call("SUM", times(weight, modulo(self._digits(measure), MODULUS)))

    def _digits(self, value: Expression) -> Expression:
        """A decimal as a whole number of its last digits."""
        return cast(call("REPLACE", self.text(value), word("."), word("")), f"DECIMAL({_DIGITS}, 0)")

    def total(self, value: Expression) -> Expression:
        """As decimals of 20 places, which rounds nothing that a tolerance would see; what is too large for that as doubles."""
        exact = cast(call("SUM", cast(value, f"DECIMAL({_DIGITS}, 20)")), "DOUBLE")
        fits = compare(exp.LT, call("MAX", call("ABS", value)), raw("1e40"))
        return case((fits, exact), other=call("SUM", value))

    def figure(self, scale: int) -> str:
        return f"DECIMAL({_DIGITS}, {scale})"

    def told(self, value: Expression, scale: int) -> Expression:
        """Not as 38 digits: a cast would put the largest number in the place of a larger one."""
        return cast(value, self.figure(scale))

    def local(self, value: Expression, zone: str) -> Expression:
        """By the rules of the zone that we bring along."""
        if zone == "UTC":
            return value
        ahead = _ahead(value, rulings(zone))
        return exp.Paren(
            this=exp.Add(this=own(value), expression=exp.Interval(this=side(ahead), unit=exp.var("SECOND")))
        )

    def part(self, unit: str, day: Expression) -> Expression:
        if unit == "isodow":
            return add(call("WEEKDAY", day), number(1))
        return call({"day": "DAYOFMONTH", "month": "MONTH", "year": "YEAR"}[unit], day)

    def back(self, day: Expression, days: Expression) -> Expression:
        return call("DATE_SUB", day, exp.Interval(this=side(days), unit=exp.var("DAY")))

    def unlimited(self, word_: str) -> Expression:
        return cast(word(_UNLIMITED[word_]), "DATE")

    def period(self, value: Expression, *, listed: bool) -> Expression:
        if not listed:
            return self.date(value)
        whens = [(equal(value, self.unlimited(end)), word(end)) for end in _UNLIMITED]
        return case(*whens, other=self.date(value))

    def cells(
        self, query: Select, sets: Sets, dimensions: Sequence[str], values: Sequence[Expression], more: Sequence[str]
    ) -> Select:
        return by_listed_sets(query, sets, dimensions, values, more)

    def among(self, columns: Sequence[Expression], keys: Sequence[Sequence[Expression]]) -> Expression:
        return exp.In(this=row(columns), expressions=[row(key) for key in keys])


def _ahead(at: Expression, rules: Sequence[Ruling]) -> Expression:
    """Seconds that a clock is ahead of UTC, by comparing with the middle rule first."""
    if len(rules) == 1:
        return number(rules[0].ahead) if rules[0].ahead >= 0 else exp.Neg(this=number(-rules[0].ahead))
    half = len(rules) // 2
    since = cast(word(rules[half].since.strftime("%Y-%m-%d %H:%M:%S")), "DATETIME")
    return case((compare(exp.LT, at, since), _ahead(at, rules[:half])), other=_ahead(at, rules[half:]))
