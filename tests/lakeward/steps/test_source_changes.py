"""Sources that change under a run: noticed before anything is landed, or kept from changing; nothing half-landed, and a rerun works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import duckdb
import psycopg
import pytest
from tests.chain import Chain
from tests.databases import airflow_connection, create_database

from lakeward.adapters.postgres import cut as postgres_cut
from lakeward.domain.file_facts import Manifest
from lakeward.errors import DataError, LakewardError, SourceError
from lakeward.lab import Lab
from lakeward.ports import Ports
from lakeward.steps.artifacts import find_manifest, read_plan, read_staged
from lakeward.steps.extract import extract

TABLES = """
CREATE TYPE mood AS ENUM ('calm', 'o''k'); CREATE DOMAIN mail AS varchar(80); CREATE TYPE size AS ENUM ('S', 'M'); CREATE DOMAIN post AS varchar(80);
CREATE TABLE orders (id bigint PRIMARY KEY, total numeric(12,2) NOT NULL, note text, secret text, payload jsonb,
  mood mood DEFAULT 'calm', mail mail DEFAULT 'a@b', sizes size[] DEFAULT '{S}', posts post[]);
INSERT INTO orders SELECT i, i, 'n' || i, 's', jsonb_build_object('sku', 's' || i) FROM generate_series(1, 500) i;
CREATE TABLE lines (id int PRIMARY KEY, total numeric(12,2));
INSERT INTO lines SELECT i, i FROM generate_series(1, 300) i;
CREATE VIEW seen AS SELECT id, total FROM lines;
CREATE MATERIALIZED VIEW kept AS SELECT id, total FROM lines;
GRANT SELECT ON orders, seen, kept TO lakeward_reader; GRANT SELECT (id, total) ON lines TO lakeward_reader;
"""
FILE = """
version: 1
migration: {name}
pattern: lift_and_shift
source: {{connection: the_source}}
target: {{connection: lakehouse, namespace: {name}}}
landing: {{path: ./landing}}
groups:
  - name: sales
    tables:
      - table: orders
        drop: [secret]
        flatten: [{{column: payload, fields: {{sku: string}}, max_value: 1KB}}]
      - table: lines
      - table: seen
      - table: kept
    quarantine: {{max_share: 0.5}}
kpis:
  - {{name: revenue, table: orders, measure: sum(total)}}
"""


REPLACED = """
DROP TABLE orders;
CREATE VIEW orders AS SELECT 1::bigint AS id, 1::numeric(12,2) AS total, ''::text AS note, '{}'::jsonb AS payload;
GRANT SELECT ON orders TO lakeward_reader
"""


@dataclass
class Shop:
    """A database of the test's own, read by a role that may read and nothing else, and a planned run."""

    uri: str
    chain: Chain

    def execute(self, sql: str) -> None:
        """As its owner, who waits for nobody."""
        with psycopg.connect(self.uri, autocommit=True) as con:
            con.execute("SET lock_timeout = '200ms'")
            con.execute(sql.encode())

    def extract(self, when_reading: Callable[[], None] = lambda: None) -> Manifest:
        """The extract step; ``when_reading`` is called once, when a table is about to be read."""
        waiting = [when_reading]

        def progress(what: str, done: int, total: int) -> None:
            if waiting and what.startswith("extract "):
                waiting.pop()()

        with self.chain.ports() as ports:
            plan = read_plan(ports.store, self.chain.loaded.spec.migration, self.chain.run_key)
            return extract(plan, "sales", ports, uuid4().hex, progress)

    def permit(self, size: str) -> None:
        """Plan a run that carries values up to this size."""
        self.chain.file.write_text(self.chain.file.read_text().replace("max_value: 1KB", f"max_value: {size}"))
        self.chain = Chain(self.chain.file, self.chain.home, f"run with {size}")
        self.chain.plan()

    def landed(self) -> bool:
        """Whether there is a manifest."""
        with self.chain.ports() as ports:
            plan = read_plan(ports.store, self.chain.loaded.spec.migration, self.chain.run_key)
            return find_manifest(ports.store, plan, plan.group("sales")) is not None


