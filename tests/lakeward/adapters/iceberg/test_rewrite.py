"""Small files rewritten into few on real catalogs, beside everybody else who may write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from tests.lakes import MIGRATION, ORDERS, batch, column, ids_in, open_lake, orders, read, stage

from lakeward.adapters.connections import Connection
from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.iceberg import IcebergLake, change, rewrite
from lakeward.adapters.iceberg.files import data_files
from lakeward.adapters.iceberg.read import live_entries
from lakeward.adapters.iceberg.schema import arrow_schema
from lakeward.domain.compaction import rewrite_sql
from lakeward.domain.file_facts import LiveFile, StagedFile
from lakeward.errors import ConflictError, LakeError

COUNT = 240


def landed(lake: IcebergLake, cut: str = "c1") -> int:
    """Orders of two months in seven files; the cut's snapshot."""
    files = tuple(f for n in range(0, COUNT, 40) for f in stage(lake, orders(40, first=n)))
    return lake.commit([batch(cut, files)], cut, MIGRATION)[1][0].snapshot_id


def staged(lake: IcebergLake) -> tuple[tuple[LiveFile, ...], tuple[StagedFile, ...]]:
    """All live files, and their rows in new ones."""
    return lake.live_files("orders"), stage(lake, orders(COUNT))


def exists(lake: IcebergLake, files: tuple[StagedFile, ...]) -> list[bool]:
    live = lake._open("orders")
    return [live.io.new_input(file.url).exists() for file in files]


def foreign(lake: IcebergLake, count: int, first: int) -> None:
    """Somebody appends by himself; PyIceberg's own retries put it on top of whatever came."""
    live = lake._open("orders")
    with live.transaction() as transaction, transaction.update_snapshot().fast_append() as appended:
        for file in data_files(live, stage(lake, orders(count, first=first))):
            appended.append_data_file(file)


def test_fewer_files_the_same_rows_and_the_cut_stays_what_it_is(lake: IcebergLake) -> None:
    first = landed(lake)
    before = lake.statistics("orders", 10**6)
    old, new = staged(lake)
    made = lake.replace_files("orders", old, new, "c1")
    assert made
    live = lake._open("orders")
    snapshot = live.current_snapshot()
    assert snapshot
    assert (snapshot.snapshot_id, snapshot.summary.operation) == (made, Operation.REPLACE)
    assert (snapshot.summary["total-records"], snapshot.summary["total-data-files"]) == (str(COUNT), str(len(new)))
    assert (before.files, lake.statistics("orders", 10**6).files) == (7, 2)
    assert ids_in(lake, made) == ids_in(lake, first) == list(range(COUNT))
    assert {n: r.snapshot_id for n, r in live.metadata.refs.items()} == {
        "main": made,
        "cut_c1": first,
        "cut_c1_compacted": made,
    }
    assert lake.origin("orders", made) == lake.origin("orders", first) == first
    assert lake.compacted("orders", "c1") == made
    assert lake.commit([batch("c1", ())], "c1", MIGRATION)[1][0].snapshot_id == first
    assert live.scan(snapshot_id=made).to_arrow().num_rows == COUNT


def test_files_of_others_survive_and_main_only_holds_the_cut_when_nobody_added(lake: IcebergLake) -> None:
    landed(lake)
    old, new = staged(lake)
    foreign(lake, 5, 1000)
    made = lake.replace_files("orders", old, new, "c1")
    assert made
    assert ids_in(lake, made) == [*range(COUNT), *range(1000, 1005)]
    assert lake.compacted("orders", "c1") is None
    assert "cut_c1_compacted" not in lake._open("orders").metadata.refs


def test_a_part_of_the_files_keeps_the_others_as_they_are(lake: IcebergLake) -> None:
    landed(lake)
    old = tuple(f for f in lake.live_files("orders") if f.partition == lake.live_files("orders")[0].partition)
    ids = {row["id"] for row in lake._open("orders").scan().to_arrow().to_pylist()}
    rows = read_files(lake, old)
    made = lake.replace_files("orders", old, stage(lake, rows), "c1")
    kept = {f.url for f in lake.live_files("orders")}
    assert made
    assert (len(old), len(kept)) == (4, 4)
    assert {row["id"] for row in lake._open("orders").scan().to_arrow().to_pylist()} == ids


