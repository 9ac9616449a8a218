"""Commits whose answer is lost, wrong or late, on a real catalog behind a proxy that spoils answers."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fault_proxy import Faults, fault_proxy
from tests.lakes import MIGRATION, TABLES, group, ids_in, lab_connection, open_lake, orders, sql_connection, stage

from lakeward.adapters.connections import Connection, from_environment
from lakeward.adapters.iceberg import IcebergLake, change
from lakeward.domain.file_facts import StagedFile
from lakeward.errors import ConflictError, LakeError

pytestmark = pytest.mark.usefixtures("lab")


@contextmanager
def behind_proxy(mode: str, *plan: str) -> Iterator[tuple[IcebergLake, IcebergLake, tuple[StagedFile, ...], Faults]]:
    """A lake seen through the proxy, the same seen directly, and thirty staged orders."""
    direct = open_lake(lab_connection())
    direct.prepare(TABLES, MIGRATION)
    with fault_proxy(from_environment("lakehouse").host, *plan) as faults:
        lake = open_lake(lab_connection(host=faults.url, multi_table_commit=mode), direct._namespace)
        yield lake, direct, stage(direct, orders(30)), faults
        lake.close()
    direct.close()


def landed_once(direct: IcebergLake, tables: int = 2) -> None:
    """Every table has one snapshot, main, tag and record name it, and its manifests can be read."""
    for table in TABLES[:tables]:
        live = direct._open(table.name)
        (snapshot,) = live.metadata.snapshots
        assert live.metadata.refs["cut_c1"].snapshot_id == live.metadata.current_snapshot_id == snapshot.snapshot_id
        assert live.properties["lakeward.window.all"].endswith(f":{snapshot.snapshot_id}")
    state = direct.state("orders")
    assert state
    assert ids_in(direct, state.snapshot_id or 0) == list(range(30))


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize(
    "fault",
    [
        "409 before",
        "429 before",
        "500 before",
        "503 before",
        "504 after",
        "500 after",
        "503 after",
        "torn before",
        "torn after",
        "twice",
        "200 after",
    ],
)
def test_whatever_the_answer_the_batch_lands_once(fault: str, mode: str) -> None:
    with behind_proxy(mode, fault) as (lake, direct, files, faults):
        multi, landed = lake.commit(group("c1", files), "c1", MIGRATION)
        assert [(c.rows, c.already) for c in landed] == [(30, False), (0, False)]
        assert multi is (mode == "auto")
        landed_once(direct)
        asked_again = {"auto": fault.endswith("before"), "off": not fault.startswith("200")}
        assert faults.met == {"auto": 1, "off": 2}[mode] + (fault.endswith("before") and asked_again[mode])


@pytest.mark.parametrize("fault", ["409 before", "torn before", "500 before"])
def test_when_it_never_works_the_error_says_so_and_nothing_has_landed(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakeward.adapters.iceberg.once.WAITS", (0.01, 0.01))
    with behind_proxy("auto", *[fault] * 3) as (lake, direct, files, faults):
        with pytest.raises(
            ConflictError if fault.startswith("409") else LakeError, match="Run the append step again"
        ) as told:
            lake.commit(group("c1", files), "c1", MIGRATION)
        assert isinstance(told.value, ConflictError) is fault.startswith("409")
        assert faults.met == 3
        assert [direct._open(t.name).metadata.snapshots for t in TABLES] == [[], []]
        _, landed = direct.commit(group("c1", files), "c1", MIGRATION)
        assert [c.already for c in landed] == [False, False]
        landed_once(direct)


@pytest.mark.parametrize("fault", ["429 before", "500 before", "torn before"])
def test_a_catalog_too_busy_to_say_what_it_can_is_not_taken_for_one_that_cannot(fault: str) -> None:
    direct = open_lake(lab_connection())
    direct.prepare(TABLES, MIGRATION)
    files = stage(direct, orders(30))
    with fault_proxy(from_environment("lakehouse").host, fault, meets=lambda r: r.kind == "probe") as faults:
        lake = open_lake(lab_connection(host=faults.url, multi_table_commit="auto"), direct._namespace)
        with pytest.raises(LakeError, match=f"commit cut c1 to namespace {direct._namespace}") as told:
            lake.commit(group("c1", files), "c1", MIGRATION)
        assert "again" in told.value.todo
        multi, _ = lake.commit(group("c1", files), "c1", MIGRATION)
        assert multi
        lake.close()
    landed_once(direct)
    direct.close()


def test_snapshots_expired_between_two_tries_change_nothing_while_the_tag_is_there() -> None:
    """Another cut has landed meanwhile, or the same table's old snapshots were expired: the batch is known by its record."""
    with behind_proxy("auto") as (lake, direct, files, _):
        _, first = lake.commit(group("c1", files), "c1", MIGRATION)
        direct._open("orders").maintenance.expire_snapshots().older_than(datetime.now(UTC) + timedelta(days=1)).commit()
        _, again = lake.commit(group("c1", files), "c1", MIGRATION)
        assert [(c.snapshot_id, c.already) for c in again] == [(c.snapshot_id, True) for c in first]
        landed_once(direct)
        lake.commit(group("c2", stage(direct, orders(5))), "c2", MIGRATION)
        direct._open("orders").maintenance.expire_snapshots().older_than(datetime.now(UTC) + timedelta(days=1)).commit()
        with pytest.raises(LakeError, match="cut c1 landed before"):
            lake.commit(group("c1", files), "c1", MIGRATION)
        state = direct.state("orders")
        assert state
        assert state.rows == 5