@pytest.fixture
def shop(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    uri = create_database(lab, TABLES)
    reader = json.loads(os.environ["AIRFLOW_CONN_RETAIL_SOURCE"])
    connection = airflow_connection(uri, login=reader["login"], password=reader["password"])
    monkeypatch.setenv("AIRFLOW_CONN_THE_SOURCE", connection)
    path = tmp_path / "shop.yaml"
    path.write_text(FILE.format(name=f"shop{uuid4().hex[:8]}"))
    chain = Chain(path, tmp_path / "home", "run1")
    chain.plan()
    yield Shop(uri, chain)
    with psycopg.connect(lab.env()["LAKEWARD_LAB_POSTGRES"], autocommit=True) as con:
        con.execute(f'DROP DATABASE "{urlsplit(uri).path[1:]}" WITH (FORCE)'.encode())


def told(error: LakewardError) -> str:
    """The message, which shows no password and says what to do."""
    text = str(error)
    assert json.loads(os.environ["AIRFLOW_CONN_THE_SOURCE"])["password"] not in text
    assert error.todo
    return text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE orders ADD COLUMN fee numeric(12,2)", "public.orders: column 'fee' (numeric(12,2)) is new"),
        ("ALTER TABLE orders DROP COLUMN note", "public.orders: column 'note' is gone"),
        ("ALTER TABLE orders RENAME COLUMN note TO remark", "column 'note' is gone, column 'remark' (text) is new"),
        ("ALTER TABLE orders ALTER total TYPE numeric(14,3)", "column 'total' was numeric(12,2) and is numeric(14,3)"),
        ("ALTER TABLE orders ALTER total DROP NOT NULL", "column 'total' was not null and may be null now"),
        ("ALTER TYPE mood ADD VALUE 'cross'",
         "the type mood of column 'mood' was made of 'calm', 'o''k' and is made of 'calm', 'o''k', 'cross'"),
        ("ALTER TYPE mood RENAME VALUE 'calm' TO 'quiet'", "and is made of 'quiet', 'o''k'"),
        ("ALTER TABLE orders ALTER mail TYPE text; DROP DOMAIN mail; CREATE DOMAIN mail AS varchar(90); ALTER TABLE orders ALTER mail TYPE mail",
         "the type mail of column 'mail' was made of character varying(80) and is made of character varying(90)"),
        ("ALTER TYPE size ADD VALUE 'L'",
         "the type size[] of column 'sizes' was made of 'S', 'M' and is made of 'S', 'M', 'L'"),
        ("ALTER TABLE orders ALTER posts TYPE text[]; DROP DOMAIN post; CREATE DOMAIN post AS text; ALTER TABLE orders ALTER posts TYPE post[]",
         "the type post[] of column 'posts' was made of character varying(80) and is made of text"),
        ("ALTER TABLE orders ENABLE ROW LEVEL SECURITY", "public.orders: row-level security applies"),
        ("DROP TABLE orders", "public.orders: it is gone"),
        (REPLACED, "public.orders: it was a table and is a view"),
        ("DROP MATERIALIZED VIEW kept", "public.kept: it is gone"),
        ("REVOKE SELECT ON orders FROM lakeward_reader", "permission denied for table orders"),
        ("REVOKE SELECT (total) ON lines FROM lakeward_reader", "public.lines: the right to read column 'total' is gone"),
    ],
)  # fmt: skip
def test_a_table_that_was_altered_after_the_plan_is_refused(shop: Shop, change: str, said: str) -> None:
    shop.execute(change)
    with pytest.raises(SourceError) as error:
        shop.extract()
    assert said in told(error.value)
    assert not shop.landed()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE orders DROP COLUMN secret",
        "ALTER TABLE orders ALTER note SET NOT NULL",
        "CREATE INDEX ON orders (total); TRUNCATE lines",
    ],
)
def test_what_makes_no_difference_to_the_plan_is_let_be(shop: Shop, change: str) -> None:
    shop.execute(change)
    assert shop.extract().tables[0].rows == 500


