"""What differs between rows of the same key, and the likely class of each difference; values are compared, not their spelling.

=================  =====================================================================================================
class              means
=================  =====================================================================================================
missing            the lake lacks the row
extra              the lake has a row that the source lacks
duplicated         the lake has the same row more often
shifted_period     a date or instant lies on another day of the calendar
shifted_dimension  a KPI's dimension, or a column that refers to another table, has another value
encoding           the same text otherwise: Unicode's normal form, blanks around it, misread bytes, null against empty
type               the same value through another type: fewer digits, a float's neighbour, a part of a second cut off
changed_value      any other change
=================  =====================================================================================================
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from struct import pack, unpack
from zoneinfo import ZoneInfo

_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
_DOUBLE = 15
_BOOLEANS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
_FLOATS = frozenset({"float", "double"})


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a table beside its columns: those that figures are broken down by, those that refer to others, and the zone."""

    dimensions: frozenset[str] = frozenset()
    references: frozenset[str] = frozenset()
    time_zone: str = "UTC"


def normal(kind: str, word: str | None) -> str | None:
    """A value's text by which it is compared: the same for each way that a system may spell it."""
    if word is None:
        return None
    if kind in _FLOATS:
        return repr(float(word) + 0.0)
    if kind == "json":
        return _parsed(word)
    if kind.startswith("decimal") and (number := _number(word)) is not None and number.is_finite():
        return f"{number.normalize() + 0:f}"
    return word


def class_of(name: str, kind: str, before: str | None, after: str | None, known: Known) -> str:
    """The likely class of a changed value."""
    if kind in _MOMENTS and before and after and _day(before, known) != _day(after, known):
        return "shifted_period"
    if kind == "string" and _folded(before) == _folded(after):
        return "encoding"
    if before is not None and after is not None and _narrowed(kind, before, after):
        return "type"
    if name in known.dimensions | known.references:
        return "shifted_dimension"
    return "changed_value"


def _parsed(document: str) -> str:
    """JSON with its numbers by value and its keys in any order; a key that stands twice stays twice."""

    def pairs(found: list[tuple[str, object]]) -> object:
        return ("object", sorted(((key, repr(value)) for key, value in found)))

    try:
        return repr(json.loads(document, object_pairs_hook=pairs, parse_float=_plain, parse_int=_plain))
    except ValueError:
        return document


def _plain(number: str) -> tuple[str, str]:
    value = Decimal(number)
    return ("number", f"{value.normalize() + 0:f}" if abs(value.adjusted()) < 400 else str(value.normalize()))


def _number(word: str) -> Decimal | None:
    try:
        return Decimal(word)
    except InvalidOperation:
        return None


def _day(word: str, known: Known) -> object:
    """The day of a moment in the calendar's zone; its text up to the day where Python knows no such date."""
    try:
        if not word.endswith("Z"):
            return date.fromisoformat(word[:10]) if len(word) == 10 or word[10] == " " else word[:13]
        return datetime.fromisoformat(word).astimezone(ZoneInfo(known.time_zone)).date()
    except (ValueError, OverflowError):
        return word.partition(" ")[0]


def _folded(word: str | None) -> str:
    """A text without what is lost on the way through other encodings: its normal form, blanks around it, null or empty."""
    text = unicodedata.normalize("NFC", word or "")
    for wrong in ("latin-1", "cp1252"):
        try:
            text = unicodedata.normalize("NFC", text.encode(wrong).decode("utf-8"))
            break
        except UnicodeError:
            continue
    return text.strip(" \t\r\n\0")


def _narrowed(kind: str, before: str, after: str) -> bool:
    """Whether one is what another type makes of the other."""
    if kind in _FLOATS:
        return any(repr(_single(float(a))) == repr(float(b)) for a, b in ((before, after), (after, before)))
    if kind in {"timestamp", "timestamptz", "time"}:
        parts = [word.rstrip("Z").rstrip("0").partition(".") for word in (before, after)]
        (a, _, short), (b, _, long) = sorted(parts, key=lambda part: len(part[2]))
        return a == b and long.startswith(short)
    if kind == "string":
        word = (_BOOLEANS.get(before.lower(), _number(before)), _BOOLEANS.get(after.lower(), _number(after)))
        return word[0] is not None and word[0] == word[1]
    return any(_rounded(a, b) for a, b in ((before, after), (after, before)))


def _single(number: float) -> float:
    try:
        return float(unpack("f", pack("f", number))[0])
    except OverflowError:
        return number


def _rounded(long: str, short: str) -> bool:
    """Whether a number lost digits that its own type has: by a smaller scale, or by a double, which holds 15."""
    a, b = _number(long), _number(short)
    if a is None or b is None or not a.is_finite() or not b.is_finite():
        return False
    scale = b.as_tuple().exponent
    if scale != a.as_tuple().exponent:
        return any(
            a.quantize(Decimal(1).scaleb(int(scale)), how) == b for how in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN)
        )
    return len(a.as_tuple().digits) > _DOUBLE and Decimal(float(a)).quantize(b) == b
