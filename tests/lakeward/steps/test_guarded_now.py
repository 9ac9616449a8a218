"""A source that has come to hold what the declared types would bend is told so, and never taken for equal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from tests.chain import Chain
from tests.databases import airflow_connection, create_database

from lakeward.errors import DataError
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_plan
from lakeward.steps.compare_now import compare_now
from lakeward.steps.frozen import changes_at_source

FILE = """
migration: {name}
pattern: lift_and_shift
source: {{connection: bent}}
target: {{connection: lakehouse, namespace: {name}}}
landing: {{path: s3://landing/{name}, connection: landing}}
groups:
  - name: all
    tables: [{{table: public.amounts, types: {{v: "decimal(38,2)"}}}}]
kpis:
  - {{name: total, table: amounts, measure: sum(v)}}
"""
AT = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture(scope="module")
def uri(lab: Lab) -> str:
    return create_database(
        lab,
        "CREATE TABLE amounts (id int PRIMARY KEY, v numeric); INSERT INTO amounts SELECT i, i * 1.01 FROM generate_series(1, 50) i",
    )


@pytest.fixture(scope="module")
def moved(uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    os.environ["AIRFLOW_CONN_BENT"] = airflow_connection(uri)
    home, name = tmp_path_factory.mktemp("bent"), f"bent_{uuid4().hex[:8]}"
    file = home / "bent.yaml"
    file.write_text(FILE.format(name=name))
    chain = Chain(file, home, "run")
    chain.run()
    yield chain
    del os.environ["AIRFLOW_CONN_BENT"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("v + 0.004", "2 rows hold more decimals than the declared scale"),
        ("'NaN'", "2 rows hold NaN"),
        ("1e37", "wide"),
    ],
)
def test_what_a_cast_would_round_or_hide_is_no_equal_figure(uri: str, moved: Chain, value: str, told: str) -> None:
    told = told.replace("wide", "2 rows hold more digits before the point")
    with psycopg.connect(uri, autocommit=True) as source, moved.ports() as ports:
        plan = read_plan(ports.store, moved.loaded.spec.migration, "run")
        assert changes_at_source(plan, ports) == ()
        source.execute(f"UPDATE amounts SET v = {value} WHERE id IN (7, 8)".encode())
        try:
            with pytest.raises(DataError, match=told):
                compare_now(plan, ports, AT)
            assert told in " ".join(changes_at_source(plan, ports))
        finally:
            source.execute(b"UPDATE amounts SET v = id * 1.01 WHERE id IN (7, 8)")
