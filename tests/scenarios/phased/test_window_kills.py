"""Runs that die anywhere, and runs beside each other: the window under way is gone on with, and nothing lands twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.kill import Call, watched

from lakeward.lab import Lab
from lakeward.spec.models import BudgetSpec
from phased import Shop, run_killed

PURE = {"lake.qualified", "store.url"}


@pytest.fixture(scope="module")
def calls(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """What a run over one window calls."""
    found: list[Call] = []
    shop = Shop(lab, tmp_path_factory.mktemp("calm"))
    with shop.ports() as ports:
        spy = watched(ports, lambda call, when: found.append(call) if when == "before" else None)
        shop.move("stock", budget=BudgetSpec(rows=1), ports=spy)
    return [call for call in found if f"{call.port}.{call.name}" not in PURE]


@pytest.mark.parametrize(
    "every", [40, pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])], ids=["some", "all"]
)
def test_killed_again_and_again_the_run_comes_through(lab: Lab, tmp_path: Path, calls: list[Call], every: int) -> None:
    shop = Shop(lab, tmp_path)
    died = 0
    for n, call in enumerate(calls[5::every]):
        died += run_killed(shop, "stock", call, ("before", "after")[n % 2])
    assert died > 2
    assert shop.move("stock", run="killed").complete
    shop.check_same("stock")
    assert set(shop.compare("stock").values()) == {"pass"}


def test_another_run_goes_on_with_the_window_of_a_dead_one_at_its_cut(
    lab: Lab, tmp_path: Path, calls: list[Call]
) -> None:
    shop = Shop(lab, tmp_path)
    commit = next(call for call in calls if (call.port, call.name) == ("lake", "commit"))
    assert run_killed(shop, "stock", commit, "after")
    assert shop.move("stock", budget=BudgetSpec(rows=1)).moved == ("-10/0",)
    assert shop.pointer("stock").moved_by.startswith("killed.stock."), "the cut is the dead run's"
    assert len(shop.lake("stock")) == 5


def test_of_two_runs_at_once_one_moves_the_group(lab: Lab, tmp_path: Path) -> None:
    shop = Shop(lab, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda run: shop.move("stock", run=run), ["a", "b"])
    by = {len(first.moved): first, len(second.moved): second}
    if 0 in by:  # else the other one was through before this one began
        assert by[0].why == "another run is moving a window of this group"
    assert sorted(first.moved + second.moved) == sorted(["-10/0", "0/10", "20/30", "30/40"])
    shop.check_same("stock")
