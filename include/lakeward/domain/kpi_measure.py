"""A measure as people write it, ``sum(quantity * unit_price)``, parsed into a small tree; nothing else passes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from lakeward.spec.paths import format_path
from lakeward.spec.scalars import Expression

MAX_DEPTH = 50
_PART = r"(?:[^\W\d]\w*|\"(?:[^\"]|\"\")+\")"
_PARTS = re.compile(r"\"((?:[^\"]|\"\")+)\"|([^\".]+)")
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)(?![\w.])|(?P<name>{_PART}(?:\.{_PART})*)|(?P<sign>[-+*()]))"
)


class KpiError(ValueError):
    """A KPI that can't be computed as it is written; ``at`` is the offset in the measure's text, when that is to blame."""

    def __init__(self, what: str, *, at: int | None = None) -> None:
        super().__init__(what)
        self.at = at


class Function(StrEnum):
    """What a measure does with the rows of a cell."""

    SUM = "sum"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    MIN = "min"
    MAX = "max"
    AVG = "avg"
    RATIO = "ratio"


_OF_RATIO = (Function.SUM, Function.COUNT, Function.COUNT_DISTINCT, Function.MIN, Function.MAX)


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a path to one along references; it stands in the measure's text from ``at`` to ``end``."""

    name: str
    at: int = 0
    end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A decimal literal with the digits that were written."""

    value: Decimal

    @property
    def scale(self) -> int:
        """Digits after the point."""
        return max(0, -int(self.value.as_tuple().exponent))


@dataclass(frozen=True, slots=True)
class Negated:
    """Unary minus."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Operation:
    """``left + right``, ``left - right`` or ``left * right``."""

    operator: str
    left: Node
    right: Node


Node = Column | Number | Negated | Operation


