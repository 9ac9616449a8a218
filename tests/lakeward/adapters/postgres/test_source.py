"""The PostgreSQL source on a real server: exact values, one instant, clear refusals."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import duckdb
import psycopg
import pytest
from tests.databases import airflow_connection, create_database

from lakeward.adapters.connections import from_environment
from lakeward.adapters.postgres import PostgresSource
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import StorageAccess
from lakeward.domain.planning import plan_table
from lakeward.domain.source_facts import SourceTable
from lakeward.errors import SourceError
from lakeward.lab import Lab
from lakeward.ports import silent
from lakeward.spec.models import TableSpec

MATRIX = """
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN cents AS numeric(10,2);
CREATE TABLE matrix (id bigint PRIMARY KEY, small smallint, yes bool, money_ numeric(12,2), wide numeric(38,9), free numeric,
  words text, five char(5), day date, clock time, naive timestamp, instant timestamptz, key_ uuid, doc json, docb jsonb,
  raw bytea, f4 real, f8 float8, feeling mood, price cents, list int[], both_ pair, "Select" text, "a ""q" text, span interval);
INSERT INTO matrix VALUES
 (1, -32768, true, 1.10, 12345678901234567890123456789.123456789, 0.1234567890123456789, 'héé ', 'ab', '2020-02-29', '23:59:59.999999',
  '1582-10-10 00:00:00.000001', '1969-12-31 23:59:59.999999+00', '00000000-0000-0000-0000-000000000001',
  '{"a":1.10,"a":2}', '{"n":12345678901234567890.12345}', '\\x00ff', 1.5, 1e-300, 'ok', 1.50, '{1,NULL}', ROW(1,'x'), 'k', 'q', '1 day'),
 (2, NULL, NULL, NULL, NULL, NULL, '', '', '0044-03-15 BC', NULL, NULL, NULL, NULL, NULL, 'null', '', 'NaN', '-Infinity',
  NULL, NULL, '{}', NULL, NULL, '', NULL);
