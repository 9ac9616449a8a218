from __future__ import annotations

import json
import re
from decimal import Decimal

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lakeward.domain import json_numbers as numbers
from lakeward.domain.json_values import value_sql

UNHURRIED = settings(deadline=None)
CON = duckdb.connect()
CON.execute("SET TimeZone = 'UTC'")


def run(expression: str, doc: str | None) -> object:
    row = CON.execute(f"SELECT {expression} FROM (SELECT $1::VARCHAR AS doc)", [doc]).fetchone()
    assert row is not None
    return row[0]


class Number(str):
    __slots__ = ()


def read(doc: str) -> object:
    return json.loads(doc, parse_int=Number, parse_float=Number)


def marked(value: object) -> object:
    """What a document must become: each number a string behind the mark."""
    match value:
        case Number():
            return "\x01" + value
        case list():
            return [marked(v) for v in value]
        case dict():
            return {k: marked(v) for k, v in value.items()}
        case _:
            return value


SPELLINGS = st.from_regex(
    re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", re.ASCII), fullmatch=True
)
PLAIN = st.from_regex(re.compile(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?", re.ASCII), fullmatch=True)
STRINGS = st.text(st.characters(exclude_categories=["Cs"])).map(lambda s: json.dumps(s, ensure_ascii=len(s) % 2 == 0))
BLANK = st.sampled_from(["", "", " ", "\n", "\t", " \r\n "])


@st.composite
def documents(draw: st.DrawFn, depth: int = 3) -> str:
    kind = draw(st.integers(0, 5 if depth else 3))
    blank = draw(BLANK)
    if kind <= 1:
        return blank + draw(SPELLINGS) + blank
    if kind == 2:
        return blank + draw(STRINGS)
    if kind == 3:
        return draw(st.sampled_from(["true", "false", "null"])) + blank
    parts = draw(st.lists(documents(depth=depth - 1), max_size=3))
    if kind == 4:
        return f"[{blank}{','.join(parts)}{blank}]"
    keys = draw(st.lists(STRINGS, min_size=len(parts), max_size=len(parts), unique_by=json.loads))
    return "{" + ",".join(f"{blank}{k}{blank}:{v}" for k, v in zip(keys, parts, strict=True)) + "}"


@UNHURRIED
@given(documents())
@example('{"a\\"1": -1.50e+10, "b\\\\": [0, -0, "2", "\\u0031"]}')
@example("1.5")
@example(" -12 ")
@example('"1"')
@example("null")
@example("[]")
def test_quoting_touches_numbers_alone(doc: str) -> None:
    quoted = run(numbers.quote_numbers("doc"), doc)
    assert isinstance(quoted, str)
    assert read(quoted) == marked(read(doc))


@UNHURRIED
@given(documents().filter(lambda doc: "\\u0001" not in doc))
def test_a_part_kept_as_json_text_keeps_the_spelling_of_its_numbers(doc: str) -> None:
    written = run(numbers.unquote_numbers(f"json_extract({numbers.quote_numbers('doc')}, '$')::VARCHAR"), doc)
    assert isinstance(written, str)
    assert read(written) == read(doc)


@UNHURRIED
@given(PLAIN, PLAIN)
def test_no_inexact_number_of_a_plain_document_is_overlooked(one: str, other: str) -> None:
    """Where neither the look at fractions nor the size of what was read finds anything."""
    doc = f'{{"a": {one}, "b": [{other},{one}]}}'
    for path, written in (("/a", one), ("/b/0", other)):
        found = f"json_extract_string(doc, '{path}')"
        large = numbers.large(f"{found}::DOUBLE")
        if not run(f"{numbers.inexact_plain('doc')} OR ({large} AND {numbers.inexact('doc')})", doc):
            assert Decimal(str(run(found, doc))) == Decimal(written)


@UNHURRIED
@given(SPELLINGS, SPELLINGS)
def test_no_inexact_number_is_overlooked(one: str, other: str) -> None:
    """Where the cheap look finds nothing, DuckDB's own text has the value that was written."""
    doc = f'{{"a": {one}, "b": [{other},{one}]}}'
    if not run(numbers.inexact("doc"), doc):
        assert Decimal(str(run("json_extract_string(doc, '/a')", doc))) == Decimal(one)
        assert Decimal(str(run("json_extract_string(doc, '/b/0')", doc))) == Decimal(other)


@UNHURRIED
@given(documents())
def test_no_respelled_number_is_overlooked(doc: str) -> None:
    if not run(numbers.respelled("doc", "json_extract(doc, '$')"), doc):
        assert read(str(run("json_extract(doc, '$')::VARCHAR", doc))) == read(doc)


def value(kind: str, number: str) -> object:
    """The value of a number of a document, by the route that the document takes."""
    doc = f"CASE WHEN {numbers.inexact('doc')} THEN {numbers.quote_numbers('doc')} ELSE doc END"
    string = numbers.number_text(f"json_extract_string({doc}, '/x')")
    return run(value_sql(kind, "json_type(doc, '/x')", string), f'{{"x": {number}}}')


@UNHURRIED
@given(SPELLINGS, st.integers(1, 38), st.integers(0, 38))
@example("1.239", 12, 2)
@example("1.2300000000000000000000", 12, 2)
@example("0.00e5", 2, 2)
@example("1e-100", 38, 38)
def test_decimals_are_exact_or_refused(number: str, precision: int, scale: int) -> None:
    scale = min(scale, precision)
    exact = Decimal(number)
    shifted = exact.scaleb(scale) if exact else Decimal(0)
    fits = shifted == shifted.to_integral_value() and abs(shifted) < 10**precision
    found = value(f"decimal({precision},{scale})", number)
    assert found == (exact if fits else None) or (found is None and abs(exact.as_tuple().exponent) > 60)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "number", "expected"),
    [
        ("decimal(20,2)", "123456789012345.67", Decimal("123456789012345.67")),
        (
            "decimal(38,10)",
            "1234567890123456789012345678.0123456789",
            Decimal("1234567890123456789012345678.0123456789"),
        ),
        ("decimal(28,0)", "9999999999999999999999999999", Decimal(9999999999999999999999999999)),
        ("decimal(12,2)", "1.10", Decimal("1.10")),
        ("decimal(12,2)", "1.239", None),
        ("decimal(12,2)", "-0", Decimal(0)),
        ("decimal(12,2)", "-0.0", Decimal(0)),
        ("decimal(12,2)", "1e5", Decimal(100000)),
        ("decimal(16,0)", "12345.67890123e10", Decimal(123456789012300)),
        ("decimal(20,7)", "1E-7", Decimal("1e-7")),
        ("decimal(12,2)", "1E-7", None),
        ("decimal(3,2)", "10", None),
        ("decimal(2,2)", "0.99", Decimal("0.99")),
        ("decimal(2,2)", "1.00", None),
        ("long", "9007199254740993", 9007199254740993),
        ("long", "9223372036854775807", 9223372036854775807),
        ("long", "9223372036854775808", None),
        ("long", "-9223372036854775808", -9223372036854775808),
        ("long", "18446744073709551615", None),
        ("decimal(20,0)", "18446744073709551615", Decimal(18446744073709551615)),
        ("long", "12345678901234567.0", 12345678901234567),
        ("long", "1.0", 1),
        ("long", "1e2", 100),
        ("long", "-0", 0),
        ("long", "1.5", None),
        ("long", "1e-1", None),
        ("int", "2147483647", 2147483647),
        ("int", "2147483648", None),
        ("double", "0.1", 0.1),
        ("double", "1e400", None),
        ("double", "123456789012345.67", 123456789012345.67),
        ("float", "1e39", None),
        ("long", '"1"', None),
        ("decimal(12,2)", '"1.10"', None),
        ("double", "true", None),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("boolean", "1", None),
        ("boolean", '"true"', None),
        ("string", '"a\\u00e9\\n"', "aé\n"),
        ("string", '""', ""),
        ("string", "1", None),
        ("string", "true", None),
        ("string", "{}", None),
        ("string", "[1]", None),
    ],
)
def test_a_value_fits_its_type_or_is_refused(kind: str, number: str, expected: object) -> None:
    found = value(kind, number)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        ("date", "2024-02-29", "2024-02-29"),
        ("date", "2023-02-29", None),
        ("date", "2024-2-9", None),
        ("date", "2024-02-29T00:00:00", None),
        ("date", "20240229", None),
        ("time", "12:30", "12:30:00"),
        ("time", "23:59:59.123456", "23:59:59.123456"),
        ("time", "23:59:59.1234567", None),
        ("time", "23:59:59.12345600", "23:59:59.123456"),
        ("time", "24:00:00", None),
        ("timestamp", "2024-02-29T12:00:00", "2024-02-29 12:00:00"),
        ("timestamp", "2024-02-29 12:00:00.5", "2024-02-29 12:00:00.5"),
        ("timestamp", "2024-02-29 12:00:00Z", None),
        ("timestamp", "2024-02-29", None),
        ("timestamptz", "2024-02-29 12:00:00Z", "2024-02-29 12:00:00+00"),
        ("timestamptz", "2024-02-29T12:00:00+02:00", "2024-02-29 10:00:00+00"),
        ("timestamptz", "2024-02-29T12:00:00-0530", "2024-02-29 17:30:00+00"),
        ("timestamptz", "2024-02-29T12:00:00", None),
        ("timestamptz", "2024-02-29T12:00:00.1234567Z", None),
        ("timestamptz", "2024-02-29T12:00:60Z", None),
        ("uuid", "550E8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("uuid", "550e8400e29b41d4a716446655440000", None),
    ],
)
def test_dates_and_ids_come_from_iso_strings(kind: str, written: str, expected: str | None) -> None:
    sql = value_sql(kind, "json_type(doc, '/x')", "json_extract_string(doc, '/x')")
    assert run(f"({sql})::VARCHAR", json.dumps({"x": written})) == expected


def test_ordinary_documents_take_the_fast_route() -> None:
    doc = '{"id": 1234567890123456789, "at": "2024-02-29T12:00:00.123456Z", "price": 1234567.89, "u": "550e8400-e29b-41d4-a716-446655440000"}'
    assert run(numbers.inexact("doc"), doc) is False
