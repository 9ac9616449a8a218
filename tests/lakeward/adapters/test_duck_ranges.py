"""Rows in order, part by part: the same rows as DuckDB's own order, in less memory, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakeward.adapters import duck_ranges
from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.duck_ranges import Order, order_sql
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.partition import HASHES
from lakeward.errors import DataError

ROWS = 20_000
EVERY_TYPE = f"""
SELECT i AS id, CASE WHEN i % 7 > 0 THEN (hash(i) % 1000)::INT END AS small, CASE WHEN i % 5 > 0 THEN i % 3 = 0 END AS flag,
  CASE i % 6 WHEN 0 THEN 'NaN'::DOUBLE WHEN 1 THEN '-Infinity'::DOUBLE WHEN 2 THEN -0.0 WHEN 3 THEN NULL ELSE hash(i) / 7.0 END AS float,
  CASE WHEN i % 9 > 0 THEN (hash(i) % 1000000)::DECIMAL(38,2) / 100 END AS money,
  CASE WHEN i % 4 > 0 THEN DATE '0044-03-15 (BC)' + (hash(i) % 900000)::INT END AS day,
  TIME '00:00:00' + to_microseconds((hash(i) % 86400000000)::BIGINT) AS clock,
  make_timestamp((hash(i + 1) % 9000000000000000)::BIGINT) AS moment,
  make_timestamptz((hash(i + 2) % 9000000000000000)::BIGINT) AS instant,
  CASE WHEN i % 8 > 0 THEN md5((i % 100)::VARCHAR)::UUID END AS token,
  CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE repeat('é', (hash(i) % 90)::INT) || chr(0) || i END AS name,
  CASE WHEN i % 5 > 0 THEN unhex(md5(i::VARCHAR)) END AS raw
