"""What an older PostgreSQL can't do for the proof is refused when the run is planned."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.chain import Chain
from tests.databases import airflow_connection, create_database

from lakeward.errors import SpecError
from lakeward.lab import Lab
from lakeward.ports import Ports, Source, SourceIdentity
from lakeward.steps.plan import preview

FILE = """
migration: older
pattern: lift_and_shift
source: {connection: older}
target: {connection: lakehouse, namespace: older}
landing: {path: s3://landing/older, connection: landing}
groups:
  - name: all
    tables:
      - table: public.docs
        prove_rows: PROVE
        flatten: [{column: doc, fields: {a: int}}]
kpis:
  - {name: docs, table: docs, measure: count()}
"""


class Older:
    """The source, as if its server were PostgreSQL 15, which is not to be had here."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def identity(self) -> SourceIdentity:
        return replace(self._source.identity(), server_version="15.4")


def older(ports: Ports) -> Ports:
    return replace(ports, source=Older(ports.source))  # type: ignore[arg-type]


@pytest.fixture
def connected(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = create_database(lab, "CREATE TABLE docs (id int PRIMARY KEY, doc json)")
    monkeypatch.setenv("AIRFLOW_CONN_OLDER", airflow_connection(uri))


def chain(folder: Path, prove: str) -> Chain:
    file = folder / f"{prove}.yaml"
    file.write_text(FILE.replace("PROVE", prove))
    return Chain(file, folder, "run")


@pytest.mark.usefixtures("connected")
def test_rows_that_it_cannot_hash_safely_are_refused_unless_left_out(tmp_path: Path) -> None:
    at = datetime(2026, 11, 25, tzinfo=UTC)
    proved, left_out = chain(tmp_path, "true"), chain(tmp_path, "false")
    with proved.ports() as ports:
        assert preview(proved.loaded, ports, "run", at).groups
        with pytest.raises(SpecError, match=r"rows of docs can't be proved.*\n?.*the source runs 15\.4"):
            preview(proved.loaded, older(ports), "run", at)
        assert preview(left_out.loaded, older(ports), "run", at).groups
