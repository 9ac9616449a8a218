"""Done when: a shop that is written to all the time reaches parity and is cut over, with no orphan in anything that was published,
while the process that moves it is killed twice."""

from __future__ import annotations

import os
import threading
from uuid import uuid4

import pytest
from load import Load
from tests.databases import airflow_connection
from tests.kill import Call

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_freezer
from lakeward.domain.evidence import State
from lakeward.lab import Lab
from lakeward.ports import silent
from lakeward.spec.models import Phased
from lakeward.steps.final_sync import final_sync
from lakeward.steps.freeze import freeze, keep
from lakeward.steps.gate import evaluate
from lakeward.steps.switch import cut_over
from lakeward.steps.window_run import Means
from phased import HERE, Shop, now, run_killed

WINDOW = "column: placed_at, size: 1 month}\n"
TABLES = ("customers", "orders", "order_lines", "picks", "notes")
MARKS = ", ".join(f"{{table: public.{name}, column: updated_at}}" for name in TABLES)
REFERENCES = (
    ("orders", "customer_id", "customers", "customer_id"),
    ("order_items", "order_id", "orders", "order_id"),
    ("order_lines", "order_id", "orders", "order_id"),
    ("picks", "order_id", "orders", "order_id"),
    ("notes", "order_id", "orders", "order_id"),
    ("customer_tags", "customer_id", "customers", "customer_id"),
)


class Reader:
    """Notes every set of snapshots that the pointer ever shows."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._over = shop, threading.Event()
        self.seen: dict[int, dict[str, int]] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                pointer = self._shop.pointer()
            except Exception:  # noqa: BLE001 - nothing is published yet
                pass
            else:
                self.seen[pointer.version] = pointer.tables
            self._over.wait(0.2)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def orphans(shop: Shop, pins: dict[str, int]) -> list[str]:
    """References that rows of these snapshots break."""
    found = []
    with shop.ports() as ports:
        plan = shop.plan(ports, "look")
        tables = {t.name: t for t in plan.group("sales").lake_tables}
        for table, column, to, key in REFERENCES:
            files = {n: ports.lake.snapshot(tables[n], pins[ports.lake.qualified(n)]) for n in (table, to)}
            sql = f"SELECT count(*) AS n FROM {table} c ANTI JOIN {to} p ON p.{key} = c.{column} WHERE c.{column} IS NOT NULL"
            if lost := ports.engine.table(sql, files).to_pylist()[0]["n"]:
                found.append(f"{lost} rows of {table}")
    return found


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("runs", [1, 8], ids=["short", "long"])
def test_a_shop_that_is_open_is_moved_and_cut_over(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, runs: int
) -> None:
    shop = Shop(lab, tmp_path_factory.mktemp("open"))
    for part in ("marked.sql", "hooks.sql"):
        shop.source((HERE / part).read_text())
    os.environ["AIRFLOW_CONN_PHASED_FREEZER"] = airflow_connection(shop.uri)
    shop.change(WINDOW, f"{WINDOW.replace('1 month', '3 months')}    catch_up: {{lag: 1h, watermarks: [{MARKS}]}}\n")
    shop.change(
        "size: 10 keys, order: oldest_first}\n", "size: 10 keys, order: oldest_first}\n    catch_up: {lag: 1h}\n"
    )
    shop.change("calendar:", "freeze: {connection: phased_freezer, freeze: hooks.freeze, lift: hooks.lift}\ncalendar:")
    with Load(shop.uri, seed=runs) as load, Reader(shop) as reader:
        assert run_killed(shop, "sales", Call("lake", "commit", 2), "after")
        shop.move()
        assert run_killed(shop, "sales", Call("lake", "patch", 1), "after")
        for _ in range(runs):
            assert shop.move().complete
        assert shop.move("stock").complete
        with shop.ports() as ports:
            plan = shop.plan(ports, "last")
            spec, freezer = plan.migration, open_freezer(plan.migration, from_environment)
            assert isinstance(spec, Phased)
            assert freezer
            freeze(spec, ports, freezer, "ann", now())
            assert load.refused.wait(30), "nobody writes any more"
            key = f"sync-{uuid4().hex[:8]}"
            means = Means(now, lambda: f"try-{uuid4().hex[:8]}", silent, shop.said.append)
            final = final_sync(plan, ports, key, "ann", means)
            decision = evaluate(final, ports, now())
            assert decision.open, decision.reasons
            done = cut_over(
                final,
                ports,
                approved_hash=decision.evidence_hash,
                by="ann",
                why="",
                at=now(),
                source_frozen=True,
                ready=lambda: keep(ports.store, "phased", now()),
            )
        assert done.outcome == "done"
    assert load.written > 10
    assert shop.pointer().state is State.WRITERS
    shop.check_same()
    assert set(shop.compare().values()) == {"pass"}
    assert len(reader.seen) > 5
    for version, pins in reader.seen.items():
        assert orphans(shop, pins) == [], f"version {version} of the pointer"
