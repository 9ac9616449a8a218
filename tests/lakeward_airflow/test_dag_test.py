"""The whole chain by `dag.test()`, with real steps on the lab; as a rehearsal, since nobody answers an approval here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from airflow_home import SMALL, write_dags
from lakeward.lab import Lab

pytestmark = pytest.mark.timeout(900)  # servers start in a fixture, and machines are busy
TIDY, TASKS = "maintenance__rehearsed", ("compact", "expire", "clean")
STAGED, JOINED = "phased__staged", "hybrid__joined"
STRANGLED = "strangler_fig__strangled"
SYNC = {"migration": "joined.yaml", "direction": "freeze_and_sync", "why": "a rehearsal"}
SOURCES = ("duckdb", "files")
"""The kinds that differ in how Airflow knows their connection; the others open alike."""
OF_SOURCE = """\
version: 1
migration: of_{kind}
pattern: lift_and_shift
source: {{kind: {kind}, connection: a_{kind}{path}}}
target: {{connection: lakehouse, namespace: of_{kind}}}
landing: {{path: "s3://landing/of_{kind}", connection: landing}}
groups:
  - name: things
    tables:
      - {{table: things, key: [id]{types}}}
kpis:
  - {{name: total, table: things, measure: sum(total)}}
gate: {{timeout: 20m}}
"""
PLAY = """
import json, sys
from airflow.utils.db import initdb
initdb()
from airflow.dag_processing.bundles.manager import DagBundlesManager
DagBundlesManager().sync_bundles_to_db()
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
bag = DagBag(sys.argv[1])
sync_bag_to_db(bag, "dags-folder", None)
from airflow.utils.session import create_session
played = {}
for dag_id, conf in json.loads(sys.argv[2]):
    run = bag.dags[dag_id].test(run_conf=conf)
    tasks = run.get_task_instances()
    tis = [{"task": t.task_id, "index": t.map_index, "state": str(t.state)} for t in tasks]
    with create_session() as session:
        returned = {t.task_id: t.xcom_pull(task_ids=t.task_id, session=session) for t in tasks if t.map_index < 0}
    played.setdefault(dag_id, []).append({"state": str(run.state), "tasks": tis, "returned": returned})
print(json.dumps(played, default=str))
"""


def write_sources(home: Path, migrations: Path) -> dict[str, str]:
    """A table of each kind of source with its migration; the connections, as Airflow's URIs and as JSON."""
    with duckdb.connect(str(home / "things.duckdb")) as con:
        con.execute("CREATE TABLE things AS SELECT n AS id, n::DECIMAL(9,2) AS total FROM range(2) t(n)")
    (home / "raw" / "things").mkdir(parents=True)
    (home / "raw" / "things" / "a.csv").write_text("id,total\n1,1.10\n2,2.20\n")
    paths = {"files": ", path: raw"}
    for kind in SOURCES:
        types = ", types: {id: long, total: 'decimal(9,2)'}" if kind == "files" else ""
        (migrations / f"of_{kind}.yaml").write_text(OF_SOURCE.format(kind=kind, path=paths.get(kind, ""), types=types))
    return {
        "AIRFLOW_CONN_A_DUCKDB": f"duckdb:///{home / 'things.duckdb'}",
        "AIRFLOW_CONN_A_FILES": json.dumps({"conn_type": "fs", "extra": {"path": str(home)}}),
    }


@pytest.fixture(scope="module")
def rehearsed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = tmp_path_factory.mktemp("rehearsal")
    dags = write_dags(
        home / "dags",
        "rehearsed",
        files=("lift_and_shift.py", "maintenance.py", "phased.py", "cutover.py", "strangler_fig.py", "hybrid.py"),
    )
    file = dags / "migrations" / "rehearsed.yaml"
    file.write_text(f"{file.read_text()}compaction: {{mode: rewrite, min_small_files: 2}}\n")
    staged = SMALL.format(migration="staged").replace("lift_and_shift", "phased", 1)
    staged = staged.replace("groups:\n", "budget: {rows: 1}\ngroups:\n", 1)
    window = "    window: {table: public.orders, column: ordered_at, size: 12 months, from: 2025-01-01}\n"
    (dags / "migrations" / "staged.yaml").write_text(staged.replace("  - name: sales\n", f"  - name: sales\n{window}"))
    joined = SMALL.format(migration="joined").replace("lift_and_shift", "hybrid", 1)
    joined = joined.replace("- name: stock\n", "- name: stock\n    pattern: lift_and_shift\n")
    phased = "    pattern: phased\n    after: [stock]\n    catch_up: {lag: 1h}\n"
    (dags / "migrations" / "joined.yaml").write_text(joined.replace("- name: sales\n", f"- name: sales\n{phased}"))
    strangled = SMALL.format(migration="strangled").replace("lift_and_shift", "strangler_fig", 1)
    strangled = f"{strangled.replace('retail_source', 'retail_changes')}changes: {{tenure: 1s, every: 0s}}\n"
    (dags / "migrations" / "strangled.yaml").write_text(strangled)
    connections = write_sources(home, dags / "migrations")
    (home / "airflow").mkdir()
    env = (
        os.environ
        | lab.env()
        | connections
        | {
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow' / 'airflow.db'}",
            "LAKEWARD_HOME": str(home / "lakeward"),
        }
    )
    runs = [("lift_and_shift__rehearsed", {"rehearsal": True}), (TIDY, {}), (TIDY, {"dry_run": False})]
    runs += [(STAGED, {}), (STAGED, {}), (STAGED, {"window": "2026", "again": True})]
    runs += [(JOINED, {}), (JOINED, {}), ("cutover", SYNC)]
    runs += [(STRANGLED, {}), (STRANGLED, {})]
    runs += [(f"lift_and_shift__of_{kind}", {"rehearsal": True}) for kind in SOURCES]
    command = [sys.executable, "-c", PLAY, str(dags), json.dumps(runs)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=880)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_rehearsal_proves_everything_and_asks_nobody(rehearsed: dict) -> None:
    (run,) = rehearsed["lift_and_shift__rehearsed"]
    states = {(task["task"], task["index"]): task["state"] for task in run["tasks"]}
    assert run["state"] == "success"
    assert {task: state for task, state in states.items() if state != "success"} == {
        ("approve", -1): "skipped",
        ("cut_over", -1): "skipped",
    }
    assert {index for task, index in states if task == "groups.compare"} == {0, 1}


