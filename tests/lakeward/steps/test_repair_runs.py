"""Repairs of whole runs: killed at calls of their ports, two at once, into quarantine, discarded: rows change once, readers see all of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from parity_world import FILE, SOURCE, admin
from tests.chain import Chain
from tests.kill import Call, Kill, killed, record, run_twice

from lakeward.domain.identity import repair_key
from lakeward.domain.quarantine import quarantine_table
from lakeward.lab import Lab
from lakeward.reader import resolve
from lakeward.steps.append import append
from lakeward.steps.artifacts import read_plan
from lakeward.steps.compare import compare
from lakeward.steps.discard import discard
from lakeward.steps.evidence import verify
from lakeward.steps.gate import collect_evidence, judge
from lakeward.steps.repair import repair

CHANGE = "UPDATE parity.sales SET amount = amount + 1 WHERE id BETWEEN 10 AND 20"
WRITES = {
    ("store", "put_new"),
    ("store", "put"),
    ("store", "put_if"),
    ("lake", "write"),
    ("lake", "patch"),
    ("cut", "land"),
}


@pytest.fixture(scope="module")
def chain(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    folder = tmp_path_factory.mktemp("killed")
    with admin() as connection:
        connection.execute(SOURCE)
    name = f"parity{uuid4().hex[:8]}"
    file = folder / "parity.yaml"
    file.write_text(FILE.replace("migration: parity\n", f"migration: {name}\n").replace("parity_ns", name))
    found = Chain(file, folder / "home", "run1")
    found.run()
    return found


def change() -> None:
    with admin() as connection:
        connection.execute(CHANGE)


def mend(chain: Chain) -> None:
    """Repair until nothing is left, and look at all of it."""
    with chain.ports() as ports:
        name = chain.loaded.spec.migration
        plan = read_plan(ports.store, name, "run1")
        found = [repair(plan, "shop", ports, datetime.now(UTC), "ann", dry_run=False) for _ in range(2)]
        assert found[-1].findings == (), "the first one has repaired it, or finished what had been begun"
        pointer, group = resolve(ports.store, name, "shop"), plan.group("shop")
        for table in group.lake_tables:
            state = ports.lake.state(table.name)
            assert state
            assert pointer.tables[ports.lake.qualified(table.name)] == state.snapshot_id
            if state.repair:
                assert ports.store.get(repair_key(name, "shop", group.cut_id, "done", state.repair))
        assert verify(ports.store, signer=ports.signer).wrong == ()


def held(chain: Chain) -> None:
    """The gate waits for a repair that readers see, and whose record rules nobody has looked at."""
    with chain.ports() as ports:
        plan, now = read_plan(ports.store, chain.loaded.spec.migration, "run1"), datetime.now(UTC)
        compare(plan, "shop", ports, now)
        told = judge(plan, ports, collect_evidence(plan, ports), now).reasons
        assert any("is not finished" in one for one in told), told


def places(calls: list[Call]) -> list[tuple[Call, str]]:
    """Before and after every call that writes."""
    return [(call, when) for call in calls if (call.port, call.name) in WRITES for when in ("before", "after")]


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_repair_that_is_killed_is_finished_or_made_anew(chain: Chain, *, whole: bool) -> None:
    change()
    every = places(record(chain, "repair"))
    mend(chain)
    patch = next(n for n, (call, _) in enumerate(every) if call.name == "patch")
    moved = next(n for n in range(patch, len(every)) if every[n][0].name == "put_if")
    chosen = every if whole else [every[n] for n in (patch, patch + 1, moved + 1)]
    for call, when in chosen:
        change()
        assert killed(chain, Kill("repair", call, when)), (call, when)
        if (call, when) == every[moved + 1]:
            held(chain)
        mend(chain)


def test_of_two_at_once_one_lands_and_the_other_is_told(chain: Chain) -> None:
    change()
    said = run_twice(chain, "repair")
    assert "" in said
    assert all(not one or "quicker" in one or "other rows" in one for one in said), said
    mend(chain)


def test_a_row_that_does_not_fit_any_more_goes_into_quarantine_and_the_cut_can_be_discarded(chain: Chain) -> None:
    with admin() as connection:
        connection.execute(
            """UPDATE parity.sales SET payload = '{"lines": [{"sku": "a", "quantity": 1, "price": "free"}]}' WHERE id = 5"""
        )
    with chain.ports() as ports:
        name = chain.loaded.spec.migration
        plan = read_plan(ports.store, name, "run1")
        done = repair(plan, "shop", ports, datetime.now(UTC), "ann", dry_run=False)
        assert ({f.key[0] for f in done.findings}, done.left) == ({5}, ())
        assert {m.table: m.after for m in done.mended} == {"sales": 0, "sales_lines": 0, "sales_fees": 0}
        pointer, aside = resolve(ports.store, name, "shop"), quarantine_table(plan.group("shop"))
        files = ports.lake.snapshot(aside, pointer.tables[ports.lake.qualified(aside.name)])
        rows = ports.engine.table("SELECT table_name, row_key, reason FROM q", {"q": files}).to_pylist()
        assert [(r["table_name"], json.loads(r["row_key"])) for r in rows] == [("sales", {"id": "5"})]
        assert "free" in rows[0]["reason"]
        assert repair(plan, "shop", ports, datetime.now(UTC), "ann", dry_run=False).findings == ()
        append(plan, "shop", ports, datetime.now(UTC))
        assert resolve(ports.store, name, "shop") == pointer, "the cut finds itself landed, repairs and all"
        assert all(one.gone for one in discard(plan, "shop", ports, dry_run=False))
        states = [ports.lake.state(table.name) for table in plan.group("shop").lake_tables]
        assert [(s.rows, s.repair) for s in states if s] == [(0, "")] * len(states)
