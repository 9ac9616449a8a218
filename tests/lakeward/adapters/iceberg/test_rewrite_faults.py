"""Rewritten files whose commit meets lost, wrong or late answers, or whose process is killed around it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from pyiceberg.table.snapshots import Operation
from tests.fault_proxy import fault_proxy
from tests.lakes import MIGRATION, TABLES, batch, ids_in, lab_connection, open_lake, orders, sql_connection, stage

from lakeward.adapters.connections import Connection, from_environment
from lakeward.adapters.iceberg import IcebergLake, change
from lakeward.domain.file_facts import LiveFile, StagedFile
from lakeward.errors import ConflictError, LakeError

pytestmark = pytest.mark.usefixtures("lab")
COUNT = 100


def ready(connection: Connection) -> tuple[IcebergLake, tuple[LiveFile, ...], tuple[StagedFile, ...]]:
    """A hundred orders in five files, and the same rows staged in one."""
    lake = open_lake(connection)
    lake.prepare(TABLES, MIGRATION)
    files = tuple(f for n in range(0, COUNT, 20) for f in stage(lake, orders(20, first=n)))
    lake.commit([batch("c1", files)], "c1", MIGRATION)
    return lake, lake.live_files("orders"), stage(lake, orders(COUNT))


def replaced_once(lake: IcebergLake) -> None:
    """Main is one ``replace`` snapshot over the cut's, tagged, and holds every row once."""
    live = lake._open("orders")
    current = live.current_snapshot()
    assert current
    assert [s.summary.operation for s in live.metadata.snapshots] == [Operation.APPEND, Operation.REPLACE]
    assert live.metadata.refs["cut_c1_compacted"].snapshot_id == current.snapshot_id
    assert ids_in(lake, current.snapshot_id) == list(range(COUNT))


@pytest.mark.parametrize(
    "fault", ["409 before", "429 before", "503 before", "500 after", "503 after", "504 after", "torn after", "twice"]
)
def test_whatever_the_answer_files_are_replaced_once(fault: str) -> None:
    direct, old, new = ready(lab_connection())
    with fault_proxy(from_environment("lakehouse").host, fault) as faults:
        lake = open_lake(lab_connection(host=faults.url), direct._namespace)
        assert lake.replace_files("orders", old, new, "c1")
        lake.close()
    replaced_once(direct)
    direct.close()


@pytest.mark.parametrize("fault", ["409 before", "torn before"])
def test_when_it_never_works_the_new_files_stay_only_while_a_request_may_be_granted(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakeward.adapters.iceberg.rewrite.WAITS", (0.01, 0.01))
    direct, old, new = ready(lab_connection())
    with fault_proxy(from_environment("lakehouse").host, *[fault] * 3) as faults:
        lake = open_lake(lab_connection(host=faults.url), direct._namespace)
        with pytest.raises(ConflictError if fault.startswith("409") else LakeError, match="Compact again") as told:
            lake.replace_files("orders", old, new, "c1")
        lake.close()
    assert isinstance(told.value, ConflictError) is fault.startswith("409")
    live = direct._open("orders")
    there = [live.io.new_input(file.url).exists() for file in new]
    assert there == [not fault.startswith("409")]
    if all(there):
        assert direct.replace_files("orders", old, new, "c1"), "the same files can still be asked for"
        replaced_once(direct)
    direct.close()


def _replace_and_die(
    connection: Connection, namespace: str, old: tuple[LiveFile, ...], new: tuple[StagedFile, ...]
) -> None:
    real = change.commit_one

    def deadly(catalog: object, asked: change.Change) -> None:
        real(catalog, asked)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)

    change.commit_one = deadly  # type: ignore[assignment]
    open_lake(connection, namespace).replace_files("orders", old, new, "c1")


def test_killed_after_the_commit_nothing_is_doubled(tmp_path: Path) -> None:
    connection = sql_connection(tmp_path)
    lake, old, new = ready(connection)
    worker = multiprocessing.get_context("spawn").Process(
        target=_replace_and_die, args=(connection, lake._namespace, old, new)
    )
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    assert lake.replace_files("orders", old, stage(lake, orders(COUNT)), "c1") is None
    replaced_once(lake)
    lake.close()
