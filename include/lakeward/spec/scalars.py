"""The small words of a migration file: names, types, sizes, spans, transforms; each checked where it is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import available_timezones

from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from lakeward.spec.problems import meant


def _tagged(value: Scalar) -> bool | int | str | dict[str, str]:
    """In JSON decimals and dates say what they are, so that a text that looks like one stays a text."""
    match value:
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case _:
            return value


_TAGS: dict[str, Callable[[str], Decimal | date | datetime]] = {
    "decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
}


def _untagged(value: object) -> object:
    if isinstance(value, dict) and len(value) == 1:
        ((tag, text),) = value.items()
        if tag in _TAGS and isinstance(text, str):
            with suppress(ArithmeticError, ValueError):  # else it is refused as the mapping that it is
                return _TAGS[tag](text)
    return value


Scalar = Annotated[
    bool | int | Decimal | date | datetime | str,
    BeforeValidator(_untagged),
    PlainSerializer(_tagged, when_used="json"),
]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.\-]+$")]
LakeName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[a-z0-9]([a-z0-9_]*[a-z0-9])?$")]


def _whole(value: object) -> object:
    """Python takes `true` and `1.0` for 1."""
    if isinstance(value, bool | Decimal):
        raise PydanticCustomError("int_type", "a whole number")
    return value


def _numeric(value: object) -> object:
    if isinstance(value, bool | str):
        raise PydanticCustomError("float_type", "a number")
    return value


Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict()]
One = Annotated[Literal[1], BeforeValidator(_whole)]
Share = Annotated[float, BeforeValidator(_numeric)]


class Word(str):
    """A string that is checked, and brought into its one spelling, when it is read."""

    __slots__ = ()
    form: ClassVar[str] = ""
    example: ClassVar[str] = ""
    parts: ClassVar[str] = ""

    @classmethod
    def parse(cls, text: str) -> str:
        """Return the one spelling of ``text``; raise ValueError with what was expected."""
        if not re.fullmatch(cls.form, text):
            raise ValueError(f"{text!r} is not of the form {cls.example}{cls.parts}")
        return text

    def __new__(cls, text: str) -> Self:
        """Check ``text``."""
        return super().__new__(cls, cls.parse(text))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate as a string, then check."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.no_info_before_validator_function(cls._no_number, core_schema.str_schema()),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def _no_number(cls, value: object) -> object:
        """A number without its unit would be no better in quotes."""
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            raise ValueError(f"{str(value)!r} is not of the form {cls.example}{cls.parts}")  # noqa: TRY004 - pydantic's
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Show the form to editors."""
        return {"type": "string", "pattern": f"^({cls.form})$" if cls.form else ".*", "examples": [cls.example]}


class Size(Word):
    """Bytes, as `128MB`."""

    __slots__ = ()
    form = r"[1-9][0-9]{0,5}(KB|MB|GB)"
    example = "128MB"
    parts = ": a whole number from 1, then KB, MB or GB, without a blank"

    @property
    def bytes(self) -> int:
        """The size in bytes (1 MB is 1,000,000 bytes)."""
        return int(self[:-2]) * {"KB": 10**3, "MB": 10**6, "GB": 10**9}[self[-2:]]


