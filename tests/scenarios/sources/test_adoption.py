"""Parquet that fits is taken as it is: the lake's files are the source's, byte for byte, and proved like any other."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_world import bucket_chain, lake_chain, upload, write
from shop_world import ORDERS, check_whole_way
from tests.chain import Chain
from tests.sources import count_of, failing, lake_rows

from lakeward.adapters.arrow_files import open_input
from lakeward.adapters.connections import from_environment
from lakeward.adapters.iceberg import properties_from
from lakeward.adapters.iceberg.catalog import open_catalog
from lakeward.errors import SourceError, SpecError, UnsupportedError
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_plan

KEYED = [{"table": "customers", "key": ["id"]}, {"table": "orders", "key": ["id"]}]
FILES = {"customers": {"path": "customers"}, "orders": {"path": "orders", "adopt": "copy"}}


@pytest.fixture(autouse=True)
def home(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path))
    return tmp_path


def made(home: Path) -> Path:
    return write(home / "lake", {"orders/a.parquet": "id % 2 = 0", "orders/b.parquet": "id % 2 = 1"}, "FORMAT parquet")


def sums_in_lake(chain: Chain) -> set[str]:
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
        lake = next(t for t in plan.groups[0].lake_tables if t.name == "orders")
        state = ports.lake.state("orders")
        assert state is not None
        assert state.snapshot_id is not None
        files = ports.lake.snapshot(lake, state.snapshot_id)
    return {hashlib.sha256(open_input(url, files.access).read()).hexdigest() for url in files.urls}


def sums_at_source(root: Path) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in root.glob("orders/*.parquet")}


def test_files_from_a_folder_are_the_lakes_byte_for_byte(home: Path) -> None:
    root = made(home)
    chain = lake_chain(home, root, KEYED, files=FILES)
    assert failing(chain.run()["g"]) == {}
    assert sums_in_lake(chain) == sums_at_source(root)
    with chain.ports() as ports:
        name = ports.lake.qualified("orders")
    with open_catalog(properties_from(from_environment("lakehouse"))) as catalog:
        found = catalog.load_table(name).scan(selected_fields=("id", "total")).to_arrow()
    rows = lake_rows(chain, "orders", "id, total")
    assert sorted(zip(*found.to_pydict().values(), strict=True)) == [(r["id"], r["total"]) for r in rows]
    assert len(rows) == ORDERS


def test_files_from_a_bucket_are_proved_like_any_other(home: Path) -> None:
    root = made(home)
    chain = bucket_chain(home, upload(root), KEYED, files=FILES)
    check_whole_way(chain)
    assert len(sums_in_lake(chain) & sums_at_source(root)) == 1, "the other one holds the planted cent"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"partition": ["month(day)"], "drop": ["note"]}, "does not go with `drop`, `partition`"),
        ({"types": {"total": "string"}}, "column 'total', which is of another type there"),
    ],
)
def test_what_would_be_reshaped_is_refused(home: Path, more: dict[str, object], said: str) -> None:
    tables = [KEYED[0], {**KEYED[1], **more}]
    with pytest.raises(SpecError, match=said):
        lake_chain(home, made(home), tables, files=FILES).plan()


def test_files_that_differ_or_are_partitioned_are_refused(home: Path) -> None:
    root = made(home)
    pq.write_table(pq.read_table(root / "orders/b.parquet").drop(["note"]), root / "orders/b.parquet")
    with pytest.raises(SourceError, match="all have the same columns and no partitions"):
        lake_chain(home, root, KEYED, files=FILES).plan()


def test_a_file_that_iceberg_could_not_read_is_refused_by_its_column(home: Path) -> None:
    (home / "lake" / "things").mkdir(parents=True)
    pq.write_table(pa.table({"id": [1], "at": pa.array([1], pa.timestamp("ms"))}), home / "lake/things/a.parquet")
    files = {"things": {"path": "things", "adopt": "copy"}}
    chain = lake_chain(
        home, home / "lake", [{"table": "things"}], kpis=[count_of("things")], group={"references": []}, files=files
    )
    with pytest.raises(UnsupportedError, match=r"at timestamp\[ms\], where the table has at timestamp\[us\]"):
        chain.run("flatten")


def test_rows_that_follow_others_into_quarantine_are_left_out_of_what_is_adopted(home: Path) -> None:
    for folder in ("customers", "orders"):
        (home / "lake" / folder).mkdir(parents=True)
    (home / "lake/customers/a.csv").write_text("id,n\n1,7\n2,abc\n")
    rows = pa.table({"id": pa.array([1, 2], pa.int64()), "customer": pa.array([1, 2], pa.int32())})
    pq.write_table(rows, home / "lake/orders/a.parquet")
    tables = [{**KEYED[0], "types": {"id": "int", "n": "int"}}, KEYED[1]]
    group = {"quarantine": {"max_share": 0.6}}
    chain = lake_chain(home, home / "lake", tables, kpis=[count_of("orders")], group=group, files=FILES)
    chain.run("append")
    assert lake_rows(chain, "orders") == [{"id": 1, "customer": 1}]
    aside = lake_rows(chain, "g_quarantine", "table_name, reason", "table_name")
    assert [(r["table_name"], r["reason"]) for r in aside] == [
        ("customers", f'n: "abc" is no int, in {home}/lake/customers/a.csv'),
        ("orders", "refers to quarantined customers (id=2)"),
    ]
