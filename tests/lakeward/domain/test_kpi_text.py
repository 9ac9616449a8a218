"""Canonical text and the business calendar: PostgreSQL and DuckDB agree, and agree with what is right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from kpi_support import ZURICH, Both, both, period_of, told

from lakeward.domain.calendar_sql import day_sql, period_of_day
from lakeward.domain.kpi_text import Dialect, canonical, ordered
from lakeward.domain.tree import name, raw
from lakeward.lab import Lab
from lakeward.spec.models import CalendarSpec, Grain
from lakeward.spec.scalars import ZoneName

ZONES = (
    "UTC",
    "Europe/Zurich",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Europe/Amsterdam",
)
INSTANTS = (
    "2025-03-30 00:59:59.999999",
    "2025-03-30 01:00:00",
    "2025-03-29 23:00:00",
    "2025-10-26 00:59:59.999999",
    "2025-10-25 21:59:59.999999",
    "2024-12-31 23:00:00",
    "2024-02-29 23:30:00",
    "2011-12-30 09:59:59",
    "2011-12-30 10:00:00",
    "1969-12-31 23:59:59.999999",
    "1969-12-31 22:59:59",
    "1940-05-16 02:30:00",
    "1899-12-31 23:25:51",
    "1847-12-01 00:00:00",
    "1600-02-29 12:00:00",
    "1582-10-15 00:00:00",
    "1582-10-04 23:59:59",
    "1582-10-10 12:00:00",
    "1500-03-01 00:00:00",
    "1000-01-01 00:00:00",
    "0004-02-29 23:59:59",
    "0001-01-01 00:30:00",
    "9999-12-31 23:30:00",
)
BEFORE_OUR_ERA = ("0001-12-31 23:30:00", "0044-03-15 12:00:00", "0005-02-28 23:59:59", "4700-01-01 00:30:00")  # fmt: skip


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[Both]:
    with both() as connections:
        yield connections


def agree(world: Both, postgres: str, duck: str, lake_type: str) -> object:
    """The canonical text of a value on both sides, which must be one."""
    source = world.pg.execute(
        f"SELECT {told(canonical(raw('v'), lake_type, Dialect.POSTGRES), Dialect.POSTGRES)} FROM (SELECT {postgres} AS v) AS q"
    ).fetchone()
    lake = world.duck.execute(
        f"SELECT {told(canonical(raw('v'), lake_type, Dialect.DUCKDB), Dialect.DUCKDB)} FROM (SELECT {duck} AS v) AS q"
    ).fetchone()
    assert source == lake
    assert source is not None
    return source[0]


@pytest.mark.parametrize(
    ("lake_type", "sql", "text"),
    [
        ("boolean", "true", "true"),
        ("boolean", "false", "false"),
        ("int", "-2147483648", "-2147483648"),
        ("long", "9223372036854775807", "9223372036854775807"),
        ("decimal(12,2)", "1.1", "1.10"),
        ("decimal(12,2)", "-0.05", "-0.05"),
        ("decimal(12,2)", "0", "0.00"),
        ("decimal(4,4)", "-0.05", "-0.0500"),
        ("decimal(4,4)", "0", "0.0000"),
        ("decimal(38,38)", "-0.00000000000000000000000000000000000001", "-0.00000000000000000000000000000000000001"),
        ("decimal(38,0)", "99999999999999999999999999999999999999", "9" * 38),
        ("date", "'2025-03-30'", "2025-03-30"),
        ("date", "'0001-01-01'", "0001-01-01"),
        ("date", "'12345-01-02'", "12345-01-02"),
        ("timestamp", "'1969-12-31 23:59:59.9'", "1969-12-31 23:59:59.900000"),
        ("timestamp", "'0900-01-01'", "0900-01-01 00:00:00.000000"),
        ("timestamptz", "'2025-03-30 02:00:00.000001+02'", "2025-03-30 00:00:00.000001Z"),
        ("time", "'01:02:03.12'", "01:02:03.120000"),
        ("time", "'23:59:59.999999'", "23:59:59.999999"),
        ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("string", "''", ""),
        ("string", "' É'' \"\\ 😀 '", " É' \"\\ 😀 "),
        ("string", "NULL", None),
        ("date", "NULL", None),
    ],
)
def test_one_text_for_a_value(world: Both, lake_type: str, sql: str, text: str | None) -> None:
    kinds = {"string": ("text", "varchar"), "long": ("bigint", "bigint")}
    number = lake_type.replace("decimal", "numeric")
    postgres, duck = kinds.get(lake_type, (number, lake_type))
    assert agree(world, f"CAST({sql} AS {postgres})", f"CAST({sql} AS {duck})", lake_type) == text


@pytest.mark.parametrize("moment", BEFORE_OUR_ERA)
def test_text_before_our_era(world: Both, moment: str) -> None:
    day, clock = moment.split(" ")
    assert agree(world, f"date '{day} BC'", f"DATE '{day} (BC)'", "date") == f"{day} BC"
    both_ways = f"timestamp '{moment} BC'", f"TIMESTAMP '{day} (BC) {clock}'"
    assert agree(world, *both_ways, "timestamp") == f"{day} BC {clock}.000000"


def test_types_without_exact_text_are_refused() -> None:
    for lake_type in ("float", "double", "binary", "json"):
        with pytest.raises(ValueError, match="no canonical text"):
            canonical(raw("x"), lake_type, Dialect.DUCKDB)
    with pytest.raises(ValueError, match="no day"):
        day_sql("x", "string", ZURICH)


PLAIN = (Grain.DAY, Grain.WEEK, Grain.MONTH)


def periods(world: Both, postgres: str, duck: str, calendar: CalendarSpec) -> list[str]:
    """Day, week and month of an instant on both sides, which must be the same."""
    found = []
    for grain in PLAIN:
        sides = []
        for dialect, value in ((Dialect.POSTGRES, postgres), (Dialect.DUCKDB, duck)):
            first = canonical(period_of_day(grain, name("day"), calendar, dialect), "date", dialect)
            sides.append(
                f"SELECT {told(first, dialect)} FROM (SELECT {day_sql(value, 'timestamptz', calendar)} AS day) AS q"
            )
        source, lake = world.pg.execute(sides[0]).fetchone(), world.duck.execute(sides[1]).fetchone()
        assert source == lake, (grain, postgres)
        assert source
        found.append(str(source[0]))
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("first", ["monday", "saturday", "sunday"])
def test_periods_of_awkward_instants(world: Both, zone: str, first: str) -> None:
    calendar = CalendarSpec.model_validate({"time_zone": zone, "week_starts": first})
    for instant in INSTANTS:
        found = periods(world, f"timestamptz '{instant}+00'", f"TIMESTAMPTZ '{instant}+00'", calendar)
        moment = datetime.fromisoformat(instant).replace(tzinfo=UTC)
        if 10 < moment.year < 9999:  # Python's dates end where ours do not
            assert found == [period_of(moment, grain, calendar) for grain in PLAIN], instant
    for instant in BEFORE_OUR_ERA:
        day, clock = instant.split(" ")
        periods(world, f"timestamptz '{instant}+00 BC'", f"TIMESTAMPTZ '{day} (BC) {clock}+00'", calendar)


def test_days_of_dates_and_local_timestamps_know_no_zone(world: Both) -> None:
    for lake_type, value in (("date", "date '2025-03-30'"), ("timestamp", "timestamp '2025-03-30 23:59:59.999999'")):
        day = day_sql(value, lake_type, CalendarSpec(time_zone=ZoneName("Pacific/Apia")))
        for connection in (world.pg, world.duck):
            found = connection.execute(f"SELECT {day}").fetchone()
            assert found
            assert str(found[0]) == "2025-03-30"


def test_a_day_of_23_hours_has_23_hours(world: Both) -> None:
    """Every hour of a week around the clock's change lies in the same day on both sides and in Python."""
    hours = (
        "SELECT timestamptz '2025-03-27 00:00:00+00' + h * interval '1 hour' AS t FROM generate_series(0, 167) AS g(h)"
    )
    days: dict[str, int] = {}
    for hour in range(168):
        moment = datetime(2025, 3, 27, tzinfo=UTC) + timedelta(hours=hour)
        day = moment.astimezone(ZoneInfo("Europe/Zurich")).date().isoformat()
        days[day] = days.get(day, 0) + 1
    assert days["2025-03-30"] == 23
    for connection, dialect in ((world.pg, Dialect.POSTGRES), (world.duck, Dialect.DUCKDB)):
        dated = f"SELECT {day_sql('t', 'timestamptz', ZURICH)} AS d FROM ({hours}) AS q"
        counted = (
            f"SELECT {told(canonical(raw('d'), 'date', dialect), dialect)}, count(*) FROM ({dated}) AS q GROUP BY 1"
        )
        assert dict(connection.execute(counted).fetchall()) == days


def test_text_is_ordered_by_its_bytes(world: Both) -> None:
    values = "('a'), ('B'), ('é'), ('z'), ('Z'), ('ä'), ('😀'), ('')"
    for connection, dialect in ((world.pg, Dialect.POSTGRES), (world.duck, Dialect.DUCKDB)):
        sql = f"SELECT v FROM (SELECT {told(ordered(raw('v'), 'string', dialect), dialect)} AS v FROM (VALUES {values}) AS t(v)) AS q ORDER BY v"
        found = [str(row[0]) for row in connection.execute(sql).fetchall()]
        assert found == sorted(found, key=str.encode)
    assert told(ordered(raw("v"), "string", Dialect.POSTGRES), Dialect.POSTGRES).endswith(
        'COLLATE "C"'
    )  # whatever the source's own collation is
