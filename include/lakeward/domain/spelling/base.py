"""What every engine that measures must be able to say, and how most say it.

Texts of values come in two forms. *Canonical* ones are for people and cells of figures, the same whatever a session's settings are.
*Compact* ones enter a row's hash: as short to compute as the engines spell alike, in our own sessions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from sqlglot import exp

from lakeward.domain.kpi_digits import MAX_DIGITS
from lakeward.domain.tree import (
    Expression,
    Select,
    add,
    call,
    case,
    cast,
    equal,
    is_null,
    modulo,
    null,
    number,
    own,
    row,
    subtract,
    word,
)
from lakeward.spec.scalars import LakeType

MODULUS = (1 << 61) - 1
"""Weighted sums are told modulo this prime, so that they fit whatever digits the measure has."""
Sets = Sequence[tuple[str, str, tuple[str, ...]]]
"""Grain (``total`` or the column of its period), name of the dimensions, their columns."""


class Spelling(ABC):
    """An engine's ways."""

    name: ClassVar[str]
    """sqlglot's name of the dialect."""

    def sql(self, tree: Expression) -> str:
        """A tree as text."""
        return tree.sql(dialect=self.name, copy=False)

    # --- texts ---

    def text(self, value: Expression) -> Expression:
        """A value's own text."""
        return cast(value, "TEXT")

    @abstractmethod
    def plain(self, value: Expression, kind: str) -> Expression:
        """Canonical text of a boolean, number, uuid or string, sorted and compared by its bytes."""

    @abstractmethod
    def date(self, value: Expression) -> Expression:
        """``2025-03-30``, ``0044-03-15 BC`` before our era."""

    @abstractmethod
    def timestamp(self, value: Expression) -> Expression:
        """As dates, with six digits of a second."""

    def instant(self, value: Expression) -> Expression:
        """As timestamps, in UTC with a ``Z``."""
        return self.joined(self.timestamp(self.local(value, "UTC")), word("Z"))

    @abstractmethod
    def time(self, value: Expression) -> Expression:
        """``01:02:03.120000``."""

    @abstractmethod
    def hex(self, value: Expression) -> Expression:
        """The bytes of a binary in small hexadecimal digits."""

    def joined(self, *parts: Expression) -> Expression:
        """Texts one after the other; null when one of them is."""
        found = own(parts[0])
        for part in parts[1:]:
            found = exp.DPipe(this=found, expression=own(part))
        return exp.Paren(this=found)

    def character(self, code: int) -> Expression:
        """A character by its code."""
        return call("chr", number(code))

    def matched(self, value: Expression, pattern: str, put: str) -> Expression:
        r"""The value with ``put`` in the place of every match; ``\1`` is the first group."""
        return call("regexp_replace", value, word(pattern), word(put), word("g"))

    # --- of a row's hash ---

    def compact(self, value: Expression, kind: str) -> Expression:
        """Compact text of a value that is no float."""
        raise NotImplementedError

    @abstractmethod
    def bits(self, value: Expression, kind: str) -> Expression:
        """The bits of a float as hexadecimal text; 0 and -0 are one number, so are all NaNs."""

    @abstractmethod
    def hashed(self, text: Expression, digits: int) -> Expression:
        """The first hex digits of the md5 of a text's UTF-8 bytes, as a bigint that is never negative."""

    @abstractmethod
    def mixed(self, value: Expression) -> Expression:
        """A bigint with its upper bits put over its lower ones: ``value xor (value >> 16)``."""

    # --- numbers ---

    room: ClassVar[tuple[int, int]] = (0, 0)
    """Digits, and digits after the point, that the engine's arithmetic over decimals of their own sizes has room for."""
    has_wide: ClassVar[bool] = True
    """Whether there is a type for what needs more."""

    def wide(self, value: Expression, scale: int) -> Expression:
        """A number as the type in which an expression of that scale is exact, or an error."""
        raise NotImplementedError

    def with_room(self, operator: str, sides: list[Expression], digits: Sequence[tuple[int, int]]) -> list[Expression]:
        """Operands of their own types so that the result has room.

        :param digits: of both operands and of the result, and how many of them after the point.
        """
        del operator, digits
        return sides

    @abstractmethod
    def weighed(self, weight: Expression, measure: Expression, digits: int, scale: int) -> Expression:
        """Aggregate: the sum of weight by measure, the latter as a whole number of its last digits. Congruent modulo ``MODULUS``.

        :param digits: that the measure may have.
        """

    @abstractmethod
    def total(self, value: Expression) -> Expression:
        """Aggregate: a sum of doubles that hardly depends on the order of rows."""

    def figure(self, scale: int) -> str:
        """The type of a figure."""
        return f"DECIMAL({MAX_DIGITS}, {scale})"

    @abstractmethod
    def told(self, value: Expression, scale: int) -> Expression:
        """A figure as the decimal that is handed out; an error where it does not fit."""

    def held(self, value: Expression, column: str, kind: LakeType) -> Expression:
        """A value of SQL that people wrote, if it is of the declared type to the last digit; else an error that says so."""
        text = self.text(value)
        if kind == "string":
            return text
        said = self.joined(word(f"{column} is no {kind}: "), text)
        known = (is_null(value), null())
        if kind not in self.kinds:  # a number, by way of its text
            scale = kind.decimal[1] if kind.decimal else 0
            return cast(case(known, (self.is_exact(value, scale), text), other=said), self.figure(scale))
        fits = equal(call(self.typeof, value), self.type_name(self.kinds[kind]))
        return case(known, (fits, value), other=cast(said, self.kinds[kind]))

    kinds: ClassVar[dict[str, str]] = {}
    """The engine's names of types by the lake's, but for numbers and strings."""
    typeof: ClassVar[str] = "typeof"

    def type_name(self, kind: str) -> Expression:
        """A type's name as ``typeof`` tells it."""
        return word(kind)

    def is_exact(self, value: Expression, scale: int) -> Expression:
        """Whether a number has no more digits after the point, and is no float."""
        return equal(value, call("round", value, number(scale)))

    # --- days ---

    def local(self, value: Expression, zone: str) -> Expression:
        """The clock of a zone at an instant."""
        return exp.Paren(this=exp.AtTimeZone(this=exp.Paren(this=own(value)), zone=word(zone)))

    def part(self, unit: str, day: Expression) -> Expression:
        """Year, month, day of the month, or isodow (1 is Monday), as an integer."""
        return cast(exp.Extract(this=exp.var(unit), expression=own(day)), "INT")

    def back(self, day: Expression, days: Expression) -> Expression:
        """So many days before a day."""
        return exp.Paren(this=subtract(day, days))

    def unlimited(self, word_: str) -> Expression:
        """The date before or after all others."""
        return cast(word(word_), "DATE")

    def period(self, value: Expression, *, listed: bool) -> Expression:
        """Canonical text of a period's first day; of listed ones it may be one of ``unlimited``."""
        shown = self.date(value)
        if not listed:
            return shown
        return exp.Case(ifs=[exp.If(this=call("isfinite", value), true=shown)], default=self.text(value))

    # --- sets of rows ---

    def cells(
        self, query: Select, sets: Sets, dimensions: Sequence[str], values: Sequence[Expression], more: Sequence[str]
    ) -> Select:
        """Values over every set of columns: ``grain``, ``period``, ``dims``, the dimensions, ``more`` columns of each set, the values."""
        from lakeward.domain.spelling.sets import by_grouping_sets

        return by_grouping_sets(query, sets, dimensions, values, more)

    def among(self, columns: Sequence[Expression], keys: Sequence[Sequence[Expression]]) -> Expression:
        """Whether the columns are one of the keys."""
        listed = exp.Values(expressions=[row(key) for key in keys])
        return exp.In(this=row(columns), query=exp.Subquery(this=listed))

    def fence(self, query: Select) -> Select:
        """Keep the planner from reckoning the query's columns again for every mention of them."""
        return query

    def counted_apart(self, query: Select) -> Select:
        """Keep the planner from taking a key's statistics for its bucket's."""
        return query


def bounded(value: Expression, modulus: int = MODULUS) -> Expression:
    """A number modulo another, never negative."""
    return modulo(add(modulo(value, modulus), number(modulus)), modulus)
