"""A source that moves while it is compared: what differed is measured again later, and only what differs still is a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from parity_world import SOURCE, World, admin, world

from lakeward.domain.evidence import Verdict
from lakeward.lab import Lab
from lakeward.steps.compare_now import compare_now
from lakeward.steps.drill import drill_all
from lakeward.steps.recheck import Recheck
from lakeward.steps.rows import findings_of

AFTER = timedelta(seconds=30)
CENT = "UPDATE parity.sales SET amount = amount {} 0.01 WHERE id IN ({})"


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("recheck"), uuid4().hex) as found:
        found.publish()
        yield found


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    execute(SOURCE)


def execute(statement: str) -> None:
    with admin() as connection:
        connection.execute(statement.encode())


def compared(shop: World, *meanwhile: str, **narrow: list[str]) -> dict[str, Verdict]:
    """Compare the source as it is; while the recheck waits, the source goes on."""
    waited: list[timedelta] = []

    def pause(after: timedelta) -> None:
        waited.append(after)
        for statement in meanwhile:
            execute(statement)

    verdicts = compare_now(shop.plan, shop.ports, datetime.now(UTC), recheck=Recheck(AFTER, pause), **narrow)
    assert waited == ([AFTER] if meanwhile else [])
    return {f"{v.kind} {v.subject}": v for v in verdicts}


def test_what_is_equal_by_then_is_told_and_is_no_finding(shop: World) -> None:
    execute(CENT.format("+", "7, 8"))
    found = compared(shop, CENT.format("-", "7, 8"), CENT.format("+", "9"))
    assert [name for name, v in found.items() if v.failed] == [], "9 was equal when everything was looked at"
    assert "2 rows settled on recheck after 30 s" in found["rows sales"].summary
    assert "settled on recheck after 30 s: the rows behind them are equal" in found["kpi revenue"].summary


def test_what_differs_still_is_the_finding(shop: World) -> None:
    execute(CENT.format("+", "7, 8"))
    execute("UPDATE parity.visits SET cents = 9 WHERE page = 'p1' AND cents = 1")
    found = compared(shop, CENT.format("-", "7"), CENT.format("+", "9"), "DELETE FROM parity.sales WHERE id = 10")
    rows = findings_of(shop.ports, found["rows sales"])
    assert {(f.key, f.column, f.expected, f.found) for f in rows} == {((8,), "amount", "-0.03", "-0.04")}
    assert "1 row settled on recheck" in found["rows sales"].summary
    assert found["rows visits"].failed
    assert found["kpi revenue"].failed
    assert "settled on recheck" in found["kpi revenue"].summary
    drilled = drill_all(shop.plan, list(found.values()), shop.ports, now=True)
    assert {f.key for v, some in drilled for f in some if v.subject == "sales"} == {(8,)}


def test_a_figure_alone_is_measured_again_too(shop: World) -> None:
    execute(CENT.format("+", "7, 8"))
    found = compared(shop, CENT.format("-", "7, 8"), kpis=["revenue"])
    assert (found["kpi revenue"].outcome, found["kpi revenue"].failed) == ("pass", 0)
    execute(CENT.format("+", "7, 8"))
    kept = compared(shop, CENT.format("-", "7"), kpis=["revenue"])["kpi revenue"]
    assert kept.failed > 0
    assert {f.period for f in kept.findings if f.grain == "day"} == {"2025-01-03"}


def test_nothing_waits_when_nothing_differs_and_waiting_can_be_interrupted(shop: World) -> None:
    assert not any(v.failed for v in compared(shop).values())
    execute(CENT.format("+", "7"))

    def interrupted(after: timedelta) -> None:
        raise KeyboardInterrupt

    stop: Callable[[timedelta], None] = interrupted
    with pytest.raises(KeyboardInterrupt):
        compare_now(shop.plan, shop.ports, datetime.now(UTC), recheck=Recheck(AFTER, stop))