"""
MATRIX_TYPES = {"free": "decimal(38,19)", "span": "string"}


def source(lab: Lab, monkeypatch: pytest.MonkeyPatch, uri: str, **changes: object) -> PostgresSource:
    monkeypatch.setenv("AIRFLOW_CONN_THE_SOURCE", airflow_connection(uri, **changes))
    return PostgresSource(from_environment("the_source"))


def plan_of(found: SourceTable, **spec: object) -> TablePlan:
    return plan_table(TableSpec.model_validate({"table": found.label} | spec), found, lambda _, __: ())


@pytest.mark.parametrize("forced_query", [False, True])
def test_everyday_types_land_exactly(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forced_query: bool
) -> None:
    """Both ways of reading give the same values, whatever the columns are called."""
    one = source(lab, monkeypatch, create_database(lab, MATRIX))
    (found,) = one.describe(["public.matrix"])
    every = plan_of(found, types=MATRIX_TYPES)
    kept = [c.name for c in found.columns if c.name in {lc.source for lc in every.columns if lc.native}]
    spec: dict[str, object] = {"drop": [c.name for c in found.columns if c.name not in kept], "types": {}}
    if forced_query:
        spec = {"types": MATRIX_TYPES}
    plan = plan_of(found, **spec)
    assert plan.scan is not forced_query
    (tmp_path / "m").mkdir()
    with one.cut() as cut:
        files = cut.land(plan, str(tmp_path / "m"), StorageAccess(), silent)
    assert sum(f.rows for f in files) == 2
    values = duckdb.sql(f"SELECT * FROM read_parquet('{tmp_path}/m/*.parquet') ORDER BY id").fetchall()
    names = [c.source for c in plan.columns]
    first, second = (dict(zip(names, row, strict=True)) for row in values)
    assert first["small"] == -32768
    assert first["money_"] == Decimal("1.10")
    assert first["wide"] == Decimal("12345678901234567890123456789.123456789")
    assert first["words"] == "héé "
    assert (first["five"], second["five"]) == ("ab   ", "     ")
    assert str(first["naive"]) == "1582-10-10 00:00:00.000001"
    assert first["instant"].isoformat() == "1969-12-31T23:59:59.999999+00:00"  # type: ignore[attr-defined]
    assert first["doc"] == '{"a":1.10,"a":2}'
    assert first["docb"] == '{"n": 12345678901234567890.12345}'
    assert (first["raw"], second["raw"]) == (b"\x00\xff", b"")
    assert first["f8"] == 1e-300
    assert str(second["f4"]) == "nan"
    assert first["feeling"] == "ok"
    assert (second["words"], second["money_"], second["docb"]) == ("", None, "null")
    assert "BC" in str(second["day"])
    if forced_query:
        assert first["free"] == Decimal("0.1234567890123456789")
        assert first["price"] == Decimal("1.50")
        assert first["list"] == "[1,null]"
        assert first["both_"] == '{"a":1,"b":"x"}'
        assert first["span"] == "P1D"


def test_tables_of_every_kind_land_whole(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = source(
        lab,
        monkeypatch,
        create_database(
            lab,
            """
            CREATE TABLE "Order" (id int, "Order" int); INSERT INTO "Order" VALUES (1, 2), (1, 2);
            CREATE TABLE "order" (id int); INSERT INTO "order" VALUES (7);
            CREATE TABLE parted (a int, b int) PARTITION BY LIST (a);
            CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE parted2 PARTITION OF parted FOR VALUES IN (2);
            INSERT INTO parted SELECT 1 + n % 2, n FROM generate_series(1, 9) n;
            CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent);
            INSERT INTO parent VALUES (1); INSERT INTO child SELECT n FROM generate_series(1, 5000) n;
            CREATE TABLE empty (a int);
            CREATE VIEW seen AS SELECT b FROM parted WHERE a = 1;
            CREATE MATERIALIZED VIEW kept AS SELECT a FROM parent; ANALYZE;
            """,
        ),
    )
    expected = {"Order": 2, "order": 1, "parted": 9, "parent": 5001, "empty": 0, "seen": 4, "kept": 5001}
    with one.cut() as cut:
        for table in one.describe(["public.*"]):
            if table.name in expected:
                to = tmp_path / table.name
                to.mkdir()
                files = cut.land(plan_of(table), str(to), StorageAccess(), silent)
                assert sum(f.rows for f in files) == expected[table.name], table.name


def test_a_large_table_is_shared_out_among_readers_and_lands_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uri = create_database(
        lab,
        "CREATE TABLE big AS SELECT n AS id, repeat('x', 900) AS fill, 'k'::char(3) AS k FROM generate_series(1, 40000) n",
    )
    one = source(lab, monkeypatch, uri)
    (found,) = one.describe(["public.big"])
    plan = plan_of(found, mask={"k": "redact"})
    with one.cut() as cut:
        files = cut.land(plan, str(tmp_path), StorageAccess(), silent)
    assert len({Path(f.url).parent for f in files}) == 2
    count, ids, least, most = duckdb.sql(
        f"SELECT count(*), count(DISTINCT id), min(id), max(id) FROM read_parquet('{tmp_path}/**/*.parquet')"
    ).fetchall()[0]
    assert (count, ids, least, most) == (40000, 40000, 1, 40000)


def test_who_waits_for_the_server_does_not_spin(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that took the only task now and then would leave the asker to ask in a loop."""
    with source(lab, monkeypatch, create_database(lab, "CREATE SEQUENCE s")).cut() as cut:
        began = time.process_time()
        for _ in range(12):
            cut.query("SELECT pg_sleep(0.2)::text AS said")
        assert time.process_time() - began < 0.3