@pytest.mark.parametrize(
    "change",
    [
        "TRUNCATE orders CASCADE",
        "TRUNCATE lines CASCADE",
        "ALTER TABLE orders DROP COLUMN note",
        "DROP TABLE orders",
        "DROP MATERIALIZED VIEW kept",
    ],
)
def test_nobody_alters_a_table_while_it_is_read(shop: Shop, change: str) -> None:
    """TRUNCATE in particular would take rows away from snapshots that were there before it."""

    def alter() -> None:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            shop.execute(change)
        shop.execute("DELETE FROM orders WHERE id > 10")

    manifest = shop.extract(alter)
    assert [t.rows for t in manifest.tables] == [500, 300, 300, 300]
    shop.execute("TRUNCATE orders CASCADE")


@pytest.mark.parametrize("who", ["state = 'idle in transaction'", "true"])
def test_sessions_that_the_server_ends_fail_the_step_and_it_runs_again(shop: Shop, who: str) -> None:
    """The first is the one that holds the snapshot and the locks: without it a table could be emptied while it is read."""
    kill = f"""SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE application_name = 'lakeward' AND datname = current_database() AND {who}"""
    with pytest.raises(SourceError) as error:
        shop.extract(lambda: shop.execute(kill))
    assert "the step can be run again" in told(error.value)
    assert not shop.landed()
    assert shop.extract().tables[0].rows == 500


def test_a_table_that_somebody_holds_is_not_waited_for_without_end(shop: Shop) -> None:
    with psycopg.connect(shop.uri) as con:
        con.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        os.environ["AIRFLOW_CONN_THE_SOURCE"] = json.dumps(
            json.loads(os.environ["AIRFLOW_CONN_THE_SOURCE"]) | {"extra": {"lock_timeout": 200}}
        )
        with pytest.raises(SourceError) as error:
            shop.extract()
    assert "Somebody alters, truncates or drops a table" in told(error.value)
    assert shop.extract().tables[0].rows == 500


def test_rights_that_are_taken_while_tables_are_read(shop: Shop) -> None:
    def revoke() -> None:
        shop.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM lakeward_reader")

    with pytest.raises(SourceError) as error:
        shop.extract(revoke)
    assert "permission denied" in told(error.value)
    assert not shop.landed()


def test_a_value_that_is_too_large_never_travels_and_is_set_aside(shop: Shop) -> None:
    shop.execute(
        """INSERT INTO orders VALUES (501, 1, 'x', 's', jsonb_build_object('sku', repeat('ab', 100000))),
           (502, 1, 'x', 's', jsonb_build_object('sku', repeat('a', 1024 - 11))), (503, 1, 'x', 's', NULL)"""
    )
    manifest = shop.extract()
    assert (manifest.tables[0].rows, manifest.tables[0].guards["payload large"]) == (503, 2)
    longest = "SELECT max(length(payload)) FROM read_parquet(?)"
    assert duckdb.execute(longest, [[f.url for f in manifest.tables[0].files]]).fetchone() < (1100,)
    for step in ("prepare", "flatten", "validate", "append"):
        shop.chain.step(step)
    with shop.chain.ports() as ports:
        rows = quarantined(ports, shop)
    assert {row["row_key"]: row["reason"] for row in rows} == {
        '{"id":"501"}': "payload: larger than max_value permits: 200011 bytes, of which the first 1000 characters are kept",
        '{"id":"502"}': "payload: larger than max_value permits: 1024 bytes, of which the first 1000 characters are kept",
    }
    assert all("ab" * 400 in str(row["raw"]) or "a" * 400 in str(row["raw"]) for row in rows)