@dataclass(frozen=True, slots=True)
class Measure:
    """A function over an argument; ``count()`` has none. A ratio has two measures as ``parts``."""

    function: Function
    argument: Node | None
    text: str
    parts: tuple[Measure, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every mention of a column, left to right."""
        own = tuple(_columns(self.argument)) if self.argument else ()
        return (*own, *(column for part in self.parts for column in part.columns))


def _columns(node: Node) -> Iterator[Column]:
    match node:
        case Column():
            yield node
        case Negated(operand):
            yield from _columns(operand)
        case Operation(_, left, right):
            yield from _columns(left)
            yield from _columns(right)


def parse_measure(expression: Expression) -> Measure:
    """Parse a measure; KpiError says at which character it stops being one and what was expected."""
    text = str(expression)
    return _measure(text, 0, len(text))


def _measure(text: str, start: int, end: int) -> Measure:
    """The measure that ``text[start:end]`` is."""
    opening = text.index("(", start)
    function = Function(text[start:opening])
    if not text[opening + 1 : end - 1].strip():
        if function is not Function.COUNT:
            raise KpiError(f"{text!r}: {function} needs a column or arithmetic over columns in its brackets", at=start)
        return Measure(function, None, text[start:end])
    if function is Function.RATIO:
        return Measure(function, None, text, tuple(_parts(text, opening + 1, end - 1)))
    argument = _Parser(text, opening + 1, end - 1).whole()
    if not any(True for _ in _columns(argument)):
        raise KpiError(f"{text!r}: there is no column in it", at=start)
    return Measure(function, argument, text[start:end])


def _parts(text: str, start: int, end: int) -> Iterator[Measure]:
    """Numerator and denominator of a ratio."""
    cuts = [start, *(n + 1 for n in _commas(text, start, end)), end + 1]
    if len(cuts) != 3:
        raise KpiError(f"{text!r}: ratio takes two measures, as in ratio(sum(total), count())", at=start)
    for first, last in ((cuts[0], cuts[1] - 1), (cuts[1], cuts[2] - 1)):
        part = text[first:last]
        begin, stop = last - len(part.lstrip()), first + len(part.rstrip())
        if not re.fullmatch(rf"({'|'.join(_OF_RATIO)})\(.*\)", text[begin:stop]):
            todo = "; of avg(x) the parts are sum(x) and count(x)" if text[begin:stop].startswith("avg") else ""
            raise KpiError(
                f"{text!r}: {text[begin:stop]!r} stands where {', '.join(_OF_RATIO)} of something in brackets was expected{todo}",
                at=begin,
            )
        yield _measure(text, begin, stop)


def _commas(text: str, start: int, end: int) -> Iterator[int]:
    """Where a part ends: commas outside of brackets and quotes."""
    depth, quoted = 0, False
    for n in range(start, end):
        quoted ^= text[n] == '"'
        depth += 0 if quoted else {"(": 1, ")": -1}.get(text[n], 0)
        if text[n] == "," and not quoted and depth == 0:
            yield n


def _column_name(text: str) -> str:
    """A name as its table has it, or a path as the other keys of a file write it."""
    parts = tuple(quoted.replace('""', '"') or plain for quoted, plain in _PARTS.findall(text))
    return parts[0] if len(parts) == 1 else format_path(parts)


class _Parser:
    """Recursive descent over ``text[start:end]``: sums of products of signed factors."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.end = end
        self.depth = 0
        self.at = start
        self.token: re.Match[str] | None = None
        self._next(start)

    def whole(self) -> Node:
        node = self._sum()
        if self.token is not None:
            raise self._unexpected("+, -, * or the end")
        return node

    def _next(self, start: int) -> None:
        while start < self.end and self.text[start].isspace():
            start += 1
        self.at = start
        self.token = _TOKEN.match(self.text, start, self.end)
        if self.token is None and start < self.end:
            raise self._unexpected("a column, a number, +, -, * or a bracket")

    def _sign(self) -> str:
        return (self.token["sign"] or "") if self.token else ""

    def _advance(self) -> re.Match[str]:
        found = self.token
        if found is None:
            raise self._unexpected("a column, a number or a bracket")
        self._next(found.end())
        return found

    def _sum(self) -> Node:
        node = self._product()
        while (sign := self._sign()) in {"+", "-"}:
            self._advance()
            node = Operation(sign, node, self._product())
        return node

    def _product(self) -> Node:
        node = self._factor()
        while self._sign() == "*":
            self._advance()
            node = Operation("*", node, self._factor())
        return node

    def _factor(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise KpiError(f"{self.text[:80]!r}...: nested deeper than {MAX_DEPTH} brackets or signs", at=self.at)
        try:
            return self._signed()
        finally:
            self.depth -= 1

    def _signed(self) -> Node:
        sign = self._sign()
        if sign == "-":
            self._advance()
            return Negated(self._factor())
        if sign == "(":
            self._advance()
            node = self._sum()
            if self._sign() != ")":
                raise self._unexpected("a closing bracket")
            self._advance()
            return node
        if self.token is None or sign:
            raise self._unexpected("a column, a number, a minus or an opening bracket")
        at, found = self.at, self._advance()
        if found["number"]:
            return Number(Decimal(found["number"]))
        if self._sign() == "(":
            raise KpiError(f"{self._place(at)}: function calls are not possible inside a measure", at=at)
        return Column(_column_name(found["name"]), at, found.end())

    def _place(self, at: int) -> str:
        return f"{self.text!r}, at character {at + 1}"

    def _unexpected(self, wanted: str) -> KpiError:
        rest = self.text[self.at : self.end]
        if not rest:
            return KpiError(f"{self._place(self.at)}: it ends where {wanted} was expected", at=self.at)
        hint = {
            "/": "; division is not exact: write ratio(sum(a), sum(b)), which is compared by both its parts",
            "'": "; texts have no place here",
        }
        return KpiError(
            f"{self._place(self.at)}: {rest[:12]!r} stands where {wanted} was expected{hint.get(rest[0], '')}",
            at=self.at,
        )
