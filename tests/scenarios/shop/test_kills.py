"""A worker killed at any boundary and run again leaves the lake as if nothing had happened."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from tests.chain import STEPS, Chain
from tests.databases import airflow_connection, create_database
from tests.kill import run_killed

from lakeward.domain.evidence import Outcome
from lakeward.domain.facts import Appended
from lakeward.domain.identity import batch_id
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_plan

HERE = Path(__file__).parent

KILLS = [
    ("extract", "source", "identity", "before"),
    ("extract", "store", "put_new", "before"),
    ("extract", "store", "put_new", "after"),
    ("prepare", "lake", "prepare", "after"),
    ("flatten", "lake", "write", "after"),
    ("flatten", "store", "put_new", "before"),
    ("flatten", "store", "put_new", "after"),
    ("validate", "validator", "validate", "after"),
    ("append", "lake", "commit", "before"),
    ("append", "lake", "commit", "after"),
    ("append", "store", "put_new", "before"),
    ("append", "store", "put_new", "after"),
    ("compare", "ledger", "record_verdict", "before"),
]


@pytest.fixture(scope="module")
def uri(lab: Lab) -> str:
    return create_database(lab, (HERE / "schema.sql").read_text())


@pytest.fixture
def chain(uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Chain:
    """A run of the shop into a namespace and a landing of its own."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_SOURCE", airflow_connection(uri))
    name = f"shop_{uuid4().hex[:8]}"
    text = (HERE / "migration.yaml").read_text()
    file = tmp_path / "migration.yaml"
    file.write_text(text.replace("namespace: shop", f"namespace: {name}").replace("landing/shop", f"landing/{name}"))
    return Chain(file, tmp_path, "run")


def fingerprint(chain: Chain) -> dict[str, tuple[int, int, str]]:
    """Rows, snapshots' batches and an order-independent sum over all rows of every table of the lake."""
    found = {}
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
        for table in plan.groups[0].lake_tables:
            state = ports.lake.state(table.name)
            assert state is not None
            assert state.snapshot_id is not None
            assert state.batches["all"] == batch_id(plan.groups[0].cut_id, table.name)
            columns = ", ".join('"' + c.name.replace('"', '""') + '"' for c in table.columns)
            sql = f"SELECT count(*) AS n, coalesce(sum(hash({columns})), 0)::VARCHAR AS h FROM {table.name}"
            with ports.engine.stream(sql, {table.name: ports.lake.snapshot(table, state.snapshot_id)}) as rows:
                row = rows.read_all().to_pylist()[0]
            found[table.name] = (state.rows, row["n"], row["h"])
    return found


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, dict[str, tuple[int, int, str]]]:
    """What a run that nobody kills leaves; measured once."""
    return {}


@pytest.mark.parametrize(("step", "port", "call", "when"), KILLS)
def test_killed_and_run_again_the_lake_is_identical(
    chain: Chain,
    undisturbed: dict[str, dict[str, tuple[int, int, str]]],
    step: str,
    port: str,
    call: str,
    when: str,
) -> None:
    if not undisturbed:
        calm = Chain(Path(chain.home / "migration.yaml"), chain.home / "calm", "calm")
        calm.plan()
        for name in ("extract", "prepare", "flatten", "append"):
            calm.step(name)
        undisturbed["calm"] = fingerprint(calm)
    chain.plan()
    for name in STEPS:
        if name == "validate" != step:
            continue  # it changes nothing, and takes seconds
        if name == step:
            run_killed(chain.home / "migration.yaml", chain.home, chain.run_key, step, port, call, when)
        result = chain.step(name, attempt="again")
        if name == "append":
            appended = result["sales"]
            assert isinstance(appended, Appended)
    assert fingerprint(chain) == undisturbed["calm"]
    verdicts = result["sales"]
    assert isinstance(verdicts, tuple)
    assert {v.outcome for v in verdicts} == {Outcome.PASS}
