"""Texts become values exactly or not at all; guessed types never change what a text says."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeward.domain.text_types import type_of_texts
from lakeward.domain.text_values import text_value

CON = duckdb.connect()
UNHURRIED = settings(deadline=None)
CON.execute("SET TimeZone = 'UTC'")


def read(kind: str, value: str) -> object:
    ((found,),) = CON.execute(f"SELECT {text_value(kind, 'v')} FROM (SELECT ?::VARCHAR AS v)", [value]).fetchall()
    return found


@UNHURRIED
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4))
def test_a_decimal_is_read_with_its_scale_or_not_at_all(number: Decimal) -> None:
    fits = number == round(number, 2) and abs(number) < 10**10
    assert read("decimal(12,2)", f"{number:f}") == (number.quantize(Decimal("0.01")) if fits else None)


@UNHURRIED
@given(st.integers(-(2**70), 2**70))
def test_whole_numbers_beyond_64_bits_are_none(number: int) -> None:
    assert read("long", str(number)) == (number if -(2**63) <= number < 2**63 else None)


@UNHURRIED
@given(st.text(max_size=12))
def test_no_text_makes_it_fail(value: str) -> None:
    for kind in (
        "int",
        "long",
        "decimal(9,2)",
        "double",
        "boolean",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "uuid",
        "binary",
    ):
        read(kind, value.replace("\x00", ""))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", "+7", 7),
        ("int", " 7", None),
        ("int", "7.0", 7),
        ("int", "2147483648", None),
        ("decimal(9,2)", "1.005", None),
        ("decimal(9,2)", "1e-2", Decimal("0.01")),
        ("decimal(9,2)", "1,5", None),
        ("double", "0.1", 0.1),
        ("double", "-inf", float("-inf")),
        ("double", "0x1p3", None),
        ("boolean", "True", True),
        ("boolean", "yes", None),
        ("boolean", "1", None),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", "2023-02-29", None),
        ("date", "29.02.2024", None),
        ("timestamp", "2024-02-29 12:00", None),
        ("binary", "\\x00ff", b"\x00\xff"),
        ("binary", "00ff", None),
    ],
)
def test_what_is_taken(kind: str, value: str, expected: object) -> None:
    assert read(kind, value) == expected


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "-20", None], "long"),
        (["1.5", "20"], "decimal(38,1)"),
        (["007", "8"], None),
        (["1", "x"], None),
        ([None, None], None),
        ([], None),
        (["2024-02-29", "2024-03-01"], "date"),
        (["2024-02-29 12:00:00"], "timestamp"),
        (["2024-02-29T12:00:00Z"], "timestamptz"),
        (["true", "False"], "boolean"),
        (["9" * 40], None),
        ([""], None),
    ],
)
def test_guessed_types(texts: list[str | None], kind: str | None) -> None:
    assert type_of_texts(texts) == kind


@UNHURRIED
@given(st.lists(st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,10})?", fullmatch=True), min_size=1))
def test_a_guessed_type_reads_every_text_that_it_was_guessed_from(texts: list[str]) -> None:
    if kind := type_of_texts(texts):
        assert [read(kind, text) for text in texts] == [Decimal(text) for text in texts]
