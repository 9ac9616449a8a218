"""A group is published at one instant: readers who follow its pointer see whole cuts, whatever the catalog."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from append_world import AT, LINES, World, opened
from tests.lakes import ORDERS, lab_connection, open_lake, sql_connection

from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.iceberg import IcebergLake
from lakeward.errors import LakeError
from lakeward.lab import Lab
from lakeward.reader import resolve
from lakeward.steps.append import append

WHOLE = """
SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM lines) AS lines,
       (SELECT count(*) FROM lines ANTI JOIN orders ON orders_id = id) AS orphans
"""


@pytest.mark.parametrize(
    ("catalog", "publications"),
    [
        ("sql", 20),
        ("rest", 10),
        pytest.param("sql", 100, marks=pytest.mark.soak),
        pytest.param("rest", 100, marks=pytest.mark.soak),
    ],
)
def test_a_reader_in_a_loop_never_sees_an_order_line_without_its_order(
    lab: Lab, tmp_path: Path, catalog: str, publications: int
) -> None:
    connection = lab_connection() if catalog == "rest" else sql_connection(tmp_path)
    namespace = f"atomic_{uuid4().hex[:8]}"
    with opened(tmp_path, connection, namespace) as world:
        seen, stop = watch(world, lambda: open_lake(connection, namespace), tmp_path)
        whole = {}
        for n in range(publications):
            plan = world.plan(f"run {n}")
            count = publications - n if n % 2 else publications + n
            whole[plan.group("sales").cut_id] = (count, 2 * count, 0)
            world.stage(plan, count)
            append(plan, "sales", world.ports, AT)
        stop()
    assert len({cut for cut, *_ in seen}) >= publications / 4
    assert [found for found in seen if tuple(found[1:]) != whole[found[0]]] == []


def watch(
    world: World, lake: Callable[[], IcebergLake], folder: Path
) -> tuple[list[tuple[str, int, int, int]], Callable[[], None]]:
    """Read the group again and again beside its writer; cut, orders, lines and orphans that were seen, and how to end it."""
    seen: list[tuple[str, int, int, int]] = []
    failed: list[BaseException] = []
    done = threading.Event()

    def look(own: IcebergLake, engine: DuckEngine) -> None:
        pointer = resolve(world.store, "shop", "sales")
        files = {t.name: own.snapshot(t, pointer.tables[own.qualified(t.name)]) for t in (ORDERS, LINES)}
        (row,) = engine.table(WHOLE, files).to_pylist()
        seen.append((pointer.cut_id, row["orders"], row["lines"], row["orphans"]))

    def loop() -> None:
        own, engine = lake(), DuckEngine(temp_dir=folder)
        try:
            while not done.is_set():
                try:
                    look(own, engine)
                except LakeError:
                    if seen:
                        raise  # else it is not published yet
        except BaseException as error:  # noqa: BLE001 - it is raised where the test sees it
            failed.append(error)
        finally:
            own.close()

    reader = threading.Thread(target=loop)
    reader.start()

    def stop() -> None:
        done.set()
        reader.join()
        for error in failed:
            raise error

    return seen, stop
