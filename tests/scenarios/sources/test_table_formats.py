"""Iceberg and Delta tables that are there already: each is read at one version, whatever is committed meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from lake_world import bucket_chain, lake_chain, upload
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo
from shop_world import CUSTOMERS, KPIS, ORDERS, REFERENCE, ROWS, check_whole_way
from tests.chain import Chain
from tests.sources import failing, lake_rows, source_chain

from lakeward.adapters.connections import from_environment
from lakeward.adapters.iceberg import properties_from
from lakeward.adapters.iceberg.catalog import open_catalog
from lakeward.errors import SourceError
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_manifest, read_plan

KEYED = [{"table": "customers", "key": ["id"]}, {"table": "orders", "key": ["id"], "partition": ["month(day)"]}]
COUNT = "SELECT count(*) AS n FROM main.orders"


@pytest.fixture(autouse=True)
def home(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path))
    return tmp_path


def rows(sql: str) -> pa.Table:
    with duckdb.connect() as con:
        return con.execute(sql).to_arrow_table()


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    with open_catalog(properties_from(from_environment("lakehouse"))) as opened:
        yield opened


def iceberg(catalog: Catalog) -> str:
    """A namespace with the shop, one column renamed and one row deleted since it was written."""
    name = f"old{uuid4().hex[:8]}"
    catalog.create_namespace(name)
    for table, sql in (("customers", CUSTOMERS), ("orders", ROWS)):
        found = rows(sql)
        made = catalog.create_table(f"{name}.{table}", schema=found.schema)
        made.append(found)
    orders = catalog.load_table(f"{name}.orders")
    orders.delete(EqualTo("id", ORDERS))
    with orders.update_schema() as change:
        change.rename_column("note", "remark")
    return name


def iceberg_chain(home: Path, namespace: str) -> Chain:
    chain = source_chain(
        home,
        "iceberg",
        {"conn_type": "iceberg"},
        KEYED,
        KPIS,
        source={"path": namespace},
        group={"references": [REFERENCE]},
    )
    os.environ[f"AIRFLOW_CONN_{chain.loaded.spec.migration.upper()}"] = os.environ["AIRFLOW_CONN_LAKEHOUSE"]
    return chain


def test_iceberg(home: Path, catalog: Catalog) -> None:
    namespace = iceberg(catalog)
    chain = iceberg_chain(home, namespace)
    check_whole_way(chain)
    found = lake_rows(chain, "orders", "id, remark")
    assert (len(found), found[0]["remark"]) == (ORDERS - 1, "note 1")
    with chain.ports() as ports:
        manifest = read_manifest(
            ports.store, plan := read_plan(ports.store, chain.loaded.spec.migration, "run"), plan.groups[0]
        )
    snapshot = catalog.load_table(f"{namespace}.orders").current_snapshot()
    assert snapshot is not None
    assert [f.checksum for t in manifest.tables if t.table == "orders" for f in t.inputs] == [
        f"snapshot {snapshot.snapshot_id}"
    ]


def test_what_is_committed_to_iceberg_meanwhile_is_not_seen(home: Path, catalog: Catalog) -> None:
    namespace = iceberg(catalog)
    with iceberg_chain(home, namespace).ports() as ports, ports.source.cut() as cut:
        before = cut.query(COUNT).to_pylist()
        catalog.load_table(f"{namespace}.orders").delete(EqualTo("id", 1))
        assert cut.query(COUNT).to_pylist() == before == [{"n": ORDERS - 1}]
        assert ports.source.query(COUNT).to_pylist() == [{"n": ORDERS - 2}]


def test_a_namespace_that_is_not_there_is_told(home: Path) -> None:
    with pytest.raises(SourceError, match=r"There is no .*namespace nobodys"):
        iceberg_chain(home, "nobodys").plan()


def delta(root: Path) -> Path:
    """The shop as Delta tables: partitioned, appended to, a row deleted."""
    write_deltalake(root / "customers", rows(CUSTOMERS), partition_by=["country"])
    write_deltalake(root / "orders", rows(f"SELECT * FROM ({ROWS}) WHERE id % 2 = 0"))
    write_deltalake(root / "orders", rows(f"SELECT * FROM ({ROWS}) WHERE id % 2 = 1"), mode="append")
    DeltaTable(root / "orders").delete(f"id = {ORDERS}")
    return root


def delta_chain(home: Path, root: Path) -> Chain:
    return lake_chain(home, root, KEYED, kind="delta")


def test_delta_in_a_folder(home: Path) -> None:
    chain = delta_chain(home, delta(home / "lake"))
    check_whole_way(chain)
    assert len(lake_rows(chain, "orders", "id")) == ORDERS - 1


def test_delta_in_a_bucket(home: Path) -> None:
    url = upload(delta(home / "lake"))
    assert failing(bucket_chain(home, url, KEYED, kind="delta").run()["g"]) == {}


def test_what_is_committed_to_delta_meanwhile_is_not_seen(home: Path) -> None:
    root = delta(home / "lake")
    with delta_chain(home, root).ports() as ports, ports.source.cut() as cut:
        assert cut.query(COUNT).to_pylist() == [{"n": ORDERS - 1}]
        DeltaTable(root / "orders").delete("id = 1")
        assert cut.query(COUNT).to_pylist() == [{"n": ORDERS - 1}]
        assert ports.source.query(COUNT).to_pylist() == [{"n": ORDERS - 2}]


def test_a_folder_without_delta_tables_is_told(home: Path) -> None:
    (home / "lake" / "x").mkdir(parents=True)
    with pytest.raises(SourceError, match="There is no Delta table"):
        delta_chain(home, home / "lake").plan()
