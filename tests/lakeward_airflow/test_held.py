"""What waits, waits without a slot: a gate that figures hold, and the store's own compaction."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from pyiceberg.catalog import load_catalog

from airflow_home import RUN, Live
from lakeward.adapters.connections import from_environment
from lakeward.adapters.iceberg import properties_from
from lakeward.adapters.objects import S3Store
from lakeward_airflow.demo.api import TaskState

pytestmark = pytest.mark.timeout(900)  # servers start in a fixture, and machines are busy
DAG = "lift_and_shift__held"


def wait(live: Live, done: Callable[[TaskState], bool], task: str, seconds: float = 600.0) -> TaskState:
    deadline = time.monotonic() + seconds
    while True:
        tasks = live.api.tasks(DAG, RUN)
        failed = [one for one in tasks if one.state in {"failed", "upstream_failed"}]
        assert not failed, "\n".join(live.api.log(DAG, RUN, one) for one in failed if one.state == "failed")
        for one in tasks:
            if one.task == task and done(one):
                return one
        assert time.monotonic() < deadline, f"{task} has not got there"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def run(live: Live) -> Iterator[Live]:
    yield live
    live.api.request("PATCH", f"dags/{DAG}/dagRuns/{RUN}", json={"state": "failed"})


def test_a_difference_holds_the_gate_and_is_measured_once(run: Live) -> None:
    held = wait(run, lambda task: task.state == "up_for_reschedule", "groups.compare")
    first = evidence()
    assert [name.partition("-")[0] for name in first if name.endswith(".json")] == ["revenue"]
    until = time.monotonic() + 120
    while run.api.log(DAG, RUN, held, lines=10_000).count("holds the gate") < 2:
        assert time.monotonic() < until, "it has not looked again"
        time.sleep(1)
    assert evidence() == first
    assert {task.state for task in run.api.tasks(DAG, RUN) if task.task in {"gate", "approve"}} == {"none"}


def test_somebody_is_told_once_however_often_it_is_looked_at(run: Live) -> None:
    lines = (run.home.parent / "airflow" / "alerts.jsonl").read_text().splitlines()
    told = [line for line in map(json.loads, lines) if line["text"].startswith("held|")]
    assert [one["text"].split("|")[1] for one in told] == ["gate held", "verdict failed"]
    assert {one["task"] for one in told} == {"groups.compare"}
    assert "revenue: fail: 20 of 20 cells differ" in told[0]["text"]
    assert told[0]["text"].endswith(f"|{run.url}/plugin/migrations/lakeward/m/held")


def test_compaction_is_watched_for_as_long_as_the_file_says(run: Live) -> None:
    wait(run, lambda task: task.state == "success", "groups.compact")
    orders = load_catalog("lake", **properties_from(from_environment("lakehouse"))).load_table("held.orders")
    for _ in range(2):
        orders.append(orders.scan(limit=1).to_arrow())  # somebody leaves small files behind
    run.api.clear(DAG, RUN, "groups.compact", downstream=False)
    waited = wait(run, lambda task: task.state == "success" and task.try_number == 2, "groups.compact")
    report = run.api.xcom(DAG, RUN, "groups.compact", map_index=0)
    assert (report["mode"], report["due"], report["settled"]) == ("observe", True, False)
    assert report["files"]["orders"] == [1, 3]
    log = run.api.log(DAG, RUN, waited)
    assert "Waiting for the store's own compaction, until 5s have passed" in log
    assert "has not compacted within 5s" in log


def evidence() -> dict[str, str]:
    """Every object of the KPI's evidence and its etag."""
    store = S3Store("s3://landing/held", from_environment("landing"))
    try:
        keys = [key for key, _ in store.list("held/evidence/sales/") if "/kpi/" in key]
        return {key.rpartition("/")[2]: found[1] for key in keys if (found := store.get(key))}
    finally:
        store.close()
