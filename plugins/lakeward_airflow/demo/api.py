"""Airflow's REST API, as an operator's script would use it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote

import httpx

from lakeward_airflow.demo.servers import DemoError
from lakeward_airflow.demo.settings import USER, AirflowHome

_NOTICED_WITHIN = 30.0
_FINISHED = {"success", "failed", "skipped", "upstream_failed", "removed"}


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task of a run, as it is now."""

    task: str
    group: str
    map_index: int
    state: str
    try_number: int
    started: datetime | None
    ended: datetime | None

    @property
    def label(self) -> str:
        """``extract[sales]``."""
        name = self.task.rpartition(".")[2]
        return f"{name}[{self.group}]" if self.group else name

    @property
    def finished(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in _FINISHED

    @property
    def seconds(self) -> float:
        """From its start to its end, waiting included."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else 0.0


class AirflowApi:
    """A logged-in client of one Airflow."""

    def __init__(self, airflow: AirflowHome) -> None:
        self._scheduler_log = airflow.folder / "scheduler.log"
        self._client = httpx.Client(base_url=airflow.url, timeout=120, trust_env=False)
        answer = self._client.post("/auth/token", json={"username": USER, "password": airflow.password})
        answer.raise_for_status()
        self.authorization = f"Bearer {answer.json()['access_token']}"
        self._client.headers["Authorization"] = self.authorization

    def __enter__(self) -> Self:
        """Log in once for all calls."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.close()

    def request(self, method: str, path: str, **given: Any) -> Any:
        """Call ``/api/v2/<path>``; DemoError when Airflow refuses."""
        answer = self._client.request(method, f"/api/v2/{path}", **given)
        if answer.is_error:
            raise DemoError(f"Airflow answers {answer.status_code} to {method} {path}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def wait_for_dag(self, dag_id: str, seconds: float = 90.0) -> None:
        """Return when the DAG has been read; DemoError with the import errors when it is not."""
        deadline = time.monotonic() + seconds
        while self._client.get(f"/api/v2/dags/{quote(dag_id)}").is_error:
            if time.monotonic() > deadline:
                errors = self.request("GET", "importErrors")["import_errors"]
                told = (
                    "\n".join(f"{e['filename']}\n{e['stack_trace']}" for e in errors)
                    or "Airflow reports no import error."
                )
                raise DemoError(f"Airflow does not show DAG {dag_id}. {told}", todo="See dag-processor.log.")
            time.sleep(0.3)

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, object] | None = None) -> None:
        """Start a run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf or {}}
        self.request("POST", f"dags/{quote(dag_id)}/dagRuns", json=body)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return str(self.request("GET", self._run(dag_id, run_id))["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Every task instance of a run."""
        found = self.request("GET", f"{self._run(dag_id, run_id)}/taskInstances", params={"limit": 1000})
        return [
            TaskState(
                task=ti["task_id"],
                group=ti.get("rendered_map_index") or "" if ti["map_index"] >= 0 else "",
                map_index=ti["map_index"],
                state=ti["state"] or "none",
                try_number=ti["try_number"],
                started=_instant(ti["start_date"]),
                ended=_instant(ti["end_date"]),
            )
            for ti in found["task_instances"]
        ]

    def log(self, dag_id: str, run_id: str, task: TaskState, lines: int = 40) -> str:
        """The end of a task's log, its last try."""
        path = f"{self._run(dag_id, run_id)}/taskInstances/{quote(task.task)}/logs/{task.try_number}"
        found = self.request("GET", path, params={"map_index": task.map_index, "full_content": True})
        text = [_line(entry) for entry in found["content"]]
        return "\n".join([line for line in text if line][-lines:])

    def question(self, dag_id: str, run_id: str, task_id: str = "approve") -> dict[str, Any]:
        """What the approval shows."""
        return dict(self.request("GET", f"{self._task(dag_id, run_id, task_id)}/-1/hitlDetails"))

    def answer(
        self, dag_id: str, run_id: str, option: str, params: dict[str, object], task_id: str = "approve"
    ) -> None:
        """Answer the approval, as the form under Required Actions does, and not before Airflow is ready for it.

        A worker reports up to five seconds late that it has parked a task. Answered before, the resumed task is
        failed, because the scheduler takes that report for its end.
        """
        (asked,) = (task for task in self.tasks(dag_id, run_id) if task.task == task_id)
        parked = (
            f"Received executor event with state success for task instance TaskInstanceKey(dag_id={dag_id!r}, "
            f"task_id={task_id!r}, run_id={run_id!r}, try_number={asked.try_number},"
        )
        deadline = time.monotonic() + _NOTICED_WITHIN
        while parked not in self._scheduler_log.read_text(errors="replace") and time.monotonic() < deadline:
            time.sleep(0.3)
        body = {"chosen_options": [option], "params_input": params}
        self.request("PATCH", f"{self._task(dag_id, run_id, task_id)}/-1/hitlDetails", json=body)

    def clear(self, dag_id: str, run_id: str, *task_ids: str, downstream: bool = True) -> None:
        """Clear tasks of a run, so that they run again."""
        body = {"dag_run_id": run_id, "task_ids": list(task_ids), "dry_run": False, "only_failed": False}
        body |= {"include_downstream": downstream, "reset_dag_runs": True}
        self.request("POST", f"dags/{quote(dag_id)}/clearTaskInstances", json=body)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """What a task returned."""
        path = f"{self._task(dag_id, run_id, task_id)}/xcomEntries/{key}"
        return self.request("GET", path, params={"map_index": map_index, "deserialize": True})["value"]

    def _run(self, dag_id: str, run_id: str) -> str:
        return f"dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"

    def _task(self, dag_id: str, run_id: str, task_id: str) -> str:
        return f"{self._run(dag_id, run_id)}/taskInstances/{quote(task_id)}"


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _line(entry: dict[str, Any] | str) -> str:
    if isinstance(entry, str):
        return entry
    errors = [f"{e.get('exc_type')}: {e.get('exc_value')}" for e in entry.get("error_detail") or []]
    return " ".join([str(entry.get("event", "")), *errors]).strip()