def test_many_values_of_some_megabytes_are_read_in_parts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB reads 2,048 rows at once: here 160 MB, by an engine that has 100."""
    monkeypatch.setattr(postgres_cut, "MEMORY", "100MB")
    shop.permit("4MB")
    shop.execute(
        """ALTER TABLE orders ALTER payload SET STORAGE EXTERNAL; UPDATE orders SET payload = payload
           || jsonb_build_object('more', repeat(id::text || ' is long ', 160000)) WHERE id % 6 = 0"""
    )
    manifest = shop.extract()
    assert (manifest.tables[0].rows, len(manifest.tables[0].files) > 1) == (500, True)
    for step in ("prepare", "flatten"):
        shop.chain.step(step)
    with shop.chain.ports() as ports:
        plan = read_plan(ports.store, shop.chain.loaded.spec.migration, shop.chain.run_key)
        staged = read_staged(ports.store, plan, plan.group("sales")).table("orders")
        sql = "SELECT count(*) AS n, count(DISTINCT payload_sku) AS skus, sum(length(payload_undeclared))::BIGINT AS size FROM t"
        table = next(t for t in plan.group("sales").lake_tables if t.name == "orders")
        files = ports.lake.staged(table, staged.files)
        (found,) = ports.engine.table(sql, {"t": files}).to_pylist()
    assert (found["n"], found["skus"]) == (500, 500)
    assert found["size"] > 83 * 1_600_000


def test_values_that_fit_no_memory_are_told_with_what_to_do(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_cut, "MEMORY", "30MB")
    shop.permit("45MB")
    shop.execute("UPDATE orders SET payload = jsonb_build_object('sku', repeat('12', 20000000)) WHERE id = 77")
    with pytest.raises(SourceError, match=r"orders.*Out of Memory") as refused:
        shop.extract()
    assert "lower `max_value`" in refused.value.todo
    assert not shop.landed()


def quarantined(ports: Ports, shop: Shop) -> list[dict[str, object]]:
    from lakeward.domain.quarantine import quarantine_table

    plan = read_plan(ports.store, shop.chain.loaded.spec.migration, shop.chain.run_key)
    table = quarantine_table(plan.group("sales"))
    state = ports.lake.state(table.name)
    assert state is not None
    assert state.snapshot_id is not None
    found = ports.engine.table("SELECT * FROM t ORDER BY row_key", {"t": ports.lake.snapshot(table, state.snapshot_id)})
    return list(found.to_pylist())


def test_a_limit_that_quarantines_too_much_says_so(shop: Shop) -> None:
    shop.execute("UPDATE orders SET payload = jsonb_build_object('sku', repeat('ab', 1000)) WHERE id < 400")
    shop.extract()
    shop.chain.step("prepare")
    with pytest.raises(DataError, match="larger than max_value permits: 2011 bytes"):
        shop.chain.step("flatten")


MEASURED = """
import resource, sys
from lakeward.cli import main

try:
    main()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "tens"), [("jsonb", 20_000_000), ("json", 100_000_000)])
def test_a_value_of_200_megabytes_or_a_gigabyte_stays_at_the_source_and_costs_no_memory(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, tens: int
) -> None:
    """With the usual `max_value`: the peak of the process is what it is without such a value. PostgreSQL has no larger ones: of
    jsonb 256 MB, of json 1 GB."""
    shop.chain.file.write_text(shop.chain.file.read_text().replace(", max_value: 1KB", ""))
    shop.execute(f"ALTER TABLE orders ALTER payload TYPE {kind} USING payload::text::{kind}")
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path / "large"))

    def peak(*more: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "run", str(shop.chain.file), "--until", "append", *more],
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stderr.rsplit("peak ", 1)[1])

    before = peak()
    large = f"""('{{"sku":"' || repeat('0123456789', {tens}) || '"}}')::{kind}"""
    shop.execute(f"INSERT INTO orders VALUES (501, 1, 'x', 's', {large})")
    after = peak("--new")
    assert after < before + 60, f"{before} MB without it, {after} MB with it"
    sizes = [p.stat().st_size for p in (tmp_path / "large" / "landing").rglob("*.parquet")]
    assert max(sizes) < 1_000_000
