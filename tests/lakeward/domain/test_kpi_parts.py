"""Ratios and figures over floats: what they need, the same from both systems and from Python, and when two of them differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, localcontext

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kpi_support import ZURICH, Both, both, plan_of, reckon, spec

from lakeward.domain import kpi
from lakeward.domain.amount import Amount
from lakeward.domain.kpi_compare import differences_sql, finding, totals_sql
from lakeward.lab import Lab
from lakeward.spec.models import ToleranceSpec

COLUMNS = {
    "id": "long",
    "amount": "decimal(14,2)",
    "buyer": "string",
    "day": "date",
    "weight": "double",
    "note": "string",
}
TOLERANCE = {"owner": "Ada", "reason": "weights are measured"}
LOOSE = {"exact": False, "tolerance": {"absolute": 0.5} | TOLERANCE}


def resolved(measure: str, **more: object) -> kpi.ResolvedKpi:
    return kpi.resolve(spec(measure, **more), plan_of("facts", COLUMNS, key=("id",)), ZURICH)


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[Both]:
    with both() as connections:
        connections.create("facts", COLUMNS)
        yield connections


def refill(world: Both, rows: list[tuple[object, ...]]) -> list[dict[str, object]]:
    world.pg.execute("TRUNCATE pg_temp.facts")
    world.duck.execute("DELETE FROM facts")
    world.fill("facts", rows)
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("measure", "more", "said"),
    [
        (
            "sum(weight)",
            {},
            "declare the column as decimal(p,s) under types, or write `exact: false` and `tolerance: {absolute: ",
        ),
        ("max(weight)", {}, "or write `exact: false` and `tolerance"),
        ("count_distinct(weight)", LOOSE, "count_distinct over 'weight', which is of type double, is not exact"),
        ("sum(note)", LOOSE, "'note' is of type string; only int, long and decimal columns can be reckoned with"),
        ("sum(amount)", LOOSE, "it is made of exact columns alone: leave `exact` and `tolerance` out"),
        ("ratio(sum(amount), max(note))", {}, "max(note) is no number that a ratio could be made of"),
        ("ratio(sum(amount), sum(note))", {}, "'note' is of type string"),
    ],
)
def test_what_is_not_exact_is_refused_with_what_to_write(measure: str, more: dict[str, object], said: str) -> None:
    with pytest.raises(kpi.KpiError) as error:
        resolved(measure, **more)
    assert said in str(error.value)


ROWS = st.lists(
    st.tuples(
        st.integers(1, 10**6),
        st.none() | st.integers(-(10**13), 10**13).map(lambda n: Decimal(n).scaleb(-2)),
        st.sampled_from(["a", "b", "A", None]),
        st.sampled_from(["2025-01-31", "2025-02-01", None]),
        st.none() | st.floats(-1e12, 1e12, allow_subnormal=False),
        st.none(),
    ),
    unique_by=lambda row: row[0],
    max_size=10,
)
SETTINGS = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@SETTINGS
@given(rows=ROWS)
def test_a_ratio_is_its_numerator_and_its_denominator(world: Both, rows: list[tuple[object, ...]]) -> None:
    more = {"date": "day", "grains": ("month",), "dimensions": ("buyer",)}
    r = resolved("ratio(sum(amount * 2), count_distinct(buyer))", **more)
    named = refill(world, rows)
    for row in named:
        row["day"] = None if row["day"] is None else date.fromisoformat(str(row["day"]))
    with localcontext() as exact:
        exact.prec = 100
        over = reckon(r.parts[0], named, lambda row: None if row["amount"] is None else row["amount"] * 2)  # type: ignore[operator]
    under = reckon(r.parts[1], named, lambda row: row["buyer"])
    per = {row[:-2]: row[-2:] for row in under}
    source, lake = world.figures(r)
    assert source == {(*row, *per.get(row[:-2], (None, 0))) for row in over}
    assert lake == source


@SETTINGS
@given(rows=ROWS)
def test_floats_are_added_up_alike_in_any_order(world: Both, rows: list[tuple[object, ...]]) -> None:
    r = resolved("sum(weight * 3 - amount)", dimensions=("buyer",), **LOOSE)
    refill(world, rows)
    source = {row[:4]: row[4:] for row in world.source(r)}
    lake = {row[:4]: row[4:] for row in world.lake(r)}
    assert source.keys() == lake.keys()
    worth = [float(w) * 3 - float(a) for _, a, *_, w, _ in rows if a is not None and w is not None]  # type: ignore[arg-type]
    # This session writes floats with 15 digits; ours write all of them.
    near = {"rel_tol": 1e-13, "abs_tol": 2e-14 * sum(map(abs, worth))}
    total = source["total", None, "", None]
    assert total[1] == len(worth)
    assert math.isclose(total[0] or 0, math.fsum(worth), **near)  # type: ignore[arg-type]
    for place, (value, n) in source.items():
        assert lake[place][1] == n
        assert (value is None) == (lake[place][0] is None)
        assert value is None or math.isclose(value, lake[place][0], **near)  # type: ignore[arg-type]


def test_the_order_of_float_sums_and_what_is_no_number_raise_no_alarm(world: Both) -> None:
    r = resolved("sum(weight)", dimensions=("buyer",), **LOOSE)
    rows = [(n, None, "a", None, value, None) for n, value in enumerate([1e9, 0.1, -1e9, 1e-3, 0.7] * 40)]
    rows += [
        (900, None, "A", None, "Infinity", None),
        (901, None, "A", None, 5, None),
        (902, None, "b", None, "NaN", None),
    ]
    refill(world, rows)
    source, lake = ({row[3]: row[4] for row in side if row[2] == "d1"} for side in (world.source(r), world.lake(r)))
    assert source["A"] == lake["A"] == math.inf
    assert math.isnan(source["b"])  # type: ignore[arg-type]
    assert math.isnan(lake["b"])  # type: ignore[arg-type]
    assert source["a"] == pytest.approx(40 * 0.801, rel=1e-15)
    assert lake["a"] == pytest.approx(source["a"], abs=1e-5)


def compared(r: kpi.ResolvedKpi, expected: tuple[str, ...], found: tuple[str, ...]) -> tuple[int, list[str]]:
    """How many cells differ of two tables of one cell, and what is said of them; values as SQL."""
    names = [name for name, _ in kpi.figure_columns(r)]
    with duckdb.connect() as duck:
        for name, values in (("expected", expected), ("found", found)):
            cell = ["'total'", "CAST(NULL AS varchar)", "''", *values, "CAST(1 AS DECIMAL(38,0))"]
            listed = ", ".join(f"{value} AS {column}" for value, column in zip(cell, names, strict=True))
            duck.execute(f"CREATE TABLE {name} AS SELECT {listed}")
        failed = (duck.execute(totals_sql(r)).fetchone() or (0, 0))[1]
        cells = duck.execute(differences_sql(r)).to_arrow_table().to_pylist()
    told = [finding(r.spec, "source-lake", cell) for cell in cells]
    return failed, [f.message for f in told]


RATIO = ("{}::DECIMAL(38,2)", "{}::BIGINT", "{}::DECIMAL(38,0)", "{}::BIGINT")


def ratio(*values: str) -> tuple[str, ...]:
    return tuple(form.format(value) for form, value in zip(RATIO, values, strict=True))


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        (("10", "2", "0", "0"), ("10", "2", "0", "0"), None),
        (("NULL", "0", "0", "0"), ("NULL", "0", "0", "0"), None),
        (
            ("10", "2", "4", "2"),
            ("20", "2", "8", "2"),
            "10.00 / 4 = 2.5 over 2 and 2 rows against 20.00 / 8 = 2.5 over 2 and 2 rows",
        ),
        (
            ("10", "2", "3", "2"),
            ("10", "2", "0", "2"),
            "10.00 / 3 = 3.333333333 over 2 and 2 rows against 10.00 / 0 = no quotient over 2 and 2 rows",
        ),
        (
            ("NULL", "0", "3", "3"),
            ("10", "1", "3", "3"),
            "no value / 3 = no quotient over 0 and 3 rows against 10.00 / 3 = 3.333333333 over 1 and 3 rows",
        ),
    ],
)
def test_a_ratio_is_equal_when_both_its_parts_are(
    expected: tuple[str, ...], found: tuple[str, ...], said: str | None
) -> None:
    r = resolved("ratio(sum(amount), count(buyer))")
    failed, messages = compared(r, ratio(*expected), ratio(*found))
    assert (failed, messages) == ((1, [said]) if said else (0, []))


@pytest.mark.parametrize(
    ("bound", "expected", "found", "equal"),
    [
        ({"absolute": 0.5}, "1e6", "1000000.5", True),
        ({"absolute": 0.5}, "1e6", "1000000.51", False),
        ({"absolute": 0}, "0.1", "0.1", True),
        ({"absolute": 0}, "0.1", "0.10000000000000002", False),
        ({"relative": Decimal("1e-9")}, "1e12", "1e12 + 999", True),
        ({"relative": Decimal("1e-9")}, "1e12", "1e12 + 1002", False),
        ({"relative": Decimal("0.1")}, "'inf'", "5", False),
        ({"relative": Decimal("0.1")}, "'inf'", "'inf'", True),
        ({"relative": 1}, "'nan'", "'nan'", True),
        ({"relative": 1}, "'nan'", "1", False),
        ({"relative": 1}, "NULL", "1", False),
        ({"relative": 1}, "NULL", "NULL", True),
        ({"relative": 0}, "0.0", "-0.0", True),
    ],
)
def test_two_floats_are_equal_within_the_tolerance(
    bound: dict[str, object], expected: str, found: str, equal: bool
) -> None:
    r = resolved("sum(weight)", exact=False, tolerance=bound | TOLERANCE)
    failed, _ = compared(r, (f"({expected})::DOUBLE", "1::BIGINT"), (f"({found})::DOUBLE", "1::BIGINT"))
    assert failed == (not equal)
    amounts = [Amount(None if v == "NULL" else sum(map(float, v.strip("'").split("+"))), 1) for v in (expected, found)]
    assert amounts[0].differs(amounts[1], ToleranceSpec.model_validate(bound | TOLERANCE)) == (not equal)


def test_rows_that_are_others_show_within_any_tolerance(world: Both) -> None:
    """A tolerance is of values: that as many rows of the same keys are there is still proved."""
    r = resolved("sum(weight)", exact=False, tolerance={"absolute": 10**9} | TOLERANCE)
    refill(world, [(1, None, None, None, 5, None), (2, None, None, None, None, None)])
    before = world.duck.execute(kpi.lake_sql(r, "facts")).fetchall()[0]
    world.duck.execute("UPDATE facts SET weight = 5.1 WHERE id = 1")
    assert world.duck.execute(kpi.lake_sql(r, "facts")).fetchall()[0][-1] == before[-1]
    world.duck.execute("UPDATE facts SET id = 3 WHERE id = 1")
    assert world.duck.execute(kpi.lake_sql(r, "facts")).fetchall()[0][-1] != before[-1]


@pytest.mark.parametrize(
    ("amount", "function", "said"),
    [
        (Amount(Decimal("1234.50"), 3), "sum", "1,234.50"),
        (Amount(Decimal("1234.50"), 3), "avg", "1,234.50 \u00f7 3"),
        (Amount(Decimal("10.00"), 3, Decimal(4), 9), "ratio", "10.00 \u00f7 4 = 2.5"),
        (Amount(Decimal("10.00"), 3, Decimal(0), 9), "ratio", "10.00 \u00f7 0 = no quotient"),
        (Amount(None, 0), "ratio", "none"),
        (Amount(0.1, 1), "sum", "0.1"),
    ],
)
def test_amounts_are_shown_as_they_are_compared(amount: Amount, function: str, said: str) -> None:
    assert amount.shown(function) == said