FROM range({ROWS}) t(i)
"""
ORDERS: list[Order] = [
    [("name", "ASC NULLS FIRST"), ("id", "ASC NULLS FIRST")],
    [("float", "DESC NULLS LAST"), ("id", "ASC NULLS FIRST")],
    [("raw", "ASC NULLS FIRST"), ("token", "ASC NULLS FIRST"), ("id", "DESC NULLS LAST")],
    [("flag", "ASC NULLS FIRST"), ("money", "DESC NULLS LAST"), ("id", "ASC NULLS FIRST")],
    [("day", "ASC NULLS FIRST"), ("clock", "ASC NULLS FIRST"), ("id", "ASC NULLS FIRST")],
    [("(id - 9000)::INT", "DESC NULLS LAST")],
    [(f"({next(iter(HASHES))}(id) % 16)", "ASC NULLS FIRST"), ("instant", "ASC NULLS FIRST"), ("moment", "ASC NULLS FIRST")],
]  # fmt: skip


@pytest.fixture
def engine(tmp_path: Path) -> DuckEngine:
    return DuckEngine(temp_dir=tmp_path / "spill")


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duck_ranges, "RANGE_BYTES", 200_000)
    monkeypatch.setattr(duck_ranges, "AT_ONCE", 0)


@pytest.fixture
def landed(engine: DuckEngine, tmp_path: Path) -> FileSet:
    rows = engine.table(EVERY_TYPE, {})
    paths = [tmp_path / f"{n}.parquet" for n in range(2)]
    for path, part in zip(paths, (rows.slice(0, ROWS // 3), rows.slice(ROWS // 3)), strict=True):
        pq.write_table(part, path)
    return FileSet(tuple(map(str, paths)), StorageAccess(), ())


def plain(rows: pa.Table) -> list[str]:
    """Rows as text; days and moments as numbers, since Python knows none before year 1."""
    numbers = {"day": pa.int32(), "moment": pa.int64(), "instant": pa.int64()}
    fields = [pa.field(f.name, numbers.get(f.name, f.type)) for f in rows.schema]
    return [repr(row) for row in rows.cast(pa.schema(fields)).to_pylist()]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order[0][0][:10])
def test_rows_are_those_of_one_sort(engine: DuckEngine, landed: FileSet, tmp_path: Path, order: Order) -> None:
    wanted = engine.table(f"SELECT * FROM t {order_sql(order)}", {"t": landed})
    with engine.ordered("SELECT * FROM t", order, {"t": landed}, ROWS) as reader:
        first = next(reader)
        parts = [path.name for path in (tmp_path / "spill").glob("ranges-*/*.arrow")]
        found = [first, *reader]
    assert len(parts) > 5
    assert plain(pa.Table.from_batches(found)) == plain(wanted)
    assert first.schema == wanted.schema
    assert not list((tmp_path / "spill").iterdir())


@pytest.mark.parametrize("order", ORDERS[:2], ids=lambda order: order[0][0])
def test_ranges_that_are_too_large_for_arrow_are_sorted_by_duckdb(
    engine: DuckEngine, landed: FileSet, monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    with engine.ordered("SELECT * FROM t", order, {"t": landed}, ROWS) as reader:
        wanted = reader.read_all()
    monkeypatch.setattr(duck_ranges, "WIDE", 0)
    with engine.ordered("SELECT * FROM t", order, {"t": landed}, ROWS) as reader:
        assert plain(reader.read_all()) == plain(wanted)


def test_rows_that_are_all_the_same_to_the_order_are_one_range(engine: DuckEngine, landed: FileSet) -> None:
    with engine.ordered("SELECT 1 AS same, * FROM t", [("same", "ASC NULLS FIRST")], {"t": landed}, ROWS) as reader:
        ids = [i for batch in reader for i in batch.column("id").to_pylist()]
    assert sorted(ids) == [*range(ROWS)]


@pytest.mark.parametrize("rows", [0, 1, ROWS, 50_000_000])
def test_a_wrong_guess_of_the_number_of_rows_loses_none(engine: DuckEngine, landed: FileSet, rows: int) -> None:
    with engine.ordered("SELECT id FROM t", [("id", "DESC NULLS LAST")], {"t": landed}, rows) as reader:
        assert [i for batch in reader for i in batch.column("id").to_pylist()] == [*reversed(range(ROWS))]


@pytest.mark.parametrize("bad", ["true", f"id = {ROWS - 1}"])
def test_what_fails_leaves_nothing_behind(engine: DuckEngine, landed: FileSet, tmp_path: Path, bad: str) -> None:
    sql = f"SELECT *, CASE WHEN {bad} THEN error('no good') END AS e FROM t"
    with (
        pytest.raises(DataError, match="no good"),
        engine.ordered(sql, [("id", "ASC NULLS FIRST")], {"t": landed}, ROWS) as reader,
    ):
        reader.read_all()
    assert not list((tmp_path / "spill").iterdir())


def test_who_reads_no_further_leaves_nothing_behind(engine: DuckEngine, landed: FileSet, tmp_path: Path) -> None:
    with engine.ordered("SELECT * FROM t", [("id", "ASC NULLS FIRST")], {"t": landed}, ROWS) as reader:
        assert next(reader).num_rows
    assert not list((tmp_path / "spill").iterdir())


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_needs_is_not(
    engine: DuckEngine, landed: FileSet, tmp_path: Path
) -> None:
    order: Order = [("id", "ASC NULLS FIRST")]
    left = tmp_path / "spill" / "ranges-left"
    left.mkdir()
    (left / "data").write_text("rows")
    with engine.ordered("SELECT * FROM t", order, {"t": landed}, ROWS) as one:
        assert next(one).num_rows
        (mine,) = (tmp_path / "spill").iterdir()
        assert mine != left
        with engine.ordered("SELECT * FROM t", order, {"t": landed}, ROWS) as other:
            assert other.read_all().num_rows == ROWS
            assert mine.exists()
        assert one.read_all().num_rows


SORT = """
import sys
from pathlib import Path

import duckdb

from lakeward.adapters.duck import DuckEngine
from lakeward.domain.file_facts import FileSet, StorageAccess

rows, folder = 200_000, sys.argv[1]
file = f"{folder}/t.parquet"
con = duckdb.connect(config={"memory_limit": "64MB", "threads": 1, "preserve_insertion_order": "false"})
columns = ", ".join(f"repeat(md5((i + {n})::text), 4) AS c{n}" for n in range(8))
con.execute("SET enable_progress_bar = false")
con.execute(f"COPY (SELECT hash(i) AS k, {columns} FROM range({rows}) t(i)) TO '{file}' (ROW_GROUP_SIZE 20000)")
con.close()
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
last, count, order = -1, 0, [("k", "ASC NULLS FIRST")]
with DuckEngine(2, "144MB", folder).ordered("SELECT * FROM t", order, {"t": FileSet((file,), StorageAccess(), ())}, rows) as reader:
    for batch in reader:
        keys = batch.column("k")
        assert keys[0].as_py() > last
        last, count = keys[-1].as_py(), count + batch.num_rows
assert count == rows
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024)
"""


def test_what_is_larger_than_memory_is_sorted_within_it(tmp_path: Path) -> None:
    """200 MB of text, by an engine with 144 MB in a process that has some 100 MB before it begins."""
    done = subprocess.run([sys.executable, "-c", SORT, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 420
