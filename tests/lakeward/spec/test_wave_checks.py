"""What a phased migration file may say, and how it is refused: with the line and what to write."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lakeward.errors import SpecError
from lakeward.spec.load import load
from lakeward.spec.models import Phased
from lakeward.spec.wave_checks import waves_of

GOOD = """\
version: 1
migration: shop
pattern: phased
source: {connection: a}
target: {connection: b, namespace: c}
landing: {path: /x}
schedule: "30 22 * * mon-fri"
budget: {time: 2h, rows: 1000, bytes: 5GB}
groups:
  - name: sales
    tables: [{table: public.orders}]
    window: {table: public.orders, column: placed, size: 2 months, from: 2020-01-01}
  - name: stock
    tables: [{table: public.items}]
    window: {table: public.items, column: id, size: 1000 keys, order: oldest_first, from: 1, until: 5000}
  - name: people
    tables: [{table: public.staff}]
waves:
  - {name: first, groups: [sales]}
  - {name: second, groups: [stock]}
  - {name: third, groups: [people], after: []}
kpis:
  - {name: k, table: orders, measure: count()}
  - {name: l, table: items, measure: count()}
  - {name: m, table: staff, measure: count()}
"""


def spec_of(folder: Path, text: str) -> Phased:
    file = folder / "x.yaml"
    file.write_text(text)
    spec = load(file).spec
    assert isinstance(spec, Phased)
    return spec


def test_windows_waves_budget_and_schedule_are_read(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, GOOD)
    sales, stock, people = (group.window for group in spec.groups)
    assert sales
    assert stock
    assert people is None
    assert (sales.size, sales.size.number, sales.size.unit) == ("2 month", 2, "month")
    assert (sales.from_, sales.until, sales.order) == (date(2020, 1, 1), None, "newest_first")
    assert (stock.from_, stock.until, stock.size.unit) == (1, 5000, "key")
    assert [(w.name, w.after) for w in waves_of(spec)] == [("first", ()), ("second", ("first",)), ("third", ())]
    assert Phased.model_validate_json(spec.model_dump_json()) == spec


def test_without_waves_the_groups_follow_each_other_as_written(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, GOOD[: GOOD.index("waves:")] + GOOD[GOOD.index("kpis:") :])
    assert [(w.groups, w.after) for w in waves_of(spec)] == [
        (("sales",), ()),
        (("stock",), ("sales",)),
        (("people",), ("stock",)),
    ]


@pytest.mark.parametrize(
    "schedule",
    ["@daily", "*/5 0-6 1,15 jan-mar 7", "0 22 * * *", "0 0 29 2 *", "0 0 31 4-5 *", "0 0 30 2 mon", "0 0 28/2 2 *"],
)
def test_schedules_that_cron_knows(tmp_path: Path, schedule: str) -> None:
    assert spec_of(tmp_path, GOOD.replace("30 22 * * mon-fri", schedule)).schedule == schedule


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("30 22 * * mon-fri", "60 22 * * *", "x.yaml:7:11: '60 22 * * *': '60' is no minute"),
        ("30 22 * * mon-fri", "0 5-2 * * *", "'5-2' is no hour"),
        ("30 22 * * mon-fri", "nightly", "no schedule"),
        ("30 22 * * mon-fri", "0 0 30 2 *", "'0 0 30 2 *' never comes: no such month has a day 30"),
        ("30 22 * * mon-fri", "0 0 31 apr,6,9-11/2 *", "never comes: no such month has a day 31"),
        (
            "from: 2020-01-01",
            "from: yesterday",
            "a whole number or a date is expected here, not `yesterday`",
        ),
        ("from: 2020-01-01", "from: 2020-01-01 10:00:00", "a date without a time"),
        ("30 22 * * mon-fri", "0 0 * * $(x)", "no day of the week"),
        ("2 months", "1 quarter", "'1 quarter' is not of the form 1 month, 1 week, 1 day, 100000 keys"),
        ("2 months", "0 days", "is not of the form"),
        (
            "{table: public.orders, column",
            "{table: public.order, column",
            "the group `sales` lists no table `public.order`",
        ),
        ("from: 2020-01-01", "from: 7", "windows of 2 month are counted in days, and `from` is 7"),
        ("until: 5000", "until: 2020-01-01", "are counted in keys, and `until` is 2020-01-01"),
        ("until: 5000", "until: 1", "`until` (1) is the first that stays behind"),
        ("groups: [stock]", "groups: [stok]", "there is no group `stok`. Did you mean `stock`?"),
        ("groups: [stock]", "groups: [stock, sales]", "the group `sales` is in the wave `first` already"),
        ("groups: [people], after: []", "groups: [stock]", "no wave moves `people`"),
        ("after: []", "after: [fourth]", "there is no wave `fourth`"),
        ("groups: [sales]}", "groups: [sales], after: [second]}", "comes after itself"),
        ("name: second", "name: first", "there are two waves called `first`"),
        ("kpis:", "compaction: {mode: rewrite}\nkpis:", "could not be replaced by itself"),
        ("kpis:", "gate: {closed_periods: {day: 3}}\nkpis:", "each window is put to the gate by itself"),
        ("budget: {time: 2h", "budget: {tim: 2h", "Did you mean `time`?"),
        ("schedule:", "schedul:", "Did you mean `schedule`?"),
        ("pattern: phased", "pattern: lift_and_shift", "unknown key `window`"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_line(tmp_path: Path, before: str, after: str, told: str) -> None:
    assert before in GOOD
    file = tmp_path / "x.yaml"
    file.write_text(GOOD.replace(before, after, 1))
    with pytest.raises(SpecError) as refused:
        load(file)
    assert told in str(refused.value)
