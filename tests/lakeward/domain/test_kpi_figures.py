"""The same figures from PostgreSQL, from DuckDB and from Python's Decimal, over the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, localcontext

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kpi_support import ZURICH, Both, both, plan_of, reckon, spec

from lakeward.domain import kpi
from lakeward.lab import Lab
from lakeward.spec.models import CalendarSpec

COLUMNS = {
    "id": "long",
    "amount": "decimal(38,9)",
    "price": "decimal(12,4)",
    "quantity": "int",
    "at": "timestamptz",
    "on": "date",
    "note": "string",
    "paid": "boolean",
}
Row = dict[str, object]


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[Both]:
    with both() as connections:
        connections.create("facts", COLUMNS)
        yield connections


def refill(world: Both, rows: list[Row]) -> None:
    world.pg.execute("TRUNCATE pg_temp.facts")
    world.duck.execute("DELETE FROM facts")
    world.fill("facts", [[row[c] for c in COLUMNS] for row in rows])


def wide(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    """Decimals of up to so many digits, all of them used."""
    return st.integers(-(10**digits) + 1, 10**digits - 1).map(lambda n: Decimal(f"{n}E-{scale}"))


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(-(2**63), 2**63 - 1),
            "amount": st.none() | wide(5, 2).map(lambda d: Decimal(f"{d:f}")) | wide(36, 9),
            "price": st.none() | wide(12, 4),
            "quantity": st.none() | st.integers(-(2**31), 2**31 - 1),
            "at": st.none()
            | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them so
            | st.sampled_from(
                ["2025-03-29T23:00", "2025-03-30T01:00", "2025-10-25T22:00", "2025-10-26T01:00", "1969-12-31T23:30"]
            ).map(lambda t: datetime.fromisoformat(t).replace(tzinfo=UTC)),
            "on": st.none() | st.dates(),
            "note": st.none() | st.sampled_from(["", " ", "a", "A", "é", "é", "Z", "a ", "'\"\\", "😀"]),
            "paid": st.none() | st.booleans(),
        }
    ),
    max_size=12,
)

CASES: dict[str, tuple[dict[str, object], Callable[[Row], object]]] = {
    "sum of wide decimals": (
        {"measure": "sum(amount)", "date": "at", "dimensions": ("note", "paid")},
        lambda r: r["amount"],
    ),
    "arithmetic": (
        {"measure": "sum(-quantity * price * 0.081 - (price - 1.5) * 2)", "date": "on", "dimensions": ("quantity",)},
        lambda r: (
            None
            if r["quantity"] is None or r["price"] is None
            else -Decimal(r["quantity"]) * r["price"] * Decimal("0.081") - (r["price"] - Decimal("1.5")) * 2
        ),  # type: ignore[operator,arg-type]
    ),
    "count of rows": ({"measure": "count()", "date": "at", "grains": ("week",), "dimensions": ("price",)}, lambda r: 1),
    "count of values": ({"measure": "count(note)", "date": "on", "grains": ("month", "day")}, lambda r: r["note"]),
    "distinct numbers": (
        {"measure": "count_distinct(price)", "date": "at", "dimensions": ("paid",)},
        lambda r: r["price"],
    ),
    "distinct texts": (
        {"measure": "count_distinct(note)", "date": "on", "dimensions": ("paid", "quantity")},
        lambda r: r["note"],
    ),
    "integers beyond 64 bits": ({"measure": "sum(id)", "dimensions": ("paid",)}, lambda r: Decimal(r["id"])),  # type: ignore[arg-type]
    "average is sum and count": ({"measure": "avg(amount)", "date": "on", "grains": ("day",)}, lambda r: r["amount"]),
    "smallest number": ({"measure": "min(amount)", "date": "at", "grains": ("month",)}, lambda r: r["amount"]),
    "largest text": ({"measure": "max(note)", "dimensions": ("paid",)}, lambda r: r["note"]),
    "smallest date": (
        {"measure": "min(on)", "dimensions": ("note",)},
        lambda r: None if r["on"] is None else str(r["on"]),
    ),
    "largest instant": (
        {"measure": "max(at)", "date": "at", "grains": ("month",)},
        lambda r: None if r["at"] is None else f"{r['at']:%Y-%m-%d %H:%M:%S.%f}Z",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "calendar", [ZURICH, CalendarSpec(time_zone="America/St_Johns", week_starts="saturday")], ids=["zurich", "st-johns"]
)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=ROWS)
def test_three_ways_to_the_same_figures(world: Both, case: str, calendar: CalendarSpec, rows: list[Row]) -> None:
    definition, argument = CASES[case]
    r = kpi.resolve(
        spec(str(definition["measure"]), **{k: v for k, v in definition.items() if k != "measure"}),
        plan_of("facts", COLUMNS),
        calendar,
    )
    refill(world, rows)
    source, lake = world.figures(r)
    with localcontext() as exact:
        exact.prec = 100
        assert source == reckon(r, rows, argument)
    assert lake == source


def row(**values: object) -> Row:
    return dict.fromkeys(COLUMNS) | values


def test_every_digit_of_38_is_kept(world: Both) -> None:
    largest = Decimal("9" * 29 + "." + "9" * 9)
    refill(world, [row(amount=largest), row(amount=largest.copy_negate(), note=""), row(amount=Decimal("-1E-9"))])
    source, lake = world.figures(
        kpi.resolve(spec("sum(amount)", dimensions=("note",)), plan_of("facts", COLUMNS), ZURICH)
    )
    assert source == lake
    assert source == {
        ("total", None, "", None, Decimal("-1E-9"), 3),
        ("total", None, "d1", "", largest.copy_negate(), 1),
        ("total", None, "d1", None, Decimal("9" * 29 + "." + "9" * 8 + "8"), 2),
    }


@pytest.mark.parametrize(
    ("measure", "values"),
    [
        ("sum(amount)", [Decimal("9" * 29), Decimal("9" * 29)]),
        ("sum(amount)", [Decimal("9" * 29), Decimal(1)]),
        ("sum(amount)", [Decimal("9" * 29)] * 3),
        ("sum(amount * amount)", [Decimal("9" * 29)]),
        ("sum(amount + 1)", [Decimal("9" * 29)]),
        ("sum(-amount - 1)", [Decimal("9" * 29)]),
        ("sum(amount * 0.0001 * 10)", [Decimal("9" * 29)]),
        ("max(amount * amount)", [Decimal("1" + "0" * 15)]),
    ],
)
def test_a_figure_beyond_38_digits_is_an_error_on_both_sides(world: Both, measure: str, values: list[Decimal]) -> None:
    refill(world, [row(amount=v) for v in values])
    r = kpi.resolve(spec(measure), plan_of("facts", COLUMNS), ZURICH)
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        world.source(r)
    with pytest.raises((duckdb.OutOfRangeException, duckdb.ConversionException)):
        world.lake(r)


def test_an_overflow_among_many_threads_is_an_error(world: Both) -> None:
    """Partial sums of parallel threads are added up; that addition must be watched too."""
    world.duck.execute("SET threads = 4")
    world.duck.execute(
        "CREATE OR REPLACE TABLE many AS SELECT CAST('9' || repeat('0', 32) AS DECIMAL(38, 0)) AS v FROM range(1000000)"
    )
    r = kpi.resolve(spec("sum(v)", table="many"), plan_of("many", {"v": "decimal(38,0)"}), ZURICH)
    with pytest.raises((duckdb.OutOfRangeException, duckdb.ConversionException)):
        world.lake(r)


def test_one_cent_in_one_row_shows_in_exactly_its_cells(world: Both) -> None:
    at = [datetime(2025, 3, d, 23, 30, tzinfo=UTC) for d in (28, 29, 30, 31)]
    rows = [row(id=i, price=Decimal(f"{i}.10"), at=at[i % 4], note="ab"[i % 2], paid=i % 3 == 0) for i in range(40)]
    refill(world, rows)
    world.duck.execute("UPDATE facts SET price = price + 0.01 WHERE id = 9")
    source, lake = world.figures(
        kpi.resolve(spec("sum(price)", date="at", dimensions=("note", "paid")), plan_of("facts", COLUMNS), ZURICH)
    )
    differ = {f[:-2] for f in source ^ lake}
    dimensions = [("", None, None), ("d1", "b", None), ("d2", None, "true"), ("d1,d2", "b", "true")]
    periods = [("total", None), ("day", "2025-03-30"), ("week", "2025-03-24"), ("month", "2025-03-01")]
    assert differ == {(*p, *d) for p in periods for d in dimensions}


def test_filters_are_typed_alike(world: Both) -> None:
    rows = [
        row(
            id=i, note=n, on=f"2025-01-0{i}", at=datetime(2025, 1, i, 23, 30, tzinfo=UTC), paid=i == 1, price=Decimal(i)
        )
        for i, n in [(1, "a"), (2, "B"), (3, None), (4, "é"), (5, "")]
    ]
    refill(world, rows)
    for expected, filters in {
        2: [{"column": "on", "op": ">=", "value": "2025-01-04"}],
        3: [{"column": "at", "op": ">=", "value": "2025-01-04"}],  # 23:30 UTC on the third is the fourth in Zurich
        4: [{"column": "note", "op": "<", "value": "ê"}],
        1: [{"column": "note", "op": ">", "value": "a"}],
        0: [{"column": "price", "op": "not in", "value": [1, 2, Decimal("3.0"), 4, 5]}],
    }.items():
        source, lake = world.figures(kpi.resolve(spec("count()", filter=filters), plan_of("facts", COLUMNS), ZURICH))
        assert source == lake == {("total", None, "", Decimal(expected), expected)}, filters


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ({"value": True}, {True}),
        ({"value": False}, {False}),
        ({"op": "!=", "value": True}, {False}),
        ({"op": ">", "value": False}, {True}),
        ({"op": "in", "value": [True, False]}, {True, False}),
        ({"op": "not in", "value": [True]}, {False}),
        ({"op": "is null"}, {None}),
        ({"op": "is not null"}, {True, False}),
    ],
)
def test_filters_on_booleans(world: Both, condition: dict[str, object], wanted: set[bool | None]) -> None:
    rows = [row(paid=paid, quantity=n) for n, paid in enumerate([True, True, False, None, None, None])]
    refill(world, rows)
    r = kpi.resolve(spec("sum(quantity)", filter=({"column": "paid"} | condition,)), plan_of("facts", COLUMNS), ZURICH)
    source, lake = world.figures(r)
    assert source == lake == reckon(r, [x for x in rows if x["paid"] in wanted], lambda x: Decimal(str(x["quantity"])))
