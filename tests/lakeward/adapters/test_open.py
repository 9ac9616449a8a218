"""Opening what a migration file names: the right places, clear refusals, nothing left open."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from lakeward.adapters.connections import Connection, from_environment, variable
from lakeward.adapters.objects import LocalStore, S3Store
from lakeward.adapters.open import LEDGER, SIGNING, ledger_url, open_ledger, open_ports, open_signer, open_store
from lakeward.domain.signing import UNSIGNED, fingerprint_of, new_pair
from lakeward.errors import LakeError, LakewardError, SpecError
from lakeward.lab import Lab
from lakeward.spec.load import load
from lakeward.spec.models import LandingSpec, Migration

FILE = """
version: 1
migration: opened
pattern: lift_and_shift
source: {connection: retail_source}
target: {connection: lakehouse, namespace: opened_ns}
landing: {path: s3://landing/opened, connection: landing}
groups: [{name: g, tables: [{table: public.customers}]}]
kpis: [{name: k, table: customers, measure: count()}]
"""


@pytest.fixture
def spec(tmp_path: Path) -> Migration:
    file = tmp_path / "opened.yaml"
    file.write_text(FILE)
    return load(file).spec


def known(*connections: Connection) -> Callable[[str], Connection]:
    by_id = {c.conn_id: c for c in connections}

    def resolve(conn_id: str) -> Connection:
        if conn_id not in by_id:
            raise SpecError(f"There is no connection {conn_id!r}.")
        return by_id[conn_id]

    return resolve


def test_everything_answers(lab: Lab, spec: Migration, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_ports(spec, from_environment, home) as ports:
        assert ports.source.identity().user == "lakeward_reader"
        assert ports.lake.check()["multi_table_commit"] == "yes"
        assert ports.lake.qualified("t") == "opened_ns.t"
        ports.store.put("opened/x", b"1")
        assert ports.store.url("opened/x") == "s3://landing/opened/opened/x"
        assert ports.ledger.steps() == ()
        assert ports.engine.table("SELECT 1 AS one", {}).to_pylist() == [{"one": 1}]
    assert (home / "ledger.db").exists()


@pytest.mark.parametrize("gone", ["retail_source", "lakehouse", "landing"])
def test_a_connection_that_is_not_there_is_named(lab: Lab, spec: Migration, tmp_path: Path, gone: str) -> None:
    there = [from_environment(c) for c in ("retail_source", "lakehouse", "landing") if c != gone]
    with pytest.raises(LakewardError, match=gone), open_ports(spec, known(*there), tmp_path):
        pass


def test_a_connection_of_another_type_is_refused(lab: Lab, spec: Migration, tmp_path: Path) -> None:
    there = [from_environment(c) for c in ("retail_source", "lakehouse", "landing")]
    for number, (place, kind) in enumerate(
        [("source.connection", "postgres"), ("target.connection", "iceberg"), ("landing.connection", "aws or s3")]
    ):
        wrong = [replace(c, conn_type="http") if n == number else c for n, c in enumerate(there)]
        said = rf"(?s){place}\) is of type 'http'.*must be of type {kind}"
        with pytest.raises(SpecError, match=said), open_ports(spec, known(*wrong), tmp_path):
            pass


def test_a_store_that_is_down_is_told_before_anything_is_done(lab: Lab, spec: Migration, tmp_path: Path) -> None:
    landing = from_environment("landing")
    down = replace(landing, extra={**landing.extra, "endpoint_url": "http://127.0.0.1:9"})
    there = known(from_environment("retail_source"), from_environment("lakehouse"), down)
    with pytest.raises(LakeError, match="not reachable"), open_ports(spec, there, tmp_path):
        pass


@pytest.mark.parametrize("threads", ["0", "two", "-1"])
def test_a_wrong_number_of_threads_is_told(
    lab: Lab, spec: Migration, tmp_path: Path, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEWARD_THREADS", threads)
    with pytest.raises(SpecError, match="LAKEWARD_THREADS"), open_ports(spec, from_environment, tmp_path):
        pass


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("./landing", "{home}/landing"),
        ("{home}/elsewhere", "{home}/elsewhere"),
        ("file://{home}/with%20blank", "{home}/with blank"),
    ],
)
def test_folders(tmp_path: Path, path: str, folder: str) -> None:
    with closing(open_store(LandingSpec(path=path.format(home=tmp_path)), known(), tmp_path)) as store:
        assert isinstance(store, LocalStore)
        assert store.root == folder.format(home=tmp_path)


def test_a_relative_folder_stays_at_home(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="leads out of LAKEWARD_HOME"):
        open_store(LandingSpec(path="./../elsewhere"), known(), tmp_path / "home")
    assert not (tmp_path / "elsewhere").exists()


def test_a_bucket_needs_a_connection(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="names no connection"):
        open_store(LandingSpec(path="s3://landing/x"), known(), tmp_path)


def test_a_bucket(lab: Lab, tmp_path: Path) -> None:
    with closing(open_store(LandingSpec(path="s3://landing/x", connection="landing"), from_environment, tmp_path)) as s:
        assert isinstance(s, S3Store)


def test_the_ledger_is_postgres_when_its_connection_says_so(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = os.environ["LAKEWARD_LAB_POSTGRES"]
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(b"DROP DATABASE IF EXISTS opened_ledger")
        connection.execute(b"CREATE DATABASE opened_ledger")
    monkeypatch.setenv(variable(LEDGER), uri.rsplit("/", 1)[0] + "/opened_ledger")
    with closing(open_ledger(from_environment, tmp_path)) as ledger:
        assert ledger.steps() == ()
        assert "postgresql" in repr(ledger)
    assert not (tmp_path / "ledger.db").exists()
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(b"DROP DATABASE opened_ledger WITH (FORCE)")


def test_a_ledger_connection_that_cannot_be_read_is_no_reason_for_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(LEDGER), "{broken")
    with pytest.raises(SpecError, match="can't be read"):
        open_ledger(from_environment, tmp_path)
    monkeypatch.setenv(variable(LEDGER), "mysql://x/y")
    with pytest.raises(SpecError, match="must be of type postgres"):
        open_ledger(from_environment, tmp_path)
    assert not (tmp_path / "ledger.db").exists()


def test_a_password_with_odd_characters_survives_the_url() -> None:
    connection = Connection(
        LEDGER, "postgres", "h", 1, "a@b", "p:/?#@%", "d b", {"sslmode": "require", "other": "x", "sslnone": None}
    )
    url = ledger_url(connection)
    assert (url.username, url.password, url.database) == ("a@b", "p:/?#@%", "d b")
    assert dict(url.query) == {"sslmode": "require"}
    assert "p:/?#@%" not in repr(url)


def test_the_signing_key_is_the_connections_password(monkeypatch: pytest.MonkeyPatch) -> None:
    (secret, public), (_, old) = new_pair(), new_pair()
    signer = open_signer(known(Connection(SIGNING, password=secret, extra={"trusted": [old]})))
    assert signer.public == public
    assert signer.trusted == {fingerprint_of(public), fingerprint_of(old)}
    assert open_signer(known()) == UNSIGNED
    with pytest.raises(SpecError, match="not 32 bytes"):
        open_signer(known(Connection(SIGNING, password="no key")))
    monkeypatch.setenv(variable(SIGNING), "unreadable")
    with pytest.raises(SpecError, match="can't be read"):
        open_signer(from_environment)