def test_every_type_is_rewritten_bit_by_bit(lake: IcebergLake, tmp_path: Path) -> None:
    values: dict[str, list[object]] = {
        "boolean": [True, False, None],
        "int": [-(2**31), 2**31 - 1, None],
        "long": [-(2**63), 2**63 - 1, None],
        "float": [float("nan"), -0.0, None],
        "double": [float("-inf"), 0.1, None],
        "string": ["", "añ😀", None],
        "json": ['{"a": 1.10}', "null", None],
        "uuid": [UUID(int=1).bytes, UUID(int=2**128 - 1).bytes, None],
        "date": [date(1, 1, 1), date(9999, 12, 31), None],
        "time": [time(0), time(23, 59, 59, 999_999), None],
        "timestamp": [datetime(1582, 10, 4, 1, 2, 3, 4), datetime(9999, 12, 31), None],  # noqa: DTZ001 - has none
        "timestamptz": [datetime(1, 1, 2, tzinfo=UTC), datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC), None],
        "binary": [b"\x00\xff", b"", None],
        "decimal(38,10)": [Decimal("9" * 28 + "." + "9" * 10), Decimal("-0.0000000001"), None],
    }
    names = {kind: f"c{n}" for n, kind in enumerate(values)}
    every = replace(
        ORDERS,
        name="every",
        columns=tuple(column(name, kind) for kind, name in names.items()),
        key=(),
        partition=(),
        sort=(),
    )
    lake.prepare([every], MIGRATION)
    schema = arrow_schema(lake._open("every").schema())
    storage = {f.name: pa.binary(16) if f.type == pa.uuid() else f.type for f in schema}
    parts = [
        pa.table(
            [pa.array([values[k][n]], storage[names[k]]).cast(schema.field(names[k]).type) for k in values],
            schema=schema,
        )
        for n in range(3)
    ]
    files = tuple(f for part in parts for f in stage(lake, part, every))
    lake.commit([batch("c1", files, every)], "c1", MIGRATION)
    old = lake.live_files("every")
    with DuckEngine(temp_dir=tmp_path).stream(rewrite_sql(every, "old"), {"old": lake.staged(every, old)}) as rows:
        new = lake.write(every, rows, "try1", lambda *_: None)
    assert lake.replace_files("every", old, new, "c1")
    (file,) = lake.live_files("every")
    found = pq.read_table(lake._open("every").io.new_input(file.url).open())
    assert {repr(row) for row in found.to_pylist()} == {repr(part.to_pylist()[0]) for part in parts}


def read_files(lake: IcebergLake, files: tuple[LiveFile, ...]) -> pa.Table:
    live = lake._open("orders")
    return pa.concat_tables(pq.read_table(live.io.new_input(f.url).open()) for f in files).sort_by("ordered_at")


@pytest.mark.parametrize("what", ["newer cut", "second compaction", "rows deleted by copy"])
def test_files_that_are_gone_are_given_up(lake: IcebergLake, what: str) -> None:
    landed(lake)
    old, new = staged(lake)
    if what == "newer cut":
        lake.commit([batch("c2", stage(lake, orders(7)))], "c2", MIGRATION)
    elif what == "second compaction":
        assert lake.replace_files("orders", *staged(lake), "c1")
    else:
        live = lake._open("orders")  # copy on write, as other engines do it: the touched files anew, without the row
        entries = live_entries(live, live.current_snapshot())
        less = data_files(live, stage(lake, orders(COUNT - 1, first=1)))
        change.commit_one(lake._catalog, change.replace_rows(live, entries, less, {}))
    state = lake.state("orders")
    assert lake.replace_files("orders", old, new, "c1") is None
    assert lake.state("orders") == state
    assert exists(lake, new) == [False] * len(new)


def test_equality_deletes_are_refused_and_no_row_comes_back(lake: IcebergLake) -> None:
    landed(lake)
    old, new = staged(lake)
    delete_by_equality(lake._open("orders"))
    with pytest.raises(LakeError, match="deletes rows by equality"):
        lake.replace_files("orders", old, new, "c1")
    assert exists(lake, new) == [False] * len(new)
    with pytest.raises(LakeError, match="deletes rows by equality"):
        lake.live_files("orders")


def delete_by_equality(live: Table) -> None:
    """What Flink does for upserts: here a delete manifest over an empty delete file, which is all that is looked at."""
    from pyiceberg.manifest import DataFileContent, ManifestContent, ManifestWriterV2

    class Deletes(ManifestWriterV2):
        def content(self) -> ManifestContent:
            return ManifestContent.DELETES

        @property
        def _meta(self) -> dict[str, str]:
            return {**super()._meta, "content": "deletes"}

    current = live.current_snapshot()
    assert current
    victim = live_entries(live, current)[0].data_file

    class Producer(change._FastAppendFiles):
        def _manifests(self) -> list[object]:  # type: ignore[override]
            from pyiceberg.manifest import DataFile, FileFormat, ManifestEntry, ManifestEntryStatus

            fake = DataFile.from_args(
                content=DataFileContent.EQUALITY_DELETES,
                file_path=victim.file_path + ".deletes",
                file_format=FileFormat.PARQUET,
                partition=victim.partition,
                record_count=1,
                file_size_in_bytes=1,
                spec_id=0,
            )
            with Deletes(
                live.spec(), live.schema(), self.new_manifest_output(), self._snapshot_id, "deflate"
            ) as writer:
                writer.add(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.ADDED, snapshot_id=self._snapshot_id, data_file=fake
                    )
                )
            return [writer.to_manifest_file(), *current.manifests(live.io)]

    producer = Producer(Operation.APPEND, live.transaction(), live.io)
    updates, requirements = producer._commit()
    live.catalog.commit_table(live, requirements, updates)


