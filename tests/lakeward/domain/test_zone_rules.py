"""Two engines' time zone rules put beside each other: the same where they are, and the days named where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kpi_support import Both, both, plan_of, spec

from lakeward.domain import kpi
from lakeward.domain.dialect import Dialect
from lakeward.domain.zone_rules import Ruling, all_disputed, disputed, needs_rules, rules_sql
from lakeward.lab import Lab
from lakeward.spec.calendar import CalendarSpec, Grain

DAY = 86_400


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[Both]:
    with both() as connections:
        yield connections


@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/Sao_Paulo", "Australia/Lord_Howe"])
def test_the_engines_tell_their_rules_alike_and_truly(world: Both, zone: str) -> None:
    calendar = CalendarSpec(time_zone=zone)
    source = world.pg.execute(rules_sql(calendar, Dialect.POSTGRES)).fetchall()
    lake = world.duck.execute(rules_sql(calendar, Dialect.DUCKDB)).fetchall()
    assert source == lake
    assert disputed(source, lake) == ()  # type: ignore[arg-type]
    here = ZoneInfo(zone)
    for since, ahead in source:
        for at, same in ((since, True), (since - 900, False)):  # the quarter of an hour before
            offset = datetime.fromtimestamp(at, UTC).astimezone(here).utcoffset()  # type: ignore[arg-type]
            assert (offset == timedelta(seconds=ahead)) == (same or since == source[0][0])  # type: ignore[arg-type]


RULES = st.lists(st.tuples(st.integers(1, 40), st.integers(-12, 12)), max_size=5).map(
    lambda found: [(0, 0), *sorted((day * DAY, ahead * 3600) for day, ahead in dict(found).items())]
)


@given(RULES, RULES)
def test_days_are_disputed_where_the_clocks_disagree(one: list[Ruling], other: list[Ruling]) -> None:
    def clock(rules: list[Ruling], day: int) -> int:
        return [ahead for since, ahead in rules if since <= day * DAY][-1]

    spans = disputed(one, other)
    for day in range(60):
        here = date(1970, 1, 1) + timedelta(days=day)
        told = all_disputed(Grain.DAY, [here.isoformat()], spans, CalendarSpec())
        near = any(clock(one, n) != clock(other, n) for n in range(max(0, day - 1), day + 2))
        assert told >= near  # and never where they agree for three days around
        wide = any(clock(one, n) != clock(other, n) for n in range(max(0, day - 3), day + 3))
        assert told <= wide


def test_a_period_is_disputed_when_one_of_its_days_is() -> None:
    spans = ((date(2026, 10, 31), date(2026, 11, 2)),)

    def told(grain: Grain, *periods: str | None) -> bool:
        return all_disputed(grain, periods, spans, CalendarSpec())

    assert told(Grain.MONTH, "2026-10-01", "2026-11-01")
    assert not told(Grain.MONTH, "2026-10-01", "2026-12-01")
    assert told(Grain.WEEK, "2026-10-26")
    assert not told(Grain.WEEK, "2026-10-19")
    assert not told(Grain.DAY, "2026-10-31", None)
    assert not told(Grain.DAY, "0044-03-15 BC")


def test_rules_matter_to_instants_outside_of_utc_alone() -> None:
    plan = plan_of("facts", {"id": "long", "at": "timestamptz", "on": "date"})

    def matter(column: str, zone: str) -> bool:
        return needs_rules([kpi.resolve(spec("count()", date=column), plan, CalendarSpec(time_zone=zone))])

    assert matter("at", "Europe/Zurich")
    assert not matter("at", "UTC")
    assert not matter("on", "Europe/Zurich")
