"""A source whose network fails: refused, torn, silent. Every try ends, says what to do, and leaves no connection behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from tests.databases import airflow_connection, create_database
from tests.fault_proxy import fault_proxy
from tests.tcp_proxy import tcp_proxy

from lakeward.adapters.connections import from_environment, from_json
from lakeward.adapters.objects.s3 import access_of
from lakeward.adapters.postgres import PostgresSource
from lakeward.domain.facts import LakeTable, LandedColumn, TablePlan
from lakeward.domain.file_facts import StorageAccess
from lakeward.errors import LakeError, SourceError
from lakeward.lab import Lab
from lakeward.ports import silent

ROWS = "CREATE TABLE wide AS SELECT n, repeat(md5(n::text), 10) AS t FROM generate_series(1, 20000) n"
WIDE = TablePlan(
    "public",
    "wide",
    (),
    (
        LandedColumn("n", "int", "int4", '"n"', native=True, nullable=True),
        LandedColumn("t", "string", "text", '"t"', native=True, nullable=True),
    ),
    (),
    (LakeTable("wide", (), ()),),
    scan=False,
    ctid=False,
    estimated_rows=20000,
)
COUNT = "SELECT count(*) AS n FROM wide"


@pytest.fixture(scope="module")
def uri(lab: Lab) -> str:
    return create_database(lab, ROWS)


def source_at(uri: str, port: int, age: float = 60) -> PostgresSource:
    """The source through a proxy; cuts older than ``age`` seconds are given up."""
    connection = from_json("wide", airflow_connection(uri, port=port, extra={"connect_timeout": 2}))
    return PostgresSource(connection, max_snapshot_age=timedelta(seconds=age))


def land(source: PostgresSource, folder: Path) -> int:
    with source.cut() as cut:
        assert cut.query(COUNT).to_pylist() == [{"n": 20000}]
        return sum(file.rows for file in cut.land(WIDE, str(folder), StorageAccess(), silent))


ASKS: list[Callable[[PostgresSource, Path], object]] = [
    lambda source, _: source.identity(),
    lambda source, _: source.describe(["public.*"]),
    lambda source, _: source.query(COUNT),
    land,
]


@pytest.mark.parametrize("ask", ASKS, ids=["identity", "describe", "query", "land"])
@pytest.mark.parametrize("fault", ["refused", "torn 0", "torn 400", "stall 0"])
def test_what_happens_at_the_first_connection_is_told(
    uri: str, tmp_path: Path, fault: str, ask: Callable[[PostgresSource, Path], object]
) -> None:
    parts = urlsplit(uri)
    with tcp_proxy(parts.hostname or "", parts.port or 0, fault) as line:
        source = source_at(uri, line.port)
        with pytest.raises(SourceError, match=f"{line.port}") as told:
            ask(source, tmp_path)
        assert told.value.todo
        assert (parts.password or "") not in str(told.value)
        ask(source, tmp_path)


@pytest.mark.parametrize("fault", ["torn 500000", "refused"])
def test_torn_midway_through_the_rows_it_is_told_and_runs_again(uri: str, tmp_path: Path, fault: str) -> None:
    parts = urlsplit(uri)
    with tcp_proxy(parts.hostname or "", parts.port or 0, "ok", *[fault] * 3) as line:
        source = source_at(uri, line.port)
        with pytest.raises(SourceError, match=r"reading public.wide|connecting|snapshot") as told:
            land(source, tmp_path / "first")
        assert told.value.todo
        assert line.spoiled
        line.plan.clear()
        assert land(source, tmp_path / "second") == 20000


def test_silent_midway_through_the_rows_it_is_given_up_when_the_snapshot_is_too_old(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakeward.adapters.postgres.silence.GRACE", 0.2)
    parts = urlsplit(uri)
    with tcp_proxy(parts.hostname or "", parts.port or 0, "ok", *["stall 500000"] * 3) as line:
        with pytest.raises(SourceError, match=r"source\.max_snapshot_age"):
            land(source_at(uri, line.port, age=3), tmp_path / "first")
        assert line.spoiled
        line.plan.clear()
        assert land(source_at(uri, line.port), tmp_path / "second") == 20000


def test_silent_while_planning_it_is_given_up(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakeward.adapters.postgres.silence.GRACE", -599.0)
    parts = urlsplit(uri)
    with tcp_proxy(parts.hostname or "", parts.port or 0, "stall 1000") as line:
        source = source_at(uri, line.port)
        with pytest.raises(SourceError, match=r"server closed the connection|connection") as told:
            source.describe(["public.*"])
        assert told.value.todo
        assert line.spoiled
        assert source.describe(["public.*"])


@pytest.mark.parametrize("fault", ["503 before", "torn before", "500 after"])
def test_a_store_that_fails_is_not_taken_for_the_source(lab: Lab, uri: str, fault: str) -> None:
    connection = from_environment("landing")
    with fault_proxy(lab.env()["LAKEWARD_LAB_S3"], *[fault] * 50, meets=lambda r: r.method in {"PUT", "POST"}) as store:
        access = access_of(replace(connection, extra={**connection.extra, "endpoint_url": store.url}))
        with source_at(uri, urlsplit(uri).port or 0).cut() as cut:
            with pytest.raises(LakeError, match=r"object store did not take files below s3://landing/t/") as told:
                cut.land(WIDE, f"s3://landing/t/{uuid4().hex}", access, silent)
            assert "run the step again" in told.value.todo
            assert access.secret_key not in str(told.value)
            store.plan.clear()
            assert sum(f.rows for f in cut.land(WIDE, f"s3://landing/t/{uuid4().hex}", access, silent)) == 20000
