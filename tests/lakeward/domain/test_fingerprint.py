"""A row's hash and a key's number: the same from PostgreSQL and DuckDB for everything that makes comparisons lie, and different where values differ."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeward.adapters.duck_setup import connect
from lakeward.domain.dialect import Dialect
from lakeward.domain.duck import duck_type
from lakeward.domain.fingerprint import bucket, key_number, row_hash, settled_hash
from lakeward.domain.spelling import spelling
from lakeward.domain.tree import raw
from lakeward.lab import Lab

SETTINGS = "-c TimeZone=UTC -c DateStyle=ISO -c bytea_output=hex -c extra_float_digits=1"
CORPUS = {
    "float": ["0.1", "1", "1e20", "-1.5", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity", "0"],
    "double": [
        "0.1",
        "0.10000000149011612",
        "1",
        "1e15",
        "1e16",
        "1e300",
        "5e-324",
        "NaN",
        "Infinity",
        "-Infinity",
        "0",
    ],
    "decimal(14,2)": ["0.10", "-0.50", "0.00", "123456789012.34", "-7.00"],
    "decimal(38,38)": ["0.1", "-0.00000000000000000000000000000000000001", "0"],
    "decimal(38,0)": ["99999999999999999999999999999999999999", "9007199254740993", "0"],
    "long": ["9223372036854775807", "-9223372036854775808", "9007199254740993", "0"],
    "int": ["1", "-2147483648"],
    "boolean": ["true", "false"],
    "date": [
        "2025-03-30",
        "1582-10-04",
        "1582-10-15",
        "0001-01-01",
        "0044-03-15 BC",
        "12025-01-01",
        "infinity",
        "-infinity",
    ],
    "timestamp": [
        "2025-03-30 02:30:00",
        "2025-03-30 02:30:00.5",
        "2025-03-30 02:30:00.000001",
        "0044-03-15 01:02:03.5 BC",
        "infinity",
    ],
    "timestamptz": [
        "2025-03-30 02:30:00+02",
        "2025-03-30 02:30:00+01",
        "1500-01-01 00:00:00.25+00",
        "0044-03-15 01:02:03+00 BC",
    ],
    "time": ["00:00:00", "23:59:59.999999", "12:00:00.5"],
    "uuid": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "00000000-0000-0000-0000-000000000000"],
    "binary": ["", "00ff", "5c78", "c3a9"],
    "string": [
        "",
        " ",
        "a",
        "a ",
        "A",
        "é",
        "e\u0301",
        "ß",
        "ẞ",
        "1",
        "1.0",
        "true",
        "\\N",
        "null",
        "a\x1fb",
        "\t",
        "😀",
    ],
    "json": ['{"a": 1, "b": 2}', '{"b": 2, "a": 1}', '{"a": 1.0}', "[1, 2]", "[2, 1]", '{"a":1,"a":1}', "null", ""],
}
SAME = [
    ("double", "-0", "0"),
    ("float", "-0", "0"),
    ("timestamptz", "2025-03-30 02:30:00+02", "2025-03-30 00:30:00+00"),
]


class Both:
    """The same expressions from both systems."""

    def __init__(self, pg: psycopg.Connection[tuple[object, ...]], duck: duckdb.DuckDBPyConnection) -> None:
        self.pg, self.duck = pg, duck

    def each(self, make: object, values: list[tuple[str | None, str]]) -> int:
        """What ``make`` gives for values of these types; both must say the same."""
        found = [self._ask(dialect, make, values) for dialect in (Dialect.POSTGRES, Dialect.DUCKDB)]
        assert found[0] == found[1]
        return found[0]

    def _ask(self, dialect: Dialect, make: object, values: list[tuple[str | None, str]]) -> int:
        columns = [(raw(f"r.c{n}"), kind) for n, (_, kind) in enumerate(values)]
        given = ", ".join(f"{literal(value, kind, dialect)} AS c{n}" for n, (value, kind) in enumerate(values))
        made = spelling(dialect).sql(make(columns, dialect))  # type: ignore[operator]
        sql = f"SELECT {made} FROM (SELECT {given}) AS r"
        run = self.pg if dialect is Dialect.POSTGRES else self.duck
        row = run.execute(sql.encode() if run is self.pg else sql).fetchone()  # type: ignore[call-overload]
        assert row is not None
        return int(row[0])


def literal(value: str | None, kind: str, dialect: Dialect) -> str:
    """A value by its text."""
    pg = {"long": "int8", "string": "text", "json": "text", "double": "float8", "float": "float4"}
    if kind == "binary" and value is not None:
        return f"decode('{value}', 'hex')" if dialect is Dialect.POSTGRES else f"unhex('{value}')"
    word = "NULL" if value is None else "'" + value.replace("'", "''") + "'"
    if dialect is Dialect.POSTGRES:
        name = "bytea" if kind == "binary" else pg.get(kind, kind.replace("decimal", "numeric"))
        return f"CAST({word} AS {name})"
    if value and value.endswith(" BC"):
        word = word.replace(" BC", "").replace(" ", " (BC) ", 1) if " " in value[:-3] else word.replace(" BC", " (BC)")
    return f"CAST({word} AS {duck_type(kind)})"


@pytest.fixture(scope="module")
def both(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder: Path = tmp_path_factory.mktemp("duck")
    with psycopg.connect(os.environ["LAKEWARD_LAB_POSTGRES"], autocommit=True, options=SETTINGS) as pg:
        yield Both(pg, connect("128MB", 1, folder))


@pytest.mark.parametrize("kind", CORPUS)
@pytest.mark.parametrize("make", [row_hash, settled_hash, key_number])
def test_values_of_every_type_are_told_apart_and_alike_by_both(both: Both, kind: str, make: object) -> None:
    values: list[str | None] = [*CORPUS[kind], None]
    if make is settled_hash and kind in {"timestamp", "timestamptz", "date"}:
        values = [v for v in values if v is None or "infinity" not in v]  # which have no period of a calendar
    if make is key_number and kind in {"timestamp", "date"}:
        values = [v for v in values if v is None or "infinity" not in v]
    found = [both.each(make, [(value, kind)]) for value in values]
    if make is not key_number:
        assert len(set(found)) == len(values)
    assert all(number >= 0 for number in found)


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
def test_the_same_value_in_two_spellings_is_one(both: Both, kind: str, one: str, other: str) -> None:
    assert both.each(row_hash, [(one, kind)]) == both.each(row_hash, [(other, kind)])


def test_columns_do_not_flow_into_each_other(both: Both) -> None:
    rows = [("ab", ""), ("a", "b"), ("", "ab"), (None, "ab"), ("ab", None), (None, None), ("", "")]
    assert len({both.each(row_hash, [(a, "string"), (b, "string")]) for a, b in rows}) == len(rows)


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_key_has_one_number_in_both(both: Both, wide: int, narrow: int, word: str) -> None:
    key: list[tuple[str | None, str]] = [(str(wide), "long"), (str(narrow), "int"), (word, "string")]
    assert 0 <= both.each(key_number, key) < 2**31
    assert 0 <= both.each(lambda columns, dialect: bucket(key_number(columns, dialect), 1), key) < 1024


def test_swaps_that_keep_every_moment_of_the_keys_do_not_cancel_out(both: Both) -> None:
    """Consecutive keys with signs by Thue and Morse: sums of k and of k squared cancel, as any number linear in the key would."""
    signs = [1, -1, -1, 1, -1, 1, 1, -1]
    numbers = [both.each(key_number, [(str(1000 + n), "long")]) for n in range(8)]
    assert sum(sign * number for sign, number in zip(signs, numbers, strict=True)) != 0
