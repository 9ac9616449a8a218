"""Numbers in JSON, exactly, as DuckDB SQL.

DuckDB reads fractions as doubles and writes their shortest text. Up to 15 significant digits that text has the value that was
written (DBL_DIG); integers of any size keep their own. So only documents that hold a longer fraction, or an exponent of three
digits, take the slow route: their numbers are made strings, which nobody reads as doubles. Other spellings of the same value
(1.10, 1e2) matter only where a part is kept as JSON text.
"""

from __future__ import annotations

from lakeward.domain.sql import text

DIGITS = 15
_LONG = "|".join(rf"[0-9]{{{n}}}\.[0-9]{{{DIGITS + 1 - n}}}" for n in range(1, DIGITS + 1))
_EXPONENT = r"(?:^|[:,\[\s])-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{3}"
_INEXACT = text(rf"{_LONG}|[0-9]{{{DIGITS + 1}}}[.eE]|{_EXPONENT}")
_HALF = DIGITS // 2 + 1
_LONG_FRACTION = text(rf"\.[0-9]{{{_HALF}}}")
_RESPELLED = text(r"[0-9][.eE]")
_MINUS_ZERO = text(r"-0(?:[^.0-9eE]|$)")

MARK = r"\u0001"
"""Begins each number that was made a string; as JSON writes the character, which nothing else looks like."""
_OTHERS = r'(?:"(?:[^"\\]|\\.)*"|[^"0-9\-])*'
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+\-]?[0-9]+)?"
_QUOTE = text(rf"({_OTHERS})(?:({_NUMBER})|$)")
_QUOTED = text(rf'\1"\{MARK}\2"')
_TAIL = text(rf'"\{MARK}"$')
_MARKED = text(rf'"\{MARK}({_NUMBER})"')


def inexact(doc: str) -> str:
    """True where a number may not survive DuckDB's reading; strings that look like one only cost time."""
    return f"regexp_matches({doc}, {_INEXACT})"


def large(number: str) -> str:
    """True for a number with so many digits before its point that it is inexact though its fraction is short."""
    return f"abs({number}) >= 1{'0' * (_HALF - 1)}"


def inexact_plain(doc: str) -> str:
    """As ``inexact``, but for numbers that are ``large``, in a document without exponents: several times quicker, for it looks at points only."""
    return f"CASE WHEN regexp_matches({doc}, {_LONG_FRACTION}) THEN {inexact(doc)} ELSE false END"


def respelled(doc: str, parts: str) -> str:
    """True where a number in ``parts``, JSON text that DuckDB wrote, may be spelled otherwise in the document."""
    return f"(regexp_matches({parts}, {_RESPELLED}) OR regexp_matches({doc}, {_MINUS_ZERO}))"


def marked(doc: str) -> str:
    """True where a string begins with the mark itself, so that it could not be told from a number."""
    return f"contains({doc}, {text(chr(34) + MARK)})"


def quote_numbers(doc: str) -> str:
    """A valid document with each number made a string that begins with the mark."""
    # After the last number the pattern matches once more, with no number in it.
    return f"regexp_replace(regexp_replace({doc}, {_QUOTE}, {_QUOTED}, 'g'), {_TAIL}, '')"


def unquote_numbers(part: str) -> str:
    """A part of such a document as JSON text with its numbers as they were written."""
    return rf"regexp_replace({part}, {_MARKED}, '\1', 'g')"


def number_text(part: str) -> str:
    """A number's text, whichever route it took."""
    return f"ltrim({part}, chr(1))"


def plain(number: str) -> str:
    """A number with an exponent of up to 100, or zero with any, written without; NULL for all others."""
    whole = rf"regexp_extract({number}, '^-?([0-9]+)', 1)"
    digits = rf"(repeat('0', 100) || {whole} || regexp_extract({number}, '\.([0-9]+)', 1) || repeat('0', 100))"
    power = rf"TRY_CAST(regexp_extract({number}, '[eE]\+?(-?[0-9]+)$', 1) AS INTEGER)"
    point = f"(100 + len({whole}) + {power})"
    return (
        f"(CASE WHEN abs({power}) <= 100 THEN regexp_extract({number}, '^-') || '0' "
        f"|| ltrim(left({digits}, {point}), '0') || '.' || rtrim(substr({digits}, {point} + 1), '0') "
        rf"WHEN regexp_matches({number}, '^-?0(\.0*)?[eE]') THEN '0.' END)"
    )