def test_rows_that_do_not_add_up_are_refused(lake: IcebergLake) -> None:
    landed(lake)
    new = stage(lake, orders(COUNT - 1))
    with pytest.raises(LakeError, match=r"240 rows would become 2 files with 239"):
        lake.replace_files("orders", lake.live_files("orders"), new, "c1")
    assert exists(lake, new) == [False] * len(new)


def test_a_cut_is_taken_out_with_its_compacted_snapshot(lake: IcebergLake) -> None:
    landed(lake)
    lake.replace_files("orders", *staged(lake), "c1")
    assert lake.drop_batch("orders", "c1")
    state = lake.state("orders")
    assert state
    assert state.rows == 0
    assert set(lake._open("orders").metadata.refs) == {"main"}
    assert ids_in(lake, landed(lake, "c2")) == list(range(COUNT))


def test_the_origin_is_known_though_what_lay_between_was_expired(lake: IcebergLake) -> None:
    first = landed(lake)
    between = lake.replace_files("orders", *staged(lake), "c1")
    last = lake.replace_files("orders", *staged(lake), "c1")
    assert between
    assert last
    lake._open("orders").maintenance.expire_snapshots().by_id(between).commit()
    assert lake.origin("orders", last) == first
    assert lake.compacted("orders", "c1") == last


def raced(connection: Connection, lake: IcebergLake, *work: Callable[[IcebergLake], object]) -> list[object]:
    """Each in a thread with a lake of its own, begun together; what they gave, or the error that they met."""
    gate = threading.Barrier(len(work))
    found: list[object] = [None] * len(work)

    def one(n: int) -> None:
        mine = open_lake(connection, lake._namespace)
        gate.wait()
        try:
            found[n] = work[n](mine)
        except LakeError as error:
            found[n] = error
        finally:
            mine.close()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_of_two_compactions_one_wins(lake: IcebergLake, connection: Connection) -> None:
    landed(lake)
    pairs = [staged(lake) for _ in range(3)]
    works = [lambda mine, p=pair: mine.replace_files("orders", *p, "c1") for pair in pairs]
    found = raced(connection, lake, *works)
    assert not [one for one in found if isinstance(one, Exception)]
    (won,) = [n for n, one in enumerate(found) if one is not None]
    assert [any(exists(lake, new)) for _, new in pairs] == [n == won for n in range(3)]
    assert ids_in(lake, lake._open("orders").metadata.current_snapshot_id or 0) == list(range(COUNT))


def test_compaction_raced_by_appends_loses_and_doubles_nothing(lake: IcebergLake, connection: Connection) -> None:
    landed(lake)
    old, new = staged(lake)

    def append(mine: IcebergLake) -> None:
        for n in range(3):
            foreign(mine, 1, 1000 + n)

    assert not any(raced(connection, lake, append, lambda mine: mine.replace_files("orders", old, new, "c1") is None))
    state = lake.state("orders")
    assert state
    assert state.rows == COUNT + 3
    distinct = read(lake, state.snapshot_id or 0, "SELECT count(DISTINCT id) AS n FROM t", ORDERS)
    assert distinct == [{"n": COUNT + 3}]


def test_a_newer_cut_and_a_compaction_at_once_end_with_the_newer_cut(lake: IcebergLake, connection: Connection) -> None:
    for n in range(3):
        landed(lake, f"a{n}")
        pair, files = staged(lake), stage(lake, orders(7))
        commits = [batch(f"b{n}", files)]
        found = raced(
            connection,
            lake,
            lambda mine, p=pair, n=n: mine.replace_files("orders", *p, f"a{n}"),
            lambda mine, c=commits, n=n: mine.commit(c, f"b{n}", MIGRATION),
        )
        assert not isinstance(found[1], Exception)
        assert ids_in(lake, lake._open("orders").metadata.current_snapshot_id or 0) == list(range(7))


def test_when_others_never_stop_it_says_so_and_leaves_nothing(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed(lake)
    old, new = staged(lake)
    monkeypatch.setattr(rewrite, "WAITS", (0.0, 0.0))
    real, moved = change.commit_one, iter(range(1000, 9000, 10))

    def beaten(catalog: object, asked: change.Change) -> None:
        monkeypatch.setattr(change, "commit_one", real)
        foreign(lake, 1, next(moved))
        monkeypatch.setattr(change, "commit_one", beaten)
        real(catalog, asked)  # type: ignore[arg-type]

    monkeypatch.setattr(change, "commit_one", beaten)
    with pytest.raises(ConflictError, match="others moved the table 3 times"):
        lake.replace_files("orders", old, new, "c1")
    monkeypatch.setattr(change, "commit_one", real)
    assert exists(lake, new) == [False] * len(new)
    state = lake.state("orders")
    assert state
    assert state.rows == COUNT + 3
