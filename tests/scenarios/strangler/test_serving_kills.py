"""Runs that die anywhere, and runs beside each other: no change is lost, none is made twice."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from strangler import RUN, Shop
from tests.kill import CONTEXT, Call, watched

from lakeward.errors import ConflictError, LakeError, SourceError
from lakeward.lab import Lab

PURE = {"lake.qualified", "store.url"}
CHANGES = (
    "UPDATE orders SET status = 'sent', id = id + 5000 WHERE id % 50 = {n}",
    "INSERT INTO customers VALUES (100 + {n}, 'new', '[\"x\"]')",
    "DELETE FROM orders WHERE id % 60 = {n}",
    "UPDATE orders SET payload = large(id) WHERE id % 40 = {n}",
)


def change(shop: Shop, n: int) -> None:
    """A handful of transactions."""
    shop.run(*(sql.format(n=n) for sql in CHANGES))


def _killed(environment: dict[str, str], file: str, home: str, name: str, call: Call, when: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    shop = object.__new__(Shop)
    shop.file, shop.home, shop.name, shop.key = Path(file), Path(home), name, RUN

    def tell(here: Call, now_: str) -> None:
        if (here, now_) == (call, when):
            os.kill(os.getpid(), signal.SIGKILL)

    with shop.ports() as ports:
        shop.serve(watched(ports, tell))


def run_killed(shop: Shop, call: Call, when: str) -> bool:
    """A tenure in a process of its own that dies by SIGKILL before or after a call of a port; False when it never came to it."""
    where = (dict(os.environ), str(shop.file), str(shop.home), shop.name, call, when)
    process = CONTEXT.Process(target=_killed, args=where)
    process.start()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}, process.exitcode
    return process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(
    "every", [0, pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])], ids=["some", "all"]
)
def test_killed_again_and_again_both_sides_end_equal(lab: Lab, tmp_path: Path, every: int) -> None:
    shop = Shop(lab, tmp_path)
    shop.load()
    calls: list[Call] = []
    try:
        change(shop, 0)
        with shop.ports() as ports:
            shop.serve(watched(ports, lambda call, when: calls.append(call) if when == "before" else None))
        calls = [call for call in calls if f"{call.port}.{call.name}" not in PURE]
        must = [call for call in calls if (call.port, call.name) in {("lake", "apply"), ("store", "put_if")}][:3]
        died = 0
        for n, call in enumerate([*must, *(calls[1::every] if every else ())], 1):
            change(shop, n)
            died += run_killed(shop, call, ("after", "before")[n % 2])
        assert died > 1
        done = shop.serve()
        assert [v.summary for v in done.verdicts if v.outcome != "pass"] == []
    finally:
        shop.close()


def test_of_two_runs_at_once_one_is_told_and_nothing_is_doubled(lab: Lab, tmp_path: Path) -> None:
    shop = Shop(lab, tmp_path)
    shop.load()

    def serve(_: int) -> str:
        try:
            return "equal" if shop.serve().equal else "different"
        except (ConflictError, SourceError, LakeError) as error:
            return error.what

    try:
        change(shop, 1)
        with ThreadPoolExecutor(2) as pool:
            said = list(pool.map(serve, range(2)))
        assert "different" not in said
        assert all(
            one == "equal" or "is active" in one or "read by somebody else" in one or "past" in one for one in said
        )
        assert "equal" in said
        assert shop.serve().equal
    finally:
        shop.close()
