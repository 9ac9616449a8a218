"""DAGs from migration files: quick to parse, one per file, a bad file hides no other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_home import CLONE, SMALL, write_dags

HEAVY = ("pyiceberg", "pyarrow", "duckdb", "great_expectations", "boto3", "psycopg", "pandas")

PARSE = """
import json, sys, time
from airflow.dag_processing.dagbag import DagBag
began = time.process_time()
bag = DagBag(sys.argv[1])
took = time.process_time() - began  # of this process: other ones may keep the machine busy
heavy = sorted({m.partition(".")[0] for m in sys.modules} & set(sys.argv[2:]))
from airflow.serialization.serialized_objects import DagSerialization
for dag in bag.dags.values():
    DagSerialization.to_dict(dag)  # as the scheduler gets it
dags = {
    d.dag_id: {
        "tasks": {t.task_id: sorted(t.downstream_task_ids) for t in d.tasks},
        "retries": {t.task_id: t.retries for t in d.tasks},
        "doc": d.doc_md or "",
        "runs": d.max_active_runs,
        "owners": sorted({t.owner for t in d.tasks}),
        "params": {name: d.params.get_param(name).schema for name in d.params},
    }
    for d in bag.dags.values()
}
print(json.dumps({"took": took, "heavy": heavy, "errors": bag.import_errors, "dags": dags}))
"""


def parse(dags: Path) -> dict:
    done = subprocess.run([sys.executable, "-c", PARSE, str(dags), *HEAVY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def sample() -> dict:
    return parse(CLONE / "dags")


def test_all_files_parse_within_a_second_and_import_nothing_heavy(sample: dict) -> None:
    assert sample["errors"] == {}
    assert sample["heavy"] == []
    assert sample["took"] < 1.0


def test_the_graph_reads_in_the_words_of_the_field(sample: dict) -> None:
    retail = sample["dags"]["lift_and_shift__retail"]
    assert retail["tasks"] == {
        "plan": ["groups.extract"],
        "groups.extract": ["groups.prepare"],
        "groups.prepare": ["groups.flatten"],
        "groups.flatten": ["groups.validate"],
        "groups.validate": ["groups.append"],
        "groups.append": ["groups.compact"],
        "groups.compact": ["groups.compare"],
        "groups.compare": ["gate"],
        "gate": ["approve"],
        "approve": ["cut_over"],
        "cut_over": [],
    }
    assert retail["runs"] == 1
    assert retail["owners"] == ["data-platform"]
    assert retail["retries"]["approve"] == 0, "a failed answer must not ask again by itself"
    assert list(retail["params"]) == ["rehearsal"]


def test_waves_follow_each_other(sample: dict) -> None:
    found = sample["dags"]["phased__retail_phased"]
    assert found["tasks"] == {
        "plan": ["catalogue.catalogue", "sales.sales"],
        "catalogue.catalogue": ["after_catalogue"],
        "after_catalogue": ["sales.sales"],
        "sales.sales": ["after_sales"],
        "after_sales": [],
    }
    assert (found["runs"], list(found["params"])) == (1, ["window", "again"])
    assert "`public.orders` (and `order_items` from its nested data)" in found["doc"]


def test_what_follows_a_change_log_is_loaded_once_and_then_served(sample: dict) -> None:
    found = sample["dags"]["strangler_fig__retail_strangler"]
    assert found["tasks"] == {
        "sales.load_once": ["sales.extract", "sales.serve"],
        "sales.extract": ["sales.prepare"],
        "sales.prepare": ["sales.flatten"],
        "sales.flatten": ["sales.validate"],
        "sales.validate": ["sales.append"],
        "sales.append": ["sales.compare"],
        "sales.compare": ["sales.serve"],
        "sales.serve": ["sales.compact"],
        "sales.compact": ["gate"],
        "gate": [],
    }
    assert (found["runs"], list(found["params"])) == (1, ["new"])


def test_groups_of_a_hybrid_go_by_their_patterns_in_their_order_to_one_gate(sample: dict) -> None:
    found = sample["dags"]["hybrid__retail_hybrid"]
    ways = {task: after for task, after in found["tasks"].items() if not task.startswith("orders.")}
    assert ways == {
        "plan": ["history.windows", "orders.load_once", "products.compare_again"],
        "products.compare_again": ["products.extract", "products.proved"],
        "products.extract": ["products.prepare"],
        "products.prepare": ["products.flatten"],
        "products.flatten": ["products.validate"],
        "products.validate": ["products.append"],
        "products.append": ["products.compact"],
        "products.compact": ["products.compare"],
        "products.compare": ["products.proved"],
        "products.proved": ["gate", "orders.load_once"],
        "history.windows": ["history.complete"],
        "history.complete": ["gate"],
        "gate": [],
    }
    assert found["tasks"]["orders.compact"] == ["gate", "history.windows"]
    assert (found["runs"], list(found["params"])) == (1, ["window", "again", "new"])
    assert "- **history**, phased, after orders: by 12 month of `public.payments.paid_at`" in found["doc"]


def test_maintenance_is_a_dry_run_by_hand_and_reads_in_its_order(sample: dict) -> None:
    found = sample["dags"]["maintenance__retail"]
    assert found["tasks"] == {"compact": ["expire"], "expire": ["clean"], "clean": []}
    assert (found["runs"], found["owners"], list(found["params"])) == (1, ["data-platform"], ["dry_run"])
    assert "older than 7d" in found["doc"]


def test_the_documentation_tells_what_moves(sample: dict) -> None:
    doc = sample["dags"]["lift_and_shift__retail"]["doc"]
    for told in (
        "`public.orders` (and `order_items` from its nested data)",
        "Revenue",
        "`sum(total_amount)`",
        "**sales**",
    ):
        assert told in doc


def test_the_cutover_form_offers_the_migrations_and_is_a_dry_run(sample: dict) -> None:
    cutover = sample["dags"]["cutover"]
    assert "retail.yaml" in cutover["params"]["migration"]["enum"]
    assert cutover["params"]["direction"]["enum"] == ["cut_over", "freeze_and_sync", "cut_back", "repair"]
    assert cutover["tasks"] == {
        "direction": ["cut_back", "cut_over", "freeze_and_sync", "repair"],
        "cut_over": [],
        "cut_back": [],
        "repair": [],
        "freeze_and_sync": ["approve"],
        "approve": ["switch"],
        "switch": ["lift_freeze"],
        "lift_freeze": [],
    }


def test_the_form_to_accept_a_difference_offers_the_migrations_and_is_a_dry_run(sample: dict) -> None:
    accept = sample["dags"]["accept"]
    assert "retail.yaml" in accept["params"]["migration"]["enum"]
    assert accept["params"]["rule"]["enum"] == ["kpi", "rows", "counts"]
    assert accept["tasks"] == {"accept": []}


def test_a_bad_file_shows_with_its_error_and_hides_no_other(tmp_path: Path) -> None:
    dags = write_dags(tmp_path / "dags", "good")
    (dags / "migrations" / "no yaml.yaml").write_text("groups: [")
    (dags / "migrations" / "typo.yml").write_text(SMALL.format(migration="typo").replace("measure:", "mesure:", 1))
    (dags / "migrations" / "twin.yaml").write_text(SMALL.format(migration="good"))
    found = parse(dags)
    assert found["errors"] == {}
    assert set(found["dags"]) == {
        "accept",
        "cutover",
        "lift_and_shift__good",
        "invalid__no_yaml",
        "invalid__typo",
        "invalid__twin",
    }
    typo = found["dags"]["invalid__typo"]
    assert typo["tasks"] == {"refuse": []}
    assert "mesure" in typo["doc"]
    assert "measure" in typo["doc"]
    assert "as good.yaml does" in found["dags"]["invalid__twin"]["doc"]


def test_without_any_file_there_is_still_the_cutover_form(tmp_path: Path) -> None:
    assert set(parse(write_dags(tmp_path / "dags"))["dags"]) == {"cutover", "accept"}
