"""The whole chain by `dag.test()`, with real steps on the lab; as a rehearsal, since nobody answers an approval here."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from airflow_home import write_dags
from lakeward.lab import Lab

pytestmark = pytest.mark.timeout(900)  # servers start in a fixture, and machines are busy
PLAY = """
import json, sys
from airflow.utils.db import initdb
initdb()
from airflow.dag_processing.bundles.manager import DagBundlesManager
DagBundlesManager().sync_bundles_to_db()
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
bag = DagBag(sys.argv[1])
sync_bag_to_db(bag, "dags-folder", None)
dag = bag.dags[sys.argv[2]]
run = dag.test(run_conf=json.loads(sys.argv[3]))
tis = [{"task": t.task_id, "index": t.map_index, "state": str(t.state)} for t in run.get_task_instances()]
print(json.dumps({"state": str(run.state), "tasks": tis}))
"""


@pytest.fixture(scope="module")
def rehearsed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = tmp_path_factory.mktemp("rehearsal")
    dags = write_dags(home / "dags", "rehearsed")
    (home / "airflow").mkdir()
    env = (
        os.environ
        | lab.env()
        | {
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow' / 'airflow.db'}",
            "LAKEWARD_HOME": str(home / "lakeward"),
        }
    )
    command = [sys.executable, "-c", PLAY, str(dags), "lift_and_shift__rehearsed", json.dumps({"rehearsal": True})]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=580)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_rehearsal_proves_everything_and_asks_nobody(rehearsed: dict) -> None:
    states = {(task["task"], task["index"]): task["state"] for task in rehearsed["tasks"]}
    assert rehearsed["state"] == "success"
    assert {task: state for task, state in states.items() if state != "success"} == {
        ("approve", -1): "skipped",
        ("cut_over", -1): "skipped",
    }
    assert {index for task, index in states if task == "groups.compare"} == {0, 1}
