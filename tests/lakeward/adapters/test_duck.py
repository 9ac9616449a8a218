from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.duck_setup import connect, use_storage
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.errors import DataError, LakeError
from lakeward.lab import Lab

LOCAL = StorageAccess()


@pytest.fixture
def engine(tmp_path: Path) -> DuckEngine:
    return DuckEngine(threads=2, memory_limit="256MB", temp_dir=tmp_path / "spill")


def write(path: Path, **columns: pa.Array) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_files_are_one_view(engine: DuckEngine, tmp_path: Path) -> None:
    urls = tuple(write(tmp_path / f"it's {n}.parquet", n=pa.array([n, n + 10])) for n in range(3))
    found = engine.table('SELECT n FROM "or""ders" ORDER BY n', {'or"ders': FileSet(urls, LOCAL, (("n", "long"),))})
    assert found.column("n").to_pylist() == [0, 1, 2, 10, 11, 12]


def test_rows_have_ids_that_last(engine: DuckEngine, tmp_path: Path) -> None:
    urls = tuple(write(tmp_path / f"{n}.parquet", n=pa.array([n * 2, n * 2 + 1])) for n in (1, 0))
    sql = 'SELECT n, "#file", "#row" FROM "t#rows"'
    expected = [(2, 0, 0), (3, 0, 1), (0, 1, 0), (1, 1, 1)]
    for _ in range(3):
        rows = engine.table(sql, {"t": FileSet(urls, LOCAL, ())}).to_pylist()
        assert sorted(tuple(r.values()) for r in rows) == sorted(expected)


def test_without_files_there_are_typed_columns_and_no_rows(engine: DuckEngine) -> None:
    kinds = ("boolean", "int", "long", "float", "double", "date", "time", "timestamp", "timestamptz", "string", "json")
    columns = (*((k, k) for k in kinds), ("uuid", "uuid"), ("binary", "binary"), ("money", "decimal(12,2)"))
    inputs = {"t": FileSet((), LOCAL, columns)}
    found = engine.table("SELECT * FROM t", inputs)
    assert found.num_rows == 0
    assert found.schema.field("money").type == pa.decimal128(12, 2)
    assert found.schema.field("timestamptz").type == pa.timestamp("us", "UTC")
    assert found.schema.field("json").type == pa.string()
    assert engine.table('SELECT count(*) AS n FROM "t#rows" WHERE "#row" >= 0', inputs).to_pylist() == [{"n": 0}]


def test_a_table_in_memory_is_an_input_too(engine: DuckEngine, tmp_path: Path) -> None:
    inputs = {
        "t": FileSet((write(tmp_path / "t.parquet", n=pa.array([1, 2, 3])),), LOCAL, ()),
        "bad": pa.table({"n": [2]}),
    }
    assert engine.table("SELECT n FROM t ANTI JOIN bad USING (n) ORDER BY n", inputs).column(0).to_pylist() == [1, 3]


def test_rows_are_streamed_in_order_and_in_bounded_memory(engine: DuckEngine) -> None:
    sql = "SELECT (i * 7919) % 3000017 AS k, repeat('x', 100) AS pad FROM range(3000000) t(i) ORDER BY k"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    last, rows, batches = -1, 0, 0
    with engine.stream(sql, {}) as reader:
        for batch in reader:
            keys = batch.column(0)
            assert keys[0].as_py() > last
            last, rows, batches = keys[-1].as_py(), rows + batch.num_rows, batches + 1
    assert rows == 3_000_000
    assert batches > 10
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000
    )  # the rows are 350 MB; the limit is 256


def test_what_takes_longer_than_its_limit_is_broken_off(engine: DuckEngine) -> None:
    rows = {"t": pa.table({"n": range(1000)})}
    assert 0 < engine.timed("SELECT count(*) FROM t", rows, timedelta(seconds=60)) < 60
    with pytest.raises(LakeError, match="INTERRUPT"):
        engine.timed("SELECT sum(a.n + b.n + c.n + d.n) FROM t a, t b, t c, t d", rows, timedelta(seconds=0.2))


def test_instants_are_utc(engine: DuckEngine) -> None:
    found = engine.table("SELECT TIMESTAMPTZ '2024-06-01 00:00:00' AS t", {})
    assert found.to_pylist() == [{"t": datetime(2024, 6, 1, tzinfo=UTC)}]