def test_refused_tries_leave_no_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    with behind_proxy("auto", "409 before", "409 before") as (lake, direct, files, _):
        lake.commit(group("c1", files), "c1", MIGRATION)
        live = direct._open("orders")
        assert live.inspect.manifests().num_rows == 1
        assert _metadata_files(live, ".avro") == 2  # one manifest, one manifest list


def test_a_conflict_answered_to_a_repeated_request_deletes_nothing_that_landed() -> None:
    """The transport repeats the request: the first lands, the answer of the second is 409."""
    with behind_proxy("auto", "twice") as (lake, direct, files, _):
        _, landed = lake.commit(group("c1", files), "c1", MIGRATION)
        assert [c.already for c in landed] == [False, False]
        landed_once(direct)


def _metadata_files(live: object, ending: str) -> int:
    from pyarrow.fs import FileSelector

    io = live.io  # type: ignore[attr-defined]
    scheme, netloc, path = io.parse_location(live.metadata.location)  # type: ignore[attr-defined]
    found = io.fs_by_scheme(scheme, netloc).get_file_info(FileSelector(f"{path}/metadata"))
    return sum(file.path.endswith(ending) for file in found)


def _commit_and_die(connection: Connection, namespace: str, files: tuple[StagedFile, ...], when: str, nth: int) -> None:
    """Commit, but be killed right before or after the nth question to the catalog."""
    asked = 0

    def deadly(ask: Callable[..., None]) -> Callable[..., None]:
        def question(*given: object) -> None:
            nonlocal asked
            asked += 1
            if (asked, when) == (nth, "before"):
                os.kill(os.getpid(), signal.SIGKILL)
            ask(*given)
            if (asked, when) == (nth, "after"):
                os.kill(os.getpid(), signal.SIGKILL)

        return question

    change.commit_one, change.commit_together = deadly(change.commit_one), deadly(change.commit_together)
    open_lake(connection, namespace).commit(group("c1", files), "c1", MIGRATION)


@pytest.mark.parametrize(
    ("kind", "when", "nth", "landed_before"),
    [
        ("sql", "before", 1, [False, False]),
        ("sql", "after", 1, [True, False]),
        ("sql", "after", 2, [True, True]),
        ("rest", "before", 1, [False, False]),
        ("rest", "after", 1, [True, True]),
    ],
)
def test_a_process_killed_around_a_commit_lands_once_when_run_again(
    kind: str, when: str, nth: int, landed_before: list[bool], tmp_path: Path
) -> None:
    connection = sql_connection(tmp_path) if kind == "sql" else lab_connection()
    lake = open_lake(connection)
    lake.prepare(TABLES, MIGRATION)
    files = stage(lake, orders(30))
    worker = multiprocessing.get_context("spawn").Process(
        target=_commit_and_die, args=(connection, lake._namespace, files, when, nth)
    )
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    _, landed = lake.commit(group("c1", files), "c1", MIGRATION)
    assert [(c.rows, c.already) for c in landed] == list(zip([30, 0], landed_before, strict=True))
    landed_once(lake)
    lake.close()
