"""Numbers in nested values of DuckDB are written into JSON with every digit."""

from __future__ import annotations

import json
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeward.adapters.queried.columns import columns_of, exact
from lakeward.domain.duck_types import land_column
from lakeward.domain.sql import text

CON = duckdb.connect()


@settings(deadline=None)
@given(
    st.integers(1, 38).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, p), st.integers(1 - 10**p, 10**p - 1)))
)
def test_decimals_and_big_integers_keep_every_digit(drawn: tuple[int, int, int]) -> None:
    digits, scale, number = drawn
    written = f"{'-' if number < 0 else ''}{str(abs(number)).zfill(scale + 1)}"
    written = f"{written[:-scale]}.{written[-scale:]}" if scale else written
    value = f"struct_pack(a := [{text(written)}::DECIMAL({digits},{scale})], b := {number}::HUGEINT)"
    (column,) = columns_of(CON, f"(SELECT {value} AS v)")
    sql = f"SELECT {land_column(column).expression} FROM (SELECT {value} AS v)"
    ((found,),) = CON.execute(sql).fetchall()
    read = json.loads(found, parse_float=Decimal, parse_int=Decimal)
    assert (Decimal(str(read["a"][0])), read["b"]) == (Decimal(written), Decimal(number))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("STRUCT(a DECIMAL(5,2), b DATE)[]", 'STRUCT("a" DECIMAL(5,2), "b" VARCHAR)[]'),
        ("MAP(INTEGER, TIMESTAMP[2])", "MAP(VARCHAR, VARCHAR[2])"),
        ("UNION(num HUGEINT, word BLOB)", 'UNION("num" HUGEINT, "word" VARCHAR)'),
        ("DECIMAL(5,5)[]", "DECIMAL(6,5)[]"),
        ("DECIMAL(38,38)[]", "VARCHAR[]"),
        ('STRUCT("odd ""name" JSON)', 'STRUCT("odd ""name" VARCHAR)'),
    ],
)
def test_what_json_has_no_form_for_is_text(declared: str, said: str) -> None:
    assert exact(duckdb.sqltype(declared)) == said
