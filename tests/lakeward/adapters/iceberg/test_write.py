from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.lakes import MIGRATION, ORDERS, batch, column, ids_in, open_lake, orders, read, stage

from lakeward.adapters.connections import Connection
from lakeward.adapters.iceberg import IcebergLake
from lakeward.domain.facts import LakeTable
from lakeward.errors import DataError, LakeError
from lakeward.ports import silent

EVERY = {
    "boolean": [True, False, None],
    "int": [2**31 - 1, -(2**31), None],
    "long": [2**63 - 1, -(2**63), None],
    "float": [1.5, float("inf"), None],
    "double": [0.1, -0.0, None],
    "decimal(9,2)": [Decimal("1234567.89"), Decimal("-0.01"), None],
    "decimal(18,4)": [Decimal("12345678901234.5678"), Decimal("-0.0001"), None],
    "decimal(38,9)": [Decimal("12345678901234567890123456789.123456789"), Decimal("-0.000000001"), None],
    "string": ["", "Zürich \U0001f600", None],
    "json": ['{"a": 1.10}', "null", None],
    "uuid": [UUID(int=1), UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), None],
    "date": [date(1, 1, 1), date(9999, 12, 31), None],
    "time": [time(0), time(23, 59, 59, 999999), None],
    "timestamp": [datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), None],  # noqa: DTZ001 - has no zone
    "timestamptz": [datetime(1582, 10, 4, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC), None],
    "binary": [b"", b"\x00\xff", None],
}


def test_every_type_comes_back_as_it_went_for_duckdb_and_pyiceberg(connection: Connection) -> None:
    lake = open_lake(connection)
    names = {f"c{n}": word for n, word in enumerate(EVERY)}
    table = LakeTable("every", tuple(column(name, word) for name, word in names.items()), ())
    lake.prepare([table], MIGRATION)
    from lakeward.adapters.iceberg.schema import arrow_type, iceberg_type

    rows = pa.table(
        {n: pa.array(map(_storage, EVERY[w]), _plain(arrow_type(iceberg_type(w)))) for n, w in names.items()}
    )
    _, (landed,) = lake.commit([batch("c1", stage(lake, rows, table), table)], "c1", MIGRATION)
    expected = [{n: EVERY[w][row] for n, w in names.items()} for row in range(3)]
    by_duck = read(lake, landed.snapshot_id, "SELECT * FROM t", table)
    assert [{**row, "c10": row["c10"] and UUID(str(row["c10"]))} for row in by_duck] == expected
    assert lake._open("every").scan(snapshot_id=landed.snapshot_id).to_arrow().to_pylist() == expected
    lake.close()


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.binary(16) if kind == pa.uuid() else kind


def _storage(value: object) -> object:
    return value.bytes if isinstance(value, UUID) else value


def test_files_hold_one_partition_each_in_order_with_field_ids_and_required_columns(lake: IcebergLake) -> None:
    files = stage(lake, orders(300))
    assert [file.partition for file in files] == [(-1,), (0,), (1,)]
    assert [file.rows for file in files] == [124, 124, 52]
    live = lake._open("orders")
    for file in files:
        assert file.url.startswith(f"{live.metadata.location}/data/try1-")
        with live.io.new_input(file.url).open() as stream:
            footer = pq.ParquetFile(stream)
            field_ids = [int(f.metadata[b"PARQUET:field_id"]) for f in footer.schema_arrow]
            assert field_ids == [f.field_id for f in live.schema().fields]
            assert [f.nullable for f in footer.schema_arrow] == [False, True, True, True]
            assert footer.metadata.row_group(0).column(2).physical_type == "INT64"
            assert len(live.io.new_input(file.url)) == file.bytes


def test_a_file_ends_at_the_target_size(connection: Connection) -> None:
    lake = open_lake(connection, file_size=1_000_000)
    table = LakeTable("texts", (column("note", "string"),), ())
    lake.prepare([table], MIGRATION)
    rows = pa.table({"note": [sha256(b"%d" % n).hexdigest() for n in range(120_000)]})
    files = lake.write(table, rows.to_reader(max_chunksize=10_000), "try1", silent)
    assert sum(file.rows for file in files) == 120_000
    assert len(files) > 1
    assert all(1_000_000 <= file.bytes < 1_500_000 for file in files[:-1])
    lake.close()