def test_a_cut_is_one_instant_beside_a_writer(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uri = create_database(
        lab, "CREATE TABLE a (id int); CREATE TABLE b (id int); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)"
    )
    one = source(lab, monkeypatch, uri)
    tables = one.describe(["public.*"])
    with one.cut() as cut:
        assert cut.query("SELECT count(*) AS n FROM a").to_pylist() == [{"n": 1}]
        with psycopg.connect(uri, autocommit=True) as writer:
            writer.execute("INSERT INTO a VALUES (2)")
            writer.execute("INSERT INTO b VALUES (2)")
        for table in tables:
            to = tmp_path / table.name
            to.mkdir()
            assert sum(f.rows for f in cut.land(plan_of(table), str(to), StorageAccess(), silent)) == 1
        assert cut.query("SELECT count(*) AS n FROM b").to_pylist() == [{"n": 1}]
    assert one.query("SELECT count(*) AS n FROM b").to_pylist() == [{"n": 2}]


def test_catalog_facts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = f"reader_{uuid4().hex[:8]}"
    uri = create_database(
        lab,
        """
        CREATE DOMAIN inner_ AS numeric(9,3); CREATE DOMAIN outer_ AS inner_ NOT NULL;
        CREATE TABLE c (x int, y int, note varchar(7), PRIMARY KEY (y, x));
        CREATE TABLE o (id int PRIMARY KEY, cy int, cx int, v outer_, gone int, FOREIGN KEY (cy, cx) REFERENCES c (y, x));
        ALTER TABLE o DROP COLUMN gone;
        CREATE TABLE secret (id int); ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
        CREATE ROLE reader_of_tests LOGIN PASSWORD 'r' ; GRANT SELECT ON o TO reader_of_tests; GRANT SELECT (x) ON c TO reader_of_tests;
        GRANT SELECT ON secret TO reader_of_tests;
        """.replace("reader_of_tests", reader),
    )
    c, o, _ = source(lab, monkeypatch, uri).describe(["public.*"])
    assert c.primary_key == ("y", "x")
    assert [k.name for k in o.columns] == ["id", "cy", "cx", "v"]
    assert (o.columns[3].base, o.columns[3].precision, o.columns[3].scale, o.columns[3].nullable) == (
        "numeric",
        9,
        3,
        False,
    )
    assert (o.foreign_keys[0].columns, o.foreign_keys[0].to_table, o.foreign_keys[0].to_columns) == (
        ("cy", "cx"),
        "c",
        ("y", "x"),
    )
    limited = source(lab, monkeypatch, uri, login=reader, password="r")
    c, o, secret = limited.describe(["public.*"])
    assert c.unreadable_columns == ("y", "note")
    assert o.unreadable_columns == ()
    assert secret.row_security


@pytest.mark.parametrize(
    ("changes", "said", "todo"),
    [
        ({"password": "wrong-secret"}, "password authentication failed", "login and password"),
        ({"port": 1}, "refused", "host and port"),
        ({"schema": "no_such_db"}, "does not exist", "names"),
        ({"host": "no.such.host.invalid"}, "host", "host"),
    ],
)
def test_an_unreachable_source_says_what_to_do_and_keeps_the_password(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], said: str, todo: str
) -> None:
    one = source(lab, monkeypatch, lab.env()["LAKEWARD_LAB_POSTGRES"], **changes)
    with pytest.raises(SourceError) as error:
        one.identity()
    assert said in str(error.value)
    assert todo in error.value.todo
    assert "wrong-secret" not in str(error.value)


def refused(one: PostgresSource, statement: str) -> str:
    with pytest.raises(SourceError) as error:
        one.query(statement)
    return str(error.value)


def test_nothing_can_be_written(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = create_database(lab, "CREATE SEQUENCE s")
    one = source(lab, monkeypatch, uri)
    assert "read-only" in refused(one, "SELECT nextval('s') AS x")


def test_a_snapshot_that_grows_too_old_is_given_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_THE_SOURCE", airflow_connection(lab.env()["LAKEWARD_LAB_POSTGRES"]))
    one = PostgresSource(from_environment("the_source"), max_snapshot_age=timedelta(seconds=1))
    with one.cut() as cut, pytest.raises(SourceError, match="max_snapshot_age"):
        cut.query("SELECT pg_sleep(20)::text AS x")


def test_a_report_is_timed_read_only_and_within_its_limit(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    one = source(lab, monkeypatch, create_database(lab, "CREATE TABLE t (id int)"))
    assert 0.05 <= one.timed("SELECT pg_sleep(0.05), 1 FROM generate_series(1, 1)", timedelta(seconds=20)) < 20
    with pytest.raises(SourceError, match="statement timeout"):
        one.timed("SELECT pg_sleep(30)", timedelta(seconds=0.2))
    with pytest.raises(SourceError, match="read-only transaction"):
        one.timed("INSERT INTO t VALUES (1) RETURNING id", timedelta(seconds=20))
