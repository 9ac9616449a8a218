"""A migration under a real Airflow: the approval, its re-run, the switch and the way back."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from airflow_home import RUN, Live
from lakeward import reader
from lakeward.adapters.connections import from_environment
from lakeward.adapters.objects import S3Store
from lakeward.domain.evidence import State, Verdict
from lakeward.domain.stored import from_json, to_json
from lakeward_airflow.demo.servers import DemoError

pytestmark = pytest.mark.timeout(900)  # servers start in a fixture, and machines are busy
DAG = "lift_and_shift__small"
FROZEN = {"source_frozen": True, "accept_quarantine": "", "why": "tested"}


def wait(what: Callable[[], Any], seconds: float = 600.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.5)
    return found


def states(live: Live, dag: str = DAG, run: str = RUN) -> dict[str, str]:
    return {task.label: task.state for task in live.api.tasks(dag, run)}


def asked(live: Live) -> dict[str, Any]:
    """The open question, once the task waits for its answer."""

    def open_question() -> dict[str, Any] | None:
        now = states(live)
        failed = [label for label, state in now.items() if state in {"failed", "upstream_failed"}]
        assert not failed, "\n".join(live.api.log(DAG, RUN, t) for t in live.api.tasks(DAG, RUN) if t.state == "failed")
        return live.api.question(DAG, RUN) if now.get("approve") == "awaiting_input" else None

    return wait(open_question)


def ended(live: Live, dag: str = DAG, run: str = RUN) -> str:
    state = wait(lambda: (s := live.api.run_state(dag, run)) in {"success", "failed"} and s)
    for task in live.api.tasks(dag, run):
        if task.state == "failed":
            logging.getLogger(__name__).warning("%s failed:\n%s", task.label, live.api.log(dag, run, task))
    return state


def pointers() -> set[State]:
    store = S3Store("s3://landing/small", from_environment("landing"))
    try:
        return {reader.resolve(store, "small", group).state for group in ("sales", "stock")}
    finally:
        store.close()


@pytest.fixture(scope="module")
def question(live: Live) -> dict[str, Any]:
    """The run, brought to its approval."""
    return asked(live)


@pytest.fixture(scope="module")
def evidence_hash(question: dict[str, Any], live: Live) -> str:
    return live.api.xcom(DAG, RUN, "gate")["evidence_hash"]


def test_the_approval_shows_what_a_signer_needs(question: dict[str, Any], evidence_hash: str) -> None:
    assert evidence_hash[:12] in question["subject"]
    body = question["body"]
    assert evidence_hash in body
    for told in (
        "revenue",
        "price\\_list",
        "✅ pass",
        "2,000",
        "small.orders",
        "Snapshot",
        "/lakeward/evidence/small/sales/",
        "/lakeward/dossier/small/",
    ):
        assert told in body
    assert re.search(r"none of the \d+ records is signed", body)
    assert set(question["params"]) == {"source_frozen", "accept_quarantine", "why"}
    assert pointers() == {State.LEGACY}


def test_no_secret_is_in_any_log(question: dict[str, Any], live: Live) -> None:
    secrets = [s for c in ("retail_source", "lakehouse", "landing") for s in from_environment(c).secrets]
    assert len(secrets) >= 3
    logs = list((live.home.parent / "airflow").rglob("*.log"))
    assert len(logs) > 15
    for file in logs:
        text = file.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], file


def test_published_tables_are_assets(question: dict[str, Any], live: Live) -> None:
    found = {
        asset["name"]: asset["uri"] for asset in live.api.request("GET", "assets", params={"limit": 100})["assets"]
    }
    assert found["lakehouse.small.orders"] == "x-iceberg://lakehouse/small/orders"
    assert "lakehouse.small.products" in found
    events = live.api.request("GET", "assets/events", params={"limit": 100})["asset_events"]
    assert {e["extra"]["snapshot"].isdigit() for e in events if e["source_dag_id"] == DAG} == {True}


def test_a_bad_file_fails_with_its_error_beside_the_good_one(question: dict[str, Any], live: Live) -> None:
    live.api.wait_for_dag("invalid__broken")
    live.api.trigger("invalid__broken", RUN)
    assert ended(live, "invalid__broken") == "failed"
    (task,) = live.api.tasks("invalid__broken", RUN)
    log = live.api.log("invalid__broken", RUN, task)
    assert "tabel" in log
    assert "broken.yaml" in log


def test_rejecting_skips_the_switch(question: dict[str, Any], live: Live) -> None:
    live.api.answer(DAG, RUN, "Reject", {"source_frozen": False, "accept_quarantine": "", "why": "not today"})
    assert ended(live) == "success"
    assert states(live)["cut_over"] == "skipped"
    assert pointers() == {State.LEGACY}


def test_a_cleared_approval_asks_anew_and_carries_no_old_answer_over(question: dict[str, Any], live: Live) -> None:
    live.api.clear(DAG, RUN, "approve")
    again = asked(live)
    assert again["response_received"] is False
    assert again["chosen_options"] is None
    assert (again["subject"], again["body"]) == (question["subject"], question["body"])
    assert pointers() == {State.LEGACY}


def test_evidence_that_somebody_changed_is_not_asked_about(live: Live, question: dict[str, Any]) -> None:
    store = S3Store("s3://landing/small", from_environment("landing"))
    key = next(
        key for key, _ in store.list("small/evidence/sales/") if "/kpi/revenue-" in key and key.endswith(".json")
    )
    found = store.get(key)
    assert found is not None
    later = replace(v := from_json(Verdict, found[0]), decided_at=v.decided_at + timedelta(seconds=1))
    try:
        store.put(key, to_json(later))
        live.api.clear(DAG, RUN, "approve")
        assert ended(live) == "failed"
        task = next(t for t in live.api.tasks(DAG, RUN) if t.task == "approve")
        assert "sales: kpi revenue: the verdict is not what record" in live.api.log(DAG, RUN, task)
    finally:
        store.put(key, found[0])
        store.close()
    live.api.clear(DAG, RUN, "approve")
    assert asked(live)["body"] == question["body"]


def test_an_approval_without_a_frozen_source_switches_nothing(live: Live, question: dict[str, Any]) -> None:
    live.api.answer(DAG, RUN, "Approve", FROZEN | {"source_frozen": False})
    assert ended(live) == "failed"
    assert states(live) | {"approve": "failed", "cut_over": "upstream_failed"} == states(live)
    assert pointers() == {State.LEGACY}


def test_marking_the_approval_as_successful_is_no_approval(live: Live, question: dict[str, Any]) -> None:
    live.api.request("PATCH", f"dags/{DAG}/dagRuns/{RUN}/taskInstances/approve", json={"new_state": "success"})
    wait(lambda: states(live)["cut_over"] == "failed")  # Airflow itself clears what had failed after the marked task
    assert ended(live) == "failed"
    task = next(t for t in live.api.tasks(DAG, RUN) if t.task == "cut_over")
    assert "Nobody has approved this cutover" in live.api.log(DAG, RUN, task)
    assert pointers() == {State.LEGACY}


def test_an_approval_cuts_over(live: Live, question: dict[str, Any]) -> None:
    live.api.clear(DAG, RUN, "approve")
    asked(live)
    live.api.answer(DAG, RUN, "Approve", FROZEN)
    with pytest.raises(DemoError, match="409"):
        live.api.answer(DAG, RUN, "Reject", FROZEN)
    assert ended(live) == "success"
    assert pointers() == {State.WRITERS}
    approval = live.api.xcom(DAG, RUN, "approve")
    assert (approval["by"], approval["why"]) == ("admin", "tested")
    assert datetime.fromisoformat(approval["answered_at"])


def switch(live: Live, **form: object) -> str:
    run = uuid4().hex
    live.api.wait_for_dag("cutover")
    live.api.trigger("cutover", run, {"migration": "small.yaml", "run": RUN, "why": "tested", **form})
    return ended(live, "cutover", run)


def test_the_form_rehearses_by_default_and_then_cuts_back_and_over(live: Live, evidence_hash: str) -> None:
    assert switch(live, direction="cut_back") == "success"
    assert pointers() == {State.WRITERS}
    assert switch(live, direction="cut_back", dry_run=False) == "success"
    assert pointers() == {State.LEGACY}
    assert switch(live, direction="repair") == "success"
    assert switch(live, evidence_hash="0" * 64, source_frozen=True, dry_run=False) == "failed"
    assert switch(live, evidence_hash=evidence_hash, source_frozen=False, dry_run=False) == "failed"
    assert pointers() == {State.LEGACY}
    assert switch(live, evidence_hash=evidence_hash, source_frozen=True, dry_run=False) == "success"
    assert switch(live, direction="repair", dry_run=False) == "failed", "what readers use is not changed under them"
    assert pointers() == {State.WRITERS}
