"""`lakeward run` of a hybrid: three patterns in one file, in the order that it gives, to the joint gate and over it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest

from hybrid import World
from lakeward.lab import Lab
from lakeward.ports import silent
from lakeward.steps.check import check_file
from lakeward.steps.final_sync import final_sync
from lakeward.steps.join import judge_joined
from lakeward.steps.plan import preview
from lakeward.steps.switch import cut_back, cut_over
from lakeward.steps.window_run import Means

GROUPS = ("desk", "past", "sales", "stock")


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def world(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all tests, which tell one story."""
    home = tmp_path_factory.mktemp("hybrid")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEWARD_HOME", str(home / "home"))
        world = World(lab, home)
        yield world
        world.close()


def test_a_group_that_fails_stops_those_behind_it_and_no_other(world: World) -> None:
    world.change("UPDATE items SET price = 5000 WHERE sku = 1")
    broken = world.command("run")
    assert broken.exit_code == 1, broken.output
    assert "stock: failed" in broken.output
    assert "sales: waits for stock" in broken.output
    assert "past: waits for stock" in broken.output
    assert [group["group"] for group in world.status()["groups"]] == ["desk"]
    world.change("UPDATE items SET price = 10 WHERE sku = 1")


def test_each_group_goes_by_its_own_pattern_to_the_joint_gate_and_stays_in_parity(world: World) -> None:
    first = world.command("run", "--new")
    assert first.exit_code == 0, first.output
    assert "The gate is open. Evidence" in first.output
    sales, past, stock, desk = (world.pointer(name) for name in ("sales", "past", "stock", "desk"))
    assert (bool(sales.position), bool(past.caught), len(past.windows), stock.position) == (True, True, 1, 0)

    world.change(
        "UPDATE items SET price = 11 WHERE sku = 1",
        "UPDATE orders SET total = total + 0.01 WHERE id = 7",
        "INSERT INTO invoices VALUES (500, 1, '2024-01-31', 7.77)",
    )
    second = world.command("run")
    assert second.exit_code == 0, second.output
    assert "stock  is read: the source has changed since it was read: kpi price_list, rows items" in second.output
    assert "desk  is equal to its source as it is now" in second.output
    assert "1 changes of 1 transactions" in second.output
    assert "1 rows upserted" in second.output
    assert world.pointer("stock").cut_id != stock.cut_id
    assert world.pointer("desk") == desk
    told = world.status()
    assert told["gate"]["decision"] == "ready"
    assert {group["group"]: group["state"] for group in told["groups"]} == dict.fromkeys(GROUPS, "legacy")
    assert {step["group"] for step in told["steps"]} == {*GROUPS, ""}


def test_all_groups_are_synchronised_and_cut_over_at_one_instant(world: World) -> None:
    world.change(
        "UPDATE notes SET told = 'late' WHERE id = 1",
        "DELETE FROM invoices WHERE id = 80",
        "INSERT INTO orders VALUES (900, 1, '2024-07-01Z', 9.99)",
    )
    said: list[str] = []
    number = count(1)
    with world.ports() as ports:
        loaded = check_file(world.file)
        means = Means(now, lambda: f"try{next(number)}", silent, said.append)
        plan = final_sync(preview(loaded, ports, "sync", now()), ports, "sync", "Ann", means)
        decision = judge_joined(plan, ports, now())
        assert decision.open, decision.reasons
        assert [line for line in said if line.startswith("stock: ")] == ["stock: as it was read"]
        assert any("rows of notes are not those of the cut" in line for line in said)
        asked = {"approved_hash": decision.evidence_hash, "by": "Ann", "why": "agreed", "source_frozen": True}
        done = cut_over(plan, ports, at=now(), **asked)
        assert (done.outcome, done.groups, str(done.after)) == ("done", GROUPS, "writers")
        assert {str(world.pointer(name).state) for name in GROUPS} == {"writers"}
        back = cut_back(plan, ports, by="Ann", why="not yet", at=now())
        assert (back.outcome, {str(world.pointer(name).state) for name in GROUPS}) == ("done", {"legacy"})
    after = world.command("run")
    assert after.exit_code == 0, after.output
