"""A worker killed at any boundary and run again leaves the lake as if nothing had happened."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest
from tests.chain import STEPS, Chain
from tests.databases import airflow_connection, create_database
from tests.kill import run_killed

from lakeward.domain.evidence import Outcome
from lakeward.domain.identity import batch_id
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_plan
from lakeward.steps.evidence import verify
from lakeward.steps.gate import evaluate

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
    ("validate", "store", "put_new", "after"),
    ("compare", "store", "put_new", "after"),
    ("compare", "ledger", "record_verdict", "before"),
]


@pytest.fixture(scope="module")
def uri(lab: Lab) -> str:
    return create_database(lab, (HERE / "schema.sql").read_text())


def shop(uri: str, home: Path) -> Chain:
    """A run of the shop into a namespace and a landing of its own."""
    os.environ["AIRFLOW_CONN_SHOP_SOURCE"] = airflow_connection(uri)
    name = f"shop_{uuid4().hex[:8]}"
    text = (HERE / "migration.yaml").read_text()
    file = home / "migration.yaml"
    file.write_text(text.replace("namespace: shop", f"namespace: {name}").replace("landing/shop", f"landing/{name}"))
    return Chain(file, home, "run")


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
def undisturbed(uri: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int, str]]:
    """What a run that nobody kills leaves."""
    calm = shop(uri, tmp_path_factory.mktemp("calm"))
    calm.run(until="append")
    return fingerprint(calm)


def killed_at(chain: Chain, kills: list[tuple[str, str, str, str]]) -> object:
    """Run every step, killed first at each of its boundaries that are named; what the last step returned."""
    chain.plan()
    for name in STEPS:
        for step, port, call, when in kills:
            if step == name:
                run_killed(chain.home / "migration.yaml", chain.home, chain.run_key, step, port, call, when)
        result = chain.step(name, attempt="again")
    return result["sales"]


def test_killed_at_every_boundary_in_turn_the_lake_is_identical(
    uri: str, tmp_path: Path, undisturbed: dict[str, tuple[int, int, str]]
) -> None:
    chain = shop(uri, tmp_path)
    verdicts = killed_at(chain, KILLS)
    assert fingerprint(chain) == undisturbed
    assert isinstance(verdicts, tuple)
    assert {v.outcome for v in verdicts} == {Outcome.PASS}
    with chain.ports() as ports:
        found = verify(ports.store)
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
        assert evaluate(plan, ports).open
    assert found.wrong == ()
    assert f"{found.verdicts} records" in found.chains[0], "each verdict was recorded once"


@pytest.mark.soak
@pytest.mark.parametrize("kill", KILLS, ids="-".join)
def test_killed_once_and_run_again_the_lake_is_identical(
    uri: str, tmp_path: Path, undisturbed: dict[str, tuple[int, int, str]], kill: tuple[str, str, str, str]
) -> None:
    chain = shop(uri, tmp_path)
    killed_at(chain, [kill])
    assert fingerprint(chain) == undisturbed