def test_the_same_rows_in_other_batches_make_the_same_files(lake: IcebergLake) -> None:
    rows = orders(300)
    by_size = {size: lake.write(ORDERS, rows.to_reader(max_chunksize=size), "t", silent) for size in (7, 300)}
    assert [(f.rows, f.partition) for f in by_size[7]] == [(f.rows, f.partition) for f in by_size[300]]


def test_no_rows_make_no_file(lake: IcebergLake) -> None:
    assert stage(lake, orders(0)) == ()


def test_attempts_of_any_name_never_meet(lake: IcebergLake) -> None:
    urls = [
        file.url
        for _ in range(2)
        for file in lake.write(ORDERS, orders(5).to_reader(), "manual__2026-01-01T00:00:00+00:00/1", silent)
    ]
    assert len(set(urls)) == 2
    assert all("manual__2026-01-01T00-00-00-00-00-1-" in url for url in urls)


def _left(lake: IcebergLake) -> int:
    """Files in the table's data folder, as pyarrow lists them."""
    from pyarrow.fs import FileSelector

    live = lake._open("orders")
    io = live.io
    scheme, netloc, path = io.parse_location(live.metadata.location)  # type: ignore[attr-defined]
    files = io.fs_by_scheme(scheme, netloc)  # type: ignore[attr-defined]
    return sum(f.is_file for f in files.get_file_info(FileSelector(f"{path}/data", allow_not_found=True)))


def test_a_failure_leaves_no_file_behind(lake: IcebergLake) -> None:
    good, bad = orders(200), orders(1).set_column(0, "id", pa.array([None], pa.int64()))
    reader = pa.RecordBatchReader.from_batches(good.schema, [*good.to_batches(), *bad.to_batches()])
    with pytest.raises(DataError, match="Table x_orders, column 'id': 1 nulls"):
        lake.write(ORDERS, reader, "try1", silent)
    assert _left(lake) == 0


def test_an_engine_that_fails_is_not_blamed_on_the_store(lake: IcebergLake) -> None:
    def batches() -> object:
        yield from orders(200).to_batches()
        raise pa.ArrowInvalid("Conversion Error: 'x' is no number")

    reader = pa.RecordBatchReader.from_batches(orders(0).schema, batches())
    with pytest.raises(DataError, match="Conversion Error"):
        lake.write(ORDERS, reader, "try1", silent)
    assert _left(lake) == 0


def test_rows_in_no_order_are_refused_before_they_make_thousands_of_files(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakeward.adapters.iceberg.write.REOPENED", 3)
    rows = orders(200).take(pa.array([0, 199] * 5))
    with pytest.raises(LakeError, match="order of their partitions"):
        stage(lake, rows)


def test_progress_counts_rows(lake: IcebergLake) -> None:
    seen: list[tuple[str, int, int]] = []
    lake.write(ORDERS, orders(30).to_reader(max_chunksize=10), "t", lambda *args: seen.append(args))
    assert seen == [("write x_orders", 10, 0), ("write x_orders", 20, 0), ("write x_orders", 30, 0)]


def test_staged_files_can_be_read_before_anybody_else_sees_them(lake: IcebergLake) -> None:
    from lakeward.adapters.duck import DuckEngine

    files = stage(lake, orders(300))
    found = DuckEngine(temp_dir="/tmp").table("SELECT count(*) AS n FROM t", {"t": lake.staged(ORDERS, files)})
    assert found.to_pylist() == [{"n": 300}]
    state = lake.state("orders")
    assert state
    assert (state.snapshot_id, state.rows) == (None, 0)


def test_only_repetitive_columns_get_a_dictionary(lake: IcebergLake) -> None:
    rows = orders(120).set_column(3, "note", pa.array([f"kind {n % 3}" for n in range(120)]))
    live, (file,) = lake._open("orders"), stage(lake, rows)
    with live.io.new_input(file.url).open() as stream:
        group = pq.ParquetFile(stream).metadata.row_group(0)
    coded = Counter(group.column(n).has_dictionary_page for n in range(4))
    assert (coded[True], group.column(3).has_dictionary_page) == (1, True)


def test_statistics_let_readers_skip_files(lake: IcebergLake) -> None:
    _, (landed,) = lake.commit([batch("c1", stage(lake, orders(300)))], "c1", MIGRATION)
    scan = lake._open("orders").scan("id >= 250 and price > 200", snapshot_id=landed.snapshot_id)
    assert len(list(scan.plan_files())) == 1
    assert len(list(lake._open("orders").scan("ordered_at < '1970-01-01T00:00:00+00:00'").plan_files())) == 1
    assert ids_in(lake, landed.snapshot_id) == list(range(300))
