"""Rounds of catch-up that die anywhere, and rounds beside each other: one cut at a time, nothing lost, nothing doubled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.kill import Call, watched

from lakeward.lab import Lab
from phased import Shop, run_killed

PURE = {"lake.qualified", "store.url"}
SIZE = "size: 10 keys, order: oldest_first}\n"
CHANGES = """
UPDATE stock SET amount = amount + 1 WHERE sku % 7 = 0;
DELETE FROM stock WHERE sku % 5 = 0;
INSERT INTO stock SELECT n, n FROM generate_series(1000 + (SELECT count(*) FROM stock WHERE sku >= 1000), 1010) n ON CONFLICT DO NOTHING
"""


def moved(lab: Lab, home: Path) -> Shop:
    """A shop whose stock has been read in windows, and has caught up."""
    shop = Shop(lab, home)
    shop.change(SIZE, f"{SIZE.replace('10 keys', '100 keys')}    catch_up: {{lag: 1h}}\n")
    assert shop.move("stock").complete
    return shop


STEPS = [
    (Call("cut", "export", 1), "after"),
    (Call("lake", "write", 1), "after"),
    (Call("lake", "patch", 1), "before"),
    (Call("lake", "patch", 1), "after"),
]
"""Read, written, about to be landed, and landed."""


def every_call(lab: Lab, home: Path) -> list[tuple[Call, str]]:
    """What a run calls whose windows are done."""
    found: list[Call] = []
    shop = moved(lab, home)
    shop.source(CHANGES)
    with shop.ports() as ports:
        spy = watched(ports, lambda call, when: found.append(call) if when == "before" else None)
        shop.move("stock", ports=spy)
    calls = [call for call in found if f"{call.port}.{call.name}" not in PURE]
    return [(call, ("before", "after")[n % 2]) for n, call in enumerate(calls)]


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])])
def test_killed_again_and_again_the_group_comes_to_what_the_source_has(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, *, whole: bool
) -> None:
    shop = moved(lab, tmp_path_factory.mktemp("killed"))
    died = 0
    for call, when in every_call(lab, tmp_path_factory.mktemp("calm")) if whole else STEPS:
        shop.source(CHANGES)
        died += run_killed(shop, "stock", call, when)
    assert died >= len(STEPS)
    assert shop.move("stock", run="killed").complete
    assert shop.lake("stock", "sku, amount") == sorted(shop.source("SELECT sku, amount FROM stock"))
    assert set(shop.compare("stock").values()) == {"pass"}


def test_another_run_finishes_the_round_of_a_dead_one_at_its_cut(lab: Lab, tmp_path: Path) -> None:
    shop = moved(lab, tmp_path)
    before = shop.pointer("stock")
    shop.source(CHANGES)
    assert run_killed(shop, "stock", Call("lake", "patch", 1), "after")
    assert shop.pointer("stock") == before, "readers see what they saw"
    shop.source("DELETE FROM stock WHERE sku = 8")
    assert shop.move("stock").complete
    after = shop.pointer("stock")
    assert after.caught
    assert before.caught
    assert after.caught.rounds == before.caught.rounds + 2, shop.said
    assert any("left unfinished" in line for line in shop.said)
    assert shop.lake("stock", "sku, amount") == sorted(shop.source("SELECT sku, amount FROM stock"))


def test_of_two_runs_at_once_one_does_the_round(lab: Lab, tmp_path: Path) -> None:
    shop = moved(lab, tmp_path)
    shop.source(CHANGES)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda run: shop.move("stock", run=run), ["a", "b"]))
    assert shop.lake("stock", "sku, amount") == sorted(shop.source("SELECT sku, amount FROM stock"))
    assert set(shop.compare("stock").values()) == {"pass"}
