"""What killed workers leave behind is found and removed; what the migration needs is as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from shop import fingerprint, shop
from tests.chain import STEPS, Chain
from tests.databases import create_database
from tests.kill import Call, Kill, killed
from tests.lakes import sql_connection

from lakeward.domain.identity import cut_prefix
from lakeward.domain.maintenance import CleaningReport
from lakeward.lab import Lab
from lakeward.steps.artifacts import find_manifest, key_of, read_plan
from lakeward.steps.clean import clean

KILLS = [
    Kill("extract", Call("store", "put_new", 1), "before"),
    Kill("flatten", Call("lake", "write", 1), "after"),
    Kill("flatten", Call("store", "put_new", 1), "before"),
    Kill("append", Call("lake", "commit", 1), "before"),
]


@pytest.fixture(scope="module")
def uri(lab: Lab) -> str:
    return create_database(lab, (Path(__file__).parent / "schema.sql").read_text())


def killed_on_the_way(chain: Chain) -> object:
    """Run every step, killed first wherever a kill says; what the last one returned."""
    chain.plan()
    for name in STEPS:
        for kill in KILLS:
            assert kill.step != name or killed(chain, kill)
        result = chain.step(name, attempt="again")
    return result["sales"]


def in_folders(chain: Chain, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQL catalog and a landing that are folders, in place of the lab's."""
    (home / "lake").mkdir()
    told = {"conn_type": "iceberg", "extra": sql_connection(home / "lake").extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEHOUSE", json.dumps(told))
    file = home / "migration.yaml"
    remote = f"path: {chain.loaded.spec.landing.path}, connection: landing"
    file.write_text(file.read_text().replace(remote, "path: ./landing"))


def in_the_lab(chain: Chain, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the file says."""


@pytest.mark.parametrize("where", [in_the_lab, in_folders])
def test_killed_workers_leave_nothing_for_good(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Callable[[Chain, Path, pytest.MonkeyPatch], None]
) -> None:
    chain = shop(uri, tmp_path)
    where(chain, tmp_path, monkeypatch)
    chain = Chain(tmp_path / "migration.yaml", tmp_path, "run")
    verdicts = killed_on_the_way(chain)
    before = fingerprint(chain)
    with chain.ports() as ports:
        spec = chain.loaded.spec

        def look(days: int, *, dry_run: bool = True) -> CleaningReport:
            return clean(spec, ports, datetime.now(UTC) + timedelta(days=days), dry_run=dry_run)

        assert look(2).leftovers == ()
        found = look(8)
        kinds = {one.kind for one in found.leftovers}
        assert kinds == {"data", "landing"}
        assert {one.why for one in found.leftovers if one.kind == "landing"} == {"of a try that another one beat to it"}
        assert all(one.bytes > 0 for one in found.leftovers)
        assert look(8, dry_run=False).leftovers == found.leftovers
        assert look(8).leftovers == ()

        plan = read_plan(ports.store, spec.migration, "run")
        (group,) = plan.groups
        manifest = find_manifest(ports.store, plan, group)
        assert manifest
        named = {f.url for t in manifest.tables for f in t.files} | {f.url for f in manifest.figures}
        folder = f"{cut_prefix(spec.migration, group.name, group.cut_id)}/landing/"
        assert {key for key, _ in ports.store.list(folder)} == {key_of(ports.store, url) for url in named}
    assert fingerprint(chain) == before
    assert chain.step("compare")["sales"] == verdicts