def test_a_group_that_follows_is_synchronised_whole_and_a_dry_run_asks_nobody(rehearsed: dict) -> None:
    (run,) = rehearsed["cutover"]
    states = {task["task"]: task["state"] for task in run["tasks"]}
    assert {task for task, state in states.items() if state == "success"} == {"direction", "freeze_and_sync"}
    assert {state for task, state in states.items() if task not in {"direction", "freeze_and_sync"}} == {"skipped"}
    told = run["returned"]["freeze_and_sync"]
    assert (len(told["evidence_hash"]), told["frozen_until"]) == (64, None)


def test_groups_of_a_hybrid_are_moved_by_their_patterns_stay_in_parity_and_come_to_one_gate(rehearsed: dict) -> None:
    first, second = rehearsed[JOINED]
    states = [{task["task"]: task["state"] for task in run["tasks"]} for run in (first, second)]
    assert set(states[0].values()) == {"success"}
    assert "caught up" in first["returned"]["sales.windows"]["progress"]
    skipped = {task for task, state in states[1].items() if state != "success"}
    assert skipped == {
        f"stock.{task}" for task in ("extract", "prepare", "flatten", "validate", "append", "compact", "compare")
    }
    gates = [run["returned"]["gate"] for run in (first, second)]
    assert [gate["decision"] for gate in gates] == ["ready", "ready"]
    assert gates[0]["evidence_hash"] != gates[1]["evidence_hash"], "sales was proved at another cut"


@pytest.mark.parametrize("kind", SOURCES)
def test_a_rehearsal_of_every_kind_of_source_succeeds(rehearsed: dict, kind: str) -> None:
    (run,) = rehearsed[f"lift_and_shift__of_{kind}"]
    assert run["state"] == "success"
    assert {t["state"] for t in run["tasks"] if t["task"] not in {"approve", "cut_over"}} == {"success"}


def test_maintenance_looks_by_default_and_does_it_when_told(rehearsed: dict) -> None:
    looked, done = rehearsed[TIDY]
    assert (looked["state"], done["state"]) == ("success", "success")
    for run, dry in ((looked, True), (done, False)):
        assert {name: result["dry_run"] for name, result in run["returned"].items()} == dict.fromkeys(TASKS, dry)
        assert set(run["returned"]["compact"]["groups"]) == {"sales", "stock"}
        assert set(run["returned"]["expire"]["snapshots"]) == {
            "customers",
            "orders",
            "products",
            "sales_quarantine",
            "stock_quarantine",
        }
        assert run["returned"]["clean"]["leftovers"] == {}


def test_windows_are_moved_within_the_budget_and_a_wave_waits_for_the_one_before(rehearsed: dict) -> None:
    first, second, again = rehearsed[STAGED]
    newest, oldest = "2026-01-01/2027-01-01", "2025-01-01/2026-01-01"
    states = [{task["task"]: task["state"] for task in run["tasks"]} for run in (first, second)]
    assert [run["state"] for run in (first, second, again)] == ["success"] * 3
    assert (first["returned"]["sales.sales"]["moved"], first["returned"]["sales.sales"]["left"]) == ([newest], 1)
    assert (states[0]["after_sales"], states[0]["stock.stock"]) == ("skipped", "skipped")
    assert (second["returned"]["sales.sales"]["moved"][0], second["returned"]["sales.sales"]["left"]) == (oldest, 0)
    assert second["returned"]["stock.stock"]["moved"] == ["all"]
    assert set(states[1].values()) == {"success"}
    assert again["returned"]["sales.sales"]["moved"] == [newest]
    assert again["returned"]["sales.sales"]["rows_done"] == second["returned"]["sales.sales"]["rows_done"] > 1900


def test_what_follows_a_change_log_is_loaded_once_and_served_by_each_run(rehearsed: dict) -> None:
    first, second = rehearsed[STRANGLED]
    states = [{task["task"]: task["state"] for task in run["tasks"]} for run in (first, second)]
    assert [run["state"] for run in (first, second)] == ["success", "success"]
    assert set(states[0].values()) == {"success"}
    assert {task for task, state in states[1].items() if state == "success"} == {
        f"{group}.{task}" for group in ("sales", "stock") for task in ("load_once", "serve", "compact")
    } | {"gate"}
    gates = [run["returned"]["gate"]["evidence_hash"] for run in (first, second)]
    assert len(set(gates)) == 2
    assert second["returned"]["sales.serve"]["quarantined"] == 0
