"""The source sees no more queries at once than declared: `source.readers` of rows and one of figures at a cut, one when compared now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from tests.chain import Chain
from tests.databases import airflow_connection, create_database

from lakeward.lab import Lab
from lakeward.steps.artifacts import read_plan
from lakeward.steps.compare_now import compare_now

FILE = """
migration: {name}
pattern: lift_and_shift
source: {{connection: wide_source, readers: 2}}
target: {{connection: lakehouse, namespace: {name}}}
landing: {{path: ./landing}}
groups:
  - name: all
    tables: [{{table: public.wide, filter: [{{column: id, op: ">", value: 0}}]}}]
kpis:
  - {{name: total, table: wide, measure: sum(v), date: at}}
  - {{name: rows, table: wide, measure: count()}}
"""
ROWS = (
    "CREATE TABLE wide (id int PRIMARY KEY, v numeric(12,2), at date, word text); INSERT INTO wide SELECT i, i * 1.01, "
    "date '2026-01-01' + i % 300, repeat(md5(i::text), 12) FROM generate_series(1, 100000) i; ANALYZE"
)
ASKED = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND backend_type = 'client backend'"""


@pytest.fixture(scope="module")
def uri(lab: Lab) -> Iterator[str]:
    found = create_database(lab, ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_WIDE_SOURCE", airflow_connection(found))
        yield found


def most_at_once(uri: str, work: Callable[[], object]) -> int:
    """How many queries the source was seen to run at once while the work was done."""
    over, seen = threading.Event(), [0]

    def watch() -> None:
        with psycopg.connect(uri, autocommit=True) as con:
            while not over.is_set():
                (now,) = con.execute(ASKED).fetchall()[0]
                seen[0] = max(seen[0], now)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        over.set()
        watcher.join()
    return seen[0]


def test_no_more_queries_than_declared(uri: str, tmp_path: Path) -> None:
    name = f"wide_{uuid4().hex[:8]}"
    file = tmp_path / "wide.yaml"
    file.write_text(FILE.format(name=name))
    chain = Chain(file, tmp_path, "run")
    chain.plan()
    assert 2 <= most_at_once(uri, lambda: chain.step("extract")) <= 3
    for step in ("prepare", "flatten", "append"):
        chain.step(step)
    with chain.ports() as ports:
        plan = read_plan(ports.store, name, "run")
        assert most_at_once(uri, lambda: compare_now(plan, ports, datetime.now(UTC))) == 1