class Span(Word):
    """A length of time, as `2h`."""

    __slots__ = ()
    form = r"[1-9][0-9]{0,5}[smhd]"
    example = "2h"
    parts = ": a whole number from 1, then s, m, h or d (seconds, minutes, hours, days), without a blank"

    @property
    def delta(self) -> timedelta:
        """The length as a timedelta."""
        return timedelta(seconds=int(self[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[self[-1]])


class Pause(Span):
    """A length of time that may be none, as `30s` or `0s`."""

    __slots__ = ()
    form = r"(0|[1-9][0-9]{0,5})[smhd]"
    example = "30s"
    parts = ": a whole number from 0, then s, m, h or d (seconds, minutes, hours, days), without a blank"


class LakeType(Word):
    """A type of an Iceberg column. `json` is a string column that holds JSON text."""

    __slots__ = ()
    form = (
        r"boolean|int|long|float|double|date|time|timestamp|timestamptz|string|uuid|binary|json"
        r"|decimal\((?:[1-9]|[12][0-9]|3[0-8]),[0-9]{1,2}\)"
    )
    example = "decimal(12,2), string, long, timestamptz"

    @classmethod
    def parse(cls, text: str) -> str:
        """Accept blanks inside `decimal( 12, 2 )`; the scale must not exceed the precision."""
        word = super().parse(re.sub(r"\s+", "", text))
        if (found := cls._decimal(word)) and found[1] > found[0]:
            raise ValueError(f"{text!r}: the scale is larger than the precision")
        return word

    @staticmethod
    def _decimal(word: str) -> tuple[int, int] | None:
        if not word.startswith("decimal("):
            return None
        precision, scale = word[8:-1].split(",")
        return int(precision), int(scale)

    @property
    def decimal(self) -> tuple[int, int] | None:
        """Precision and scale, or None when this is no decimal."""
        return self._decimal(self)


class Transform(Word):
    """A partition field: `month(ordered_at)`, `bucket(16, id)`, `truncate(8, sku)`, or a bare column for identity."""

    __slots__ = ()
    form = r"(?:identity|year|month|day|hour)\(.+\)|(?:bucket|truncate)\(\s*[1-9][0-9]{0,9}\s*,.*\S.*\)|[^()]+"
    example = "month(ordered_at), bucket(16, id), truncate(8, sku)"

    @classmethod
    def parse(cls, text: str) -> str:
        """The number of buckets, or the width, stands first and is a 32-bit integer."""
        text = text.strip()
        if found := re.match(r"(bucket|truncate)\s*[(\[]", text):
            word = found.group(1)
            if not re.fullmatch(cls.form, text):
                raise ValueError(f"{text!r}: write {word} with a number from 1 first, as {word}(16, id)")
            width, column = text[len(word) + 1 : -1].split(",", 1)
            if int(width) >= 2**31:
                raise ValueError(f"{text!r}: {width.strip()} is too large, the largest is {2**31 - 1}")
            return f"{word}({int(width)}, {column.strip()})"
        word = super().parse(text)
        return word if word.endswith(")") else f"identity({word})"

    @property
    def name(self) -> str:
        """The transform as Iceberg spells it: identity, year, month, day, hour, bucket[N] or truncate[W]."""
        word, rest = self.split("(", 1)
        return f"{word}[{rest.split(',', 1)[0]}]" if word in {"bucket", "truncate"} else word

    @property
    def column(self) -> str:
        """The lake's column."""
        rest = self.split("(", 1)[1][:-1]
        return (rest.split(",", 1)[1] if "[" in self.name else rest).strip()


class SortTerm(Word):
    """A column to sort by; `-column` is descending. Nulls come first when ascending and last when descending."""

    __slots__ = ()
    form = r"-?[^-].*"
    example = "-ordered_at"

    @property
    def column(self) -> str:
        """The lake's column."""
        return str(self.removeprefix("-"))

    @property
    def descending(self) -> bool:
        """Whether large values come first."""
        return self.startswith("-")


class Expression(Word):
    """A measure, as `sum(quantity * unit_price)`; parsed by lakeward.domain.kpi."""

    __slots__ = ()
    form = r"(sum|count|count_distinct|min|max|avg|ratio)\(.*\)"
    example = "sum(quantity * unit_price), count()"
    longest = 500
    functions = ("sum", "count", "count_distinct", "min", "max", "avg", "ratio")

    @classmethod
    def parse(cls, text: str) -> str:
        """Name the functions; what is very long is refused, as nobody could check it."""
        if len(text) > cls.longest:
            raise ValueError(f"a measure of {len(text):,} characters; {cls.longest} are the most")
        if not re.fullmatch(cls.form, text):
            hint = meant(text.split("(", 1)[0].strip(), cls.functions)
            raise ValueError(
                f"{text!r} is no measure: sum, count, count_distinct, min, max, avg or ratio of something in brackets, in one line"
                + (f". {hint}" if hint and not text.startswith(tuple(f"{name}(" for name in cls.functions)) else "")
            )
        return text

    @property
    def function(self) -> str:
        """sum, count, count_distinct, min, max, avg or ratio."""
        return self.split("(", 1)[0]


class ZoneName(Word):
    """An IANA time zone, as `Europe/Zurich`."""

    __slots__ = ()
    form = r"[A-Za-z0-9_+\-/]+"
    example = "Europe/Zurich"

    @classmethod
    def parse(cls, text: str) -> str:
        """The zone must be known."""
        known = available_timezones() - {"localtime", "Factory"}  # those are another zone on each machine
        if text not in known:
            raise ValueError(
                f"{text!r} is no IANA time zone, such as Europe/Zurich. {meant(text, sorted(known))}".rstrip()
            )
        return text
