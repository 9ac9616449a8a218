"""Files that nothing names: found, removed, and never one that is committed, at whatever moment a commit comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from tests.lakes import MIGRATION, TABLES, batch, group, ids_in, open_lake, orders, stage

from lakeward.adapters.connections import Connection
from lakeward.adapters.iceberg import IcebergLake, change
from lakeward.adapters.iceberg.condemned import CONDEMNED
from lakeward.domain.maintenance import LakeFile, Retention, decide_expiry
from lakeward.errors import LakeError

LATER = datetime.now(UTC) + timedelta(days=365)


def sweep(lake: IcebergLake, spared: Collection[str] = ()) -> tuple[LakeFile, ...]:
    """A janitor for whom everything is old."""
    return lake.remove("orders", lake.leftovers("orders", LATER, spared))


@contextmanager
def before_the_commit(monkeypatch: pytest.MonkeyPatch, does: Callable[[], object]) -> Iterator[None]:
    """A worker that is held up between its last look and its commit, once; ``does`` is what happens meanwhile."""
    waiting = [does]

    def held(real: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*args: object) -> object:
            if waiting:
                waiting.pop()()
            return real(*args)

        return ask

    with monkeypatch.context() as patch:
        patch.setattr(change, "commit_one", held(change.commit_one))
        patch.setattr(change, "commit_together", held(change.commit_together))
        yield
    assert not waiting


def test_what_a_snapshot_or_a_run_needs_stays_and_the_rest_goes(lake: IcebergLake) -> None:
    kept, dead, open_run = stage(lake, orders(300)), stage(lake, orders(300)), stage(lake, orders(9))
    _, (first, _) = lake.commit(group("c1", kept), "c1", MIGRATION)
    spared = [file.url for file in open_run]
    found = lake.leftovers("orders", LATER, spared)
    assert {file.url for file in found} == {file.url for file in dead}
    assert sum(file.bytes for file in found) == sum(file.bytes for file in dead)
    assert lake.leftovers("orders", datetime.now(UTC) - timedelta(days=1), ()) == ()
    assert lake.remove("orders", found) == found
    assert sweep(lake, spared) == ()
    assert ids_in(lake, first.snapshot_id) == list(range(300))
    state = lake.state("orders")
    assert state
    assert (state.rows, state.batches) == (300, {"all": batch("c1", ()).batch_id})
    _, (second,) = lake.commit([batch("c2", open_run)], "c2", MIGRATION)
    assert ids_in(lake, second.snapshot_id) == list(range(9))


def test_a_table_without_any_snapshot_is_cleaned_and_takes_its_first_cut(lake: IcebergLake) -> None:
    dead = stage(lake, orders(10))
    assert {file.url for file in sweep(lake)} == {file.url for file in dead}
    _, (first, _) = lake.commit(group("c1", stage(lake, orders(5))), "c1", MIGRATION)
    assert ids_in(lake, first.snapshot_id) == list(range(5))
    assert lake.drop_batch("orders", "c1")


def test_manifests_and_metadata_of_refused_and_expired_commits_go(lake: IcebergLake) -> None:
    for n in range(3):
        lake.commit(group(f"c{n}", stage(lake, orders(n + 1))), f"c{n}", MIGRATION)
    live = lake._open("orders")
    change.replace_rows(live, [], (), {})  # built, and never asked for: a worker that died before its commit
    history = lake.history("orders")
    lake.expire(history, decide_expiry(history, Retention(frozenset(), frozenset(), True, 1, 1, LATER)))
    gone = sweep(lake)
    assert {file.kind for file in gone} == {"data", "metadata"}
    assert sum(file.url.rsplit("/", 1)[-1].startswith("snap-") for file in gone) == 2
    now = lake.history("orders")
    assert [len(ids_in(lake, now.tags[tag])) for tag in ("cut_c1", "cut_c2") if tag in now.tags] == [3]
    assert len(ids_in(lake, next(s.snapshot_id for s in now.snapshots))) == 2
    assert sweep(lake) == ()


def test_a_worker_held_up_for_hours_before_its_commit_loses_to_the_janitor(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.commit(group("c1", stage(lake, orders(7))), "c1", MIGRATION)
    late = stage(lake, orders(300))
    with before_the_commit(monkeypatch, lambda: sweep(lake)), pytest.raises(LakeError, match=r"is gone|given up"):
        lake.commit(group("c2", late), "c2", MIGRATION)
    state = lake.state("orders")
    assert state
    assert state.rows == 7


def test_two_janitors_between_a_look_and_a_commit_don_t_let_it_through(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = stage(lake, orders(300))

    def twice() -> None:
        sweep(lake)
        stage(lake, orders(1))
        sweep(lake)
        assert late[0].url.rsplit("/", 1)[-1][:-14] not in lake._open("orders").properties[CONDEMNED]

    with before_the_commit(monkeypatch, twice), pytest.raises(LakeError, match="is gone"):
        lake.commit(group("c1", late), "c1", MIGRATION)


def test_a_worker_that_looks_between_the_mark_and_the_deletion_reads_the_mark(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, asked = stage(lake, orders(300)), []
    found = lake.leftovers("orders", LATER, ())
    real = change.commit_one

    def mark_then_commit(*args: Any) -> None:
        real(*args)
        if not asked:  # the janitor's mark; nothing is deleted yet
            asked.append(True)
            with pytest.raises(LakeError, match="given up"):
                lake.commit(group("c1", late), "c1", MIGRATION)

    monkeypatch.setattr(change, "commit_one", mark_then_commit)
    assert lake.remove("orders", found) == found
    assert asked


def test_a_commit_that_comes_before_the_mark_keeps_its_files(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = stage(lake, orders(300))
    found = lake.leftovers("orders", LATER, ())
    with before_the_commit(monkeypatch, lambda: None):
        _, (first, _) = lake.commit(group("c1", late), "c1", MIGRATION)
    assert lake.remove("orders", found) == ()
    assert ids_in(lake, first.snapshot_id) == list(range(300))


def test_a_mark_outlives_other_marks_until_its_file_is_gone(lake: IcebergLake, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stage(lake, orders(3))
    found = lake.leftovers("orders", LATER, ())
    with monkeypatch.context() as patch:  # a janitor that is held up for hours after its mark
        patch.setattr("lakeward.adapters.iceberg.leftovers.unnamed", lambda *_: [])
        lake.remove("orders", found)
    stage(lake, orders(2))
    sweep(lake, [file.url for file in first])  # the second one spares what the first one has marked
    with pytest.raises(LakeError, match="given up"):
        lake.commit(group("c1", first), "c1", MIGRATION)


def test_tables_that_share_a_folder_are_not_touched(lake: IcebergLake) -> None:
    live = lake._open("orders")
    lake._catalog.register_table((*live.name()[:-1], "x_copy"), live.metadata_location)
    stage(lake, orders(3))
    with pytest.raises(LakeError, match="shares its folder"):
        lake.leftovers("orders", LATER, ())


def race(connection: Connection, rounds: int) -> tuple[int, int]:
    """Commits beside a janitor to whom everything is old; how many landed and how many were refused.

    :raises AssertionError: a file that was committed is gone.
    """
    worker, random = open_lake(connection), Random(rounds)
    janitor = open_lake(connection, worker._namespace)
    worker.prepare(TABLES, MIGRATION)
    landed: list[tuple[int, int]] = []
    with ThreadPoolExecutor(1) as beside:
        for n in range(rounds):
            files = stage(worker, orders(n + 1))
            found = janitor.leftovers("orders", LATER, ())
            pause = random.random() * 0.2 - 0.1  # either may be first
            cleaning = beside.submit(
                lambda late, old: (time.sleep(late), janitor.remove("orders", old)), max(pause, 0.0), found
            )
            time.sleep(max(-pause, 0.0))
            try:
                landed.append((n + 1, worker.commit([batch(f"c{n}", files)], f"c{n}", MIGRATION)[1][0].snapshot_id))
            except LakeError as error:
                if "is gone" not in error.what and "given up" not in error.what:
                    raise
            cleaning.result()
    for count, snapshot in landed:
        assert ids_in(worker, snapshot) == list(range(count))
    worker.close()
    janitor.close()
    return len(landed), rounds - len(landed)


def test_a_janitor_racing_appends_takes_nothing_that_is_committed(connection: Connection) -> None:
    landed, refused = race(connection, 8)
    assert landed + refused == 8


@pytest.mark.soak
def test_a_janitor_racing_very_many_appends_takes_nothing_that_is_committed(connection: Connection) -> None:
    landed, refused = race(connection, 100)
    assert landed > 10
    assert refused > 10
