"""Spreads add up, days add up, and what is spent and broken follows from them."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeward.domain.costs import breaches, day_costs, double_days, money, totals
from lakeward.domain.meters import Meter, Side, added, by_day, spread
from lakeward.spec.meters import CostsSpec, PriceSpec, SlaSpec

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIMES = st.lists(st.floats(0, 10_000), min_size=1, max_size=200)
ONE = Meter(
    "retail", "sales", "2026-11-22", AT - timedelta(hours=1), seconds=600, batches=3, rows=30, bytes=5_000, files=4
)
COSTS = CostsSpec(
    source=PriceSpec(compute=Decimal("0.001"), always_on=True, licence=Decimal(100)),
    lake=PriceSpec(compute=Decimal("0.01"), storage=Decimal("0.5"), requests=Decimal("0.2")),
)


@given(TIMES, TIMES, st.floats(0.01, 1))
def test_a_quantile_is_at_most_one_class_too_high_and_spreads_add_up(
    some: list[float], more: list[float], share: float
) -> None:
    both = sorted([*some, *more])
    told = spread(some).plus(spread(more))
    assert told == spread(both)
    assert (told.count, told.slowest) == (len(both), both[-1])
    exact = both[math.ceil(len(both) * share) - 1]
    found = told.quantile(share)
    assert found is not None
    assert min(exact, both[-1]) <= found * 1.000001
    assert found <= max(exact * 1.050001, 0.0001)


def test_nothing_measured_has_no_quantile_and_a_clock_that_is_behind_gives_none_below_zero() -> None:
    assert spread([]).quantile(0.95) is None
    assert spread([-5]).quantile(0.5) == 0


def test_a_day_is_the_sum_of_its_runs_and_what_is_stored_is_what_was_last_seen() -> None:
    early = replace(ONE, write=spread([1]), retained=7, lake=Side({"r": spread([1])}, {"r": 1}, 100, 4))
    late = replace(
        ONE, began=AT, write=spread([2, 3]), retained=5, failures=1, lake=Side({"r": spread([9])}, {}, None, 6)
    )
    day = added([late, early])
    assert (day.began, day.batches, day.rows, day.failures, day.retained) == (early.began, 6, 60, 1, 5)
    assert day.write == spread([1, 2, 3])
    assert day.lake == Side({"r": spread([1, 9])}, {"r": 1}, 100, 10)


def test_groups_beside_each_other_store_both() -> None:
    other = replace(ONE, group="stock", retained=3, source=Side(stored=10), lake=Side(stored=1))
    mine = replace(ONE, retained=4, source=Side(stored=20), lake=Side(stored=None))
    (day,) = by_day([mine, other]).values()
    assert (day.source.stored, day.lake.stored, day.retained, day.batches) == (30, 1, 7, 6)


def test_each_day_of_the_dual_run_is_paid_for_also_those_without_an_increment() -> None:
    first = replace(ONE, day="2026-11-20", lake=Side(stored=2 * 10**9, requests=5_000))
    today = replace(ONE, seconds=100)
    quiet, now = day_costs([first, today], COSTS, AT, "UTC")[1:]
    assert (quiet.day, quiet.source, quiet.lake) == ("2026-11-21", Decimal("186.4"), Decimal(1))
    # Half of today has passed: half of the licence and of the day's computing, all of what was worked.
    assert (now.day, now.source, now.lake) == ("2026-11-22", Decimal("93.2"), Decimal("1.5"))
    begun = day_costs([first, today], COSTS, AT, "UTC")[0]
    assert begun.lake == Decimal("6.00") + Decimal(1) + Decimal(1)
    assert totals([begun, quiet, now])["lake"] == Decimal("10.5")
    assert double_days("2026-11-20", AT, "UTC") == 3
    assert money(Decimal("1234.567"), COSTS) == "1,234.57 EUR"


def test_days_are_those_of_the_migrations_calendar() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert double_days("2026-11-22", late, "UTC") == 1
    assert double_days("2026-11-22", late, "Europe/Zurich") == 2


@pytest.mark.parametrize(
    ("sla", "told"),
    [
        ({"freshness": "5s"}, "freshness on 2026-11-22: p95 is 9.00 s; 5s are agreed"),
        ({"freshness": "10s"}, ""),
        ({"write": "2s"}, "write latency on 2026-11-22: p95 is 3.00 s; 2s are agreed"),
        ({"query": "1s"}, "report daily on 2026-11-22: p95 is 2.00 s; 1s are agreed"),
        ({"query": "3s"}, ""),
        ({"query_ratio": "1.5"}, "p95 is 2.0 times that of the source; 1.5 are agreed"),
        ({"query_ratio": "2.5"}, ""),
        ({"failures": 1}, "failures on 2026-11-22: 2; 1 are agreed"),
        ({"failures": 2}, ""),
        ({"cost": "5.99"}, "the lake cost 6.00 EUR today; 5.99 EUR are agreed"),
        ({"cost": "6"}, ""),
        ({"silence": "60s"}, "no increment since 2026-11-22 11:10:00Z; `sla.silence` is 60s"),
    ],
)
def test_what_is_broken_is_told(sla: dict[str, object], told: str) -> None:
    one = replace(
        ONE,
        failures=1,
        write=spread([3]),
        fresh=spread([9]),
        source=Side({"daily": spread([1])}),
        lake=Side({"daily": spread([2])}, {"daily": 1}),
    )
    found = [b.told for b in breaches(SlaSpec.model_validate(sla), COSTS, [one], AT, "UTC")]
    assert [told in what for what in found] == ([True] if told else []), found


def test_without_an_agreement_nothing_is_broken_and_without_a_measure_it_is() -> None:
    assert list(breaches(None, None, [], AT, "UTC")) == []
    (broken,) = breaches(SlaSpec(), None, [], AT, "UTC")
    assert "no increment was measured yet" in broken.told
    (broken,) = breaches(SlaSpec(cost=Decimal(1)), None, [ONE], AT, "UTC")
    assert "no price book" in broken.told
