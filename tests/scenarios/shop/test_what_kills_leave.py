"""What killed workers leave behind is found and removed; what the migration needs is as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from test_kills import fingerprint, killed_at, shop, uri
from tests.chain import Chain
from tests.lakes import sql_connection

from lakeward.domain.identity import cut_prefix
from lakeward.domain.maintenance import CleaningReport
from lakeward.steps.artifacts import find_manifest, key_of, read_plan
from lakeward.steps.clean import clean

__all__ = ["uri"]
KILLS = [
    ("extract", "store", "put_new", "before"),
    ("flatten", "lake", "write", "after"),
    ("flatten", "store", "put_new", "before"),
    ("append", "lake", "commit", "before"),
]


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
    verdicts = killed_at(chain, KILLS)
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