def test_a_value_that_does_not_fit_is_the_datas_fault(engine: DuckEngine) -> None:
    with pytest.raises(DataError, match=r"does not fit.*(?s:.*)What to do"):
        engine.table("SELECT CAST(x AS INTEGER) FROM (VALUES ('a')) t(x)", {})
    late = "SELECT CAST(CASE WHEN i = 900000 THEN 'a' ELSE '1' END AS INTEGER) AS i FROM range(1000000) t(i)"
    with engine.stream(late, {}) as reader, pytest.raises(DataError, match="does not fit"):
        reader.read_all()


def test_a_missing_file_is_the_stores_fault(engine: DuckEngine, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="nowhere") as found:
        engine.table("SELECT * FROM t", {"t": FileSet((str(tmp_path / "nowhere.parquet"),), LOCAL, ())})
    assert "What to do" in str(found.value)


def test_wrong_sql_is_ours(engine: DuckEngine) -> None:
    with pytest.raises(LakeError, match="nothing_like_it"):
        engine.table("SELECT nothing_like_it", {})


def test_a_consumers_own_error_passes(engine: DuckEngine) -> None:
    with pytest.raises(KeyError), engine.stream("SELECT 1 AS x", {}):
        raise KeyError


def test_streams_do_not_see_each_other(engine: DuckEngine, tmp_path: Path) -> None:
    one = FileSet((write(tmp_path / "1.parquet", n=pa.array([1])),), LOCAL, ())
    two = FileSet((write(tmp_path / "2.parquet", n=pa.array([2])),), LOCAL, ())
    with engine.stream("SELECT n FROM t", {"t": one}) as a, engine.stream("SELECT n FROM t", {"t": two}) as b:
        assert a.read_all().to_pylist() == [{"n": 1}]
        assert b.read_all().to_pylist() == [{"n": 2}]
    seen: list[object] = []
    threads = [
        threading.Thread(target=lambda f=f: seen.append(engine.table("SELECT n FROM t", {"t": f}).to_pylist()))
        for f in (one, two) * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, seen)) == ["[{'n': 1}]"] * 4 + ["[{'n': 2}]"] * 4


def landing(lab: Lab) -> StorageAccess:
    conn = json.loads(os.environ["AIRFLOW_CONN_LANDING"])
    return StorageAccess(conn["extra"]["endpoint_url"], "us-east-1", conn["login"], conn["password"])


def test_the_object_store_is_read_and_written(lab: Lab, engine: DuckEngine, tmp_path: Path) -> None:
    access = landing(lab)
    url = "s3://landing/test_duck/money.parquet"
    con = connect("256MB", 2, tmp_path)
    use_storage(con, access, url)
    con.execute(f"COPY (SELECT 123456789012345.67::DECIMAL(20,2) AS money FROM range(10)) TO '{url}' (FORMAT parquet)")
    found = engine.table("SELECT sum(money) AS s FROM t", {"t": FileSet((url,), access, ())})
    assert found.to_pylist() == [{"s": Decimal("1234567890123456.70")}]


def test_keys_never_show(lab: Lab, engine: DuckEngine) -> None:
    right = landing(lab)
    wrong = StorageAccess(right.endpoint, right.region, right.access_key, "not-the-secret-at-all")
    for access in (right, wrong):
        with pytest.raises(LakeError) as found:
            engine.table("SELECT * FROM t", {"t": FileSet(("s3://landing/test_duck/none.parquet",), access, ())})
        assert access.secret_key not in str(found.value)
        assert right.access_key not in str(found.value)
        assert "not-the-secret-at-all" not in repr(access)


SORT = """
import sys
from lakeward.adapters.duck import DuckEngine
from lakeward.errors import LakewardError

sql = "SELECT i AS id, repeat(md5(i::text), 10) AS note FROM range(400000) t(i) ORDER BY note DESC"
try:
    with DuckEngine(1, sys.argv[2], sys.argv[1]).stream(sql, {}) as rows:
        print(sum(batch.num_rows for batch in rows))
except LakewardError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("size", "memory", "said"),
    [
        (300_000, "100MB", "A disk is full: make room for spill files (LAKEWARD_HOME/tmp)"),
        (resource.RLIM_INFINITY, "20MB", "Give the engine more memory"),
        (resource.RLIM_INFINITY, "100MB", "400000"),
    ],
)
def test_a_sort_that_finds_no_room_to_spill_and_one_that_does(
    tmp_path: Path, size: int, memory: str, said: str
) -> None:
    """No file may grow beyond a size, which is told as a full disk is."""
    done = subprocess.run(
        [sys.executable, "-c", SORT, str(tmp_path), memory],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)),
    )
    assert said in done.stdout
    assert not list(tmp_path.rglob("*.tmp"))
