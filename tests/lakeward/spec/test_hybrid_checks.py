"""What a hybrid migration file may say, and how it is refused: with the line and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakeward.errors import SpecError
from lakeward.spec.load import load

GOOD = """\
version: 1
migration: shop
pattern: hybrid
source: {connection: a}
target: {connection: b, namespace: c}
landing: {path: /x}
schedule: "@daily"
changes: {tenure: 1m}
compaction: {mode: rewrite}
groups:
  - name: sales
    pattern: strangler_fig
    after: [stock, past]
    tables: [{table: public.orders}]
  - name: past
    pattern: phased
    after: [stock]
    tables: [{table: public.invoices}]
    window: {table: public.invoices, column: placed, size: 1 month}
    catch_up: {lag: 10m}
  - name: stock
    pattern: lift_and_shift
    tables: [{table: public.items}]
kpis:
  - {name: k, table: orders, measure: count()}
  - {name: l, table: invoices, measure: count()}
  - {name: m, table: items, measure: count()}
"""

BAD = [
    ("pattern: strangler_fig", "pattern: strangler", "12:14: `strangler` is not known here; known: lift_and_shift"),
    ("    pattern: lift_and_shift\n", "", "`pattern` is missing in `groups[2]`"),
    ("[stock, past]", "[stok, past]", "13:13: there is no group `stok`. Did you mean `stock`?"),
    (
        "pattern: lift_and_shift",
        "pattern: lift_and_shift\n    after: [sales]",
        "comes after itself (past, sales, stock)",
    ),
    ("    catch_up: {lag: 10m}\n", "", "the joint gate would never open. Add `catch_up: {}` to the group."),
    (
        "pattern: phased",
        "pattern: lift_and_shift",
        "`window` is for groups of the pattern phased, and `past` is lift_and",
    ),
    ("pattern: phased", "pattern: strangler_fig", "`catch_up` is for groups of the pattern phased"),
    ("window: {table: public.invoices", "window: {table: public.invoice", "lists no table `public.invoice`"),
    (
        "tenure: 1m",
        "continuous: true",
        "7:11: with `changes.continuous` a run begins as soon as the last one has ended",
    ),
    ("{connection: a}", "{connection: a, kind: mariadb}", "a mariadb source has no change log"),
    ("{connection: a}", "{connection: a, kind: mariadb}", "catching up is there for PostgreSQL"),
    ("compaction:", "gate: {closed_periods: {day: 1}}\ncompaction:", "each window is put to the gate by itself"),
    ("compaction:", "waves: []\ncompaction:", "unknown key `waves`"),
]


@pytest.mark.parametrize(("old", "new", "reason"), BAD, ids=[f"{n:02d}" for n in range(len(BAD))])
def test_what_is_wrong_is_told_at_its_line(tmp_path: Path, old: str, new: str, reason: str) -> None:
    file = tmp_path / "x.yaml"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        load(file)
    assert reason in str(caught.value)
