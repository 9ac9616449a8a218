"""TPC-H SF0.1 by a file that is not the sample: every figure equals PostgreSQL's own, and a second cut replaces the first."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import psycopg
import pytest
from tests.chain import Chain
from tests.databases import airflow_connection
from tests.scenarios.tpch.load import load

from lakeward.domain.evidence import Outcome, Verdict
from lakeward.domain.facts import Plan
from lakeward.domain.file_facts import Appended
from lakeward.domain.identity import manifest_key
from lakeward.domain.stored import to_json
from lakeward.lab import Lab
from lakeward.steps.artifacts import key_of, read_manifest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def uri(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that holds TPC-H SF0.1."""
    return load(lab, 0.1, tmp_path_factory.mktemp("tpch"))


def in_the_lake(chain: Chain, plan: Plan, appended: Appended, table: str, sql: str) -> list[tuple[object, ...]]:
    """Rows of plain SQL of the test's own over the files of the committed snapshot."""
    with chain.ports() as ports:
        lake = next(t for t in plan.groups[0].lake_tables if t.name == table)
        files = ports.lake.snapshot(lake, appended.snapshots[table])
        with ports.engine.stream(sql, {table: files}) as rows:
            return [tuple(row.values()) for row in rows.read_all().to_pylist()]


def test_tpch_migrates_and_every_figure_equals_the_source(
    uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TPCH_SOURCE", airflow_connection(uri))
    chain = Chain(HERE / "migration.yaml", tmp_path, "first")
    verdicts = chain.run()["trade"]
    assert isinstance(verdicts, tuple)
    assert {v.subject for v in verdicts if isinstance(v, Verdict) and v.kind == "kpi"} == {
        k.name for k in chain.loaded.spec.kpis
    }
    assert [v.summary for v in verdicts if v.outcome is not Outcome.PASS] == []
    plan = chain.plan()
    (appended,) = chain.step("append").values()
    assert isinstance(appended, Appended)
    assert appended.multi
    assert all(c.already for c in appended.tables)
    checks = {
        "lineitem": (
            "SELECT date_trunc('month', l_shipdate)::date::text AS m, l_returnflag AS f, count(*) AS n, "
            "sum(l_extendedprice * (1 - l_discount)) AS v FROM lineitem GROUP BY 1, 2 ORDER BY 1, 2"
        ),
        "orders": "SELECT o_orderpriority AS p, count(*) AS n, sum(o_totalprice) AS v FROM orders GROUP BY 1 ORDER BY 1",
        "customer": "SELECT c_mktsegment AS p, count(*) AS n, sum(c_acctbal) AS v FROM customer GROUP BY 1 ORDER BY 1",
    }
    with psycopg.connect(uri) as con:
        for table, sql in checks.items():
            quoted = sql.replace("l_returnflag AS f", "format('%s', l_returnflag) AS f")
            for padded in ("o_orderpriority", "c_mktsegment"):
                quoted = quoted.replace(f"{padded} AS p", f"format('%s', {padded}) AS p")
            expected = con.execute(quoted.encode()).fetchall()
            found = in_the_lake(chain, plan, appended, table, sql)
            assert [tuple(map(plainly, row)) for row in found] == [tuple(map(plainly, row)) for row in expected]


def plainly(value: object) -> object:
    return value.normalize() if isinstance(value, Decimal) else value


def test_one_wrong_cent_is_found_and_a_second_cut_mends_it(
    uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first cut's verdict fails when the landing is not what the source said; a new cut replaces the contents."""
    monkeypatch.setenv("AIRFLOW_CONN_TPCH_SOURCE", airflow_connection(uri))
    chain = Chain(HERE / "migration.yaml", tmp_path, "second")
    chain.run(until="extract")
    spoil(chain)
    for step in ("prepare", "flatten", "validate", "append"):
        chain.step(step)
    (verdicts,) = chain.step("compare").values()
    assert isinstance(verdicts, tuple)
    failed = {v.subject: v for v in verdicts if v.outcome is Outcome.FAIL}
    assert set(failed) == {"order_value", "orders"}
    assert {f.kind for f in failed["orders"].findings} == {"source_landing"}, "the lake has what was landed"
    assert {(f.grain, f.expected is None, f.found is None) for f in failed["order_value"].findings} == {
        (grain, False, False) for grain in ("day", "week", "month", "total")
    }
    again = Chain(HERE / "migration.yaml", tmp_path, "third")
    (verdicts,) = again.run().values()
    assert isinstance(verdicts, tuple)
    assert {v.outcome for v in verdicts} == {Outcome.PASS}


def spoil(chain: Chain) -> None:
    """Change one order's price by one cent in a landed file, and the manifest so that it seems to belong there."""
    with chain.ports() as ports:
        plan = chain.plan()
        manifest = read_manifest(ports.store, plan, plan.groups[0])
        (landed,) = (t for t in manifest.tables if t.table == "orders")
        (file,) = landed.files
        key = key_of(ports.store, file.url)
        found = ports.store.get(key)
        assert found is not None
        before, after = chain.home / "before.parquet", chain.home / "after.parquet"
        before.write_bytes(found[0])
        duckdb.sql(
            "COPY (SELECT * REPLACE ((o_totalprice + CASE WHEN o_orderkey = 1 THEN 0.01 ELSE 0 END)::DECIMAL(15,2) AS o_totalprice) "
            f"FROM read_parquet('{before}')) TO '{after}' (FORMAT parquet)"
        )
        spoilt = replace(landed, files=(replace(file, checksum=ports.store.put(key, after.read_bytes())),))
        tables = tuple(spoilt if t is landed else t for t in manifest.tables)
        group = plan.groups[0]
        where = manifest_key(plan.migration.migration, group.name, group.cut_id)
        ports.store.put(where, to_json(replace(manifest, tables=tables)))
