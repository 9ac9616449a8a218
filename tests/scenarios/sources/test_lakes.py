"""Lakes of files: every format moves with figures equal and a planted cent found; bad files are told by name."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_world import CSV_TYPES, bucket_chain, lake_chain, upload, write
from shop_world import ORDERS, check_whole_way, run
from tests.chain import Chain
from tests.sources import count_of, failing, lake_rows

from lakeward.errors import SourceError, SpecError
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_manifest, read_plan
from lakeward.steps.check import check_file

SPLIT = {"a": "id % 2 = 0", "b": "id % 2 = 1"}
KEYED = [{"table": "customers", "key": ["id"]}, {"table": "orders", "key": ["id"], "partition": ["month(day)"]}]
TYPED = [{**table, "types": CSV_TYPES[str(table["table"])]} for table in KEYED]


@pytest.fixture(autouse=True)
def home(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path))
    return tmp_path


def parquet(home: Path) -> Path:
    return write(home / "lake", {f"orders/{n}.parquet": c for n, c in SPLIT.items()}, "FORMAT parquet")


def csv(home: Path, ending: str = "csv", options: str = "FORMAT csv, HEADER, FORCE_QUOTE (name)") -> Path:
    plain = options.replace(", FORCE_QUOTE (name)", "")
    return write(home / "lake", {f"orders/{n}.{ending}": c for n, c in SPLIT.items()}, plain)


def test_parquet_from_a_folder(home: Path) -> None:
    check_whole_way(lake_chain(home, parquet(home), KEYED))


def test_parquet_from_a_bucket_by_hive_partitions(home: Path) -> None:
    orders = {f"orders/country=c%20{n}/x.parquet": condition for n, condition in SPLIT.items()}
    url = upload(write(home / "lake", orders, "FORMAT parquet"))
    chain = bucket_chain(home, url, KEYED)
    assert failing(chain.run()["g"]) == {}
    found = lake_rows(chain, "orders", "id, country")
    assert {(int(str(r["id"])) % 2, r["country"]) for r in found} == {(0, "c a"), (1, "c b")}
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
        manifest = read_manifest(ports.store, plan, plan.groups[0])
    inputs = next(t.inputs for t in manifest.tables if t.table == "orders")
    assert [f.url for f in inputs] == [f"{url}/{name}" for name in sorted(orders)]
    assert all(len(f.checksum) == 64 and f.bytes for f in inputs)


@pytest.mark.parametrize(
    ("ending", "options"), [("csv", ""), ("csv.gz", ", COMPRESSION gzip"), ("csv.zst", ", COMPRESSION zstd")]
)
def test_csv(home: Path, ending: str, options: str) -> None:
    root = csv(home, ending, f"FORMAT csv, HEADER{options}")
    chain = lake_chain(home, root, TYPED)
    assert failing(chain.run()["g"]) == {}
    (first,) = lake_rows(chain, "orders", "id, total::VARCHAR AS total, day::VARCHAR AS day", "id")[:1]
    assert first == {"id": 1, "total": "9007199254741000.01", "day": "2026-01-02"}
    if ending == "csv":
        names = [r["name"] for r in lake_rows(chain, "customers", "id, name")]
        assert names[:6] == ["", 'Zoë, "the" 2nd', "name 3", "name 4", None, ""]


def test_texts_that_spell_no_value_are_quarantined_with_file_and_text(home: Path) -> None:
    root = csv(home)
    (root / "orders" / "c.csv").write_text(
        "id,customer,day,total,note\n900,1,2026-02-30,1.10,x\n901,1,2026-01-01,1.005,y\n"
    )
    chain = lake_chain(home, root, TYPED, group={"quarantine": {"max_share": 0.1}})
    chain.run("append")
    aside = lake_rows(chain, "g_quarantine", "row_key, reason, raw::JSON->>'#unread' AS told", "row_key")
    assert [(r["row_key"], r["reason"]) for r in aside] == [
        ('{"id":"900"}', f'day: "2026-02-30" is no date, in {root}/orders/c.csv'),
        ('{"id":"901"}', f'total: "1.005" is no decimal(18,2), in {root}/orders/c.csv'),
    ]
    assert str(aside[0]["told"]).endswith('"day":"2026-02-30","total":null}')


def test_a_file_that_comes_late_is_taken_by_the_next_run_once(home: Path) -> None:
    root = parquet(home)
    chain = lake_chain(home, root, KEYED)
    chain.run()
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT 1000::BIGINT AS id, 1::INTEGER AS customer, DATE '2026-03-01' AS day, 5.00::DECIMAL(18,2) AS total, 'late' AS note) TO '{root}/orders/late.parquet'"
        )
    again = Chain(chain.file, chain.home, "second")
    assert failing(again.run()["g"]) == {}
    assert len(lake_rows(again, "orders", "id")) == ORDERS + 1


def append(path: Path, data: bytes) -> None:
    path.write_bytes(path.read_bytes() + data)


Spoil = Callable[[Path], object]


def cut_off(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


BAD: dict[str, tuple[str, Spoil, str]] = {
    "gzip that is cut off": (
        "csv.gz",
        lambda r: cut_off(r / "orders/a.csv.gz"),
        r"orders/a\.csv\.gz.*cut off",
    ),
    "zstd that is cut off": ("csv.zst", lambda r: cut_off(r / "orders/a.csv.zst"), r"orders/a\.csv\.zst.*cut off"),
    "ragged row": (
        "csv",
        lambda r: append(r / "orders/b.csv", b"1,2\n"),
        r"(?s)Expected Number of Columns: 5 Found: 2.*orders/b\.csv",
    ),
    "no utf-8": (
        "csv",
        lambda r: append(r / "orders/b.csv", b"1,2,2026-01-01,1,\xff\n"),
        r"(?s)not utf-8.*orders/b\.csv",
    ),
    "open quote": (
        "csv",
        lambda r: append(r / "orders/b.csv", b'1,2,2026-01-01,1,"x\n'),
        r"(?s)unterminated quote.*orders/b\.csv",
    ),
    "empty file": (
        "csv",
        lambda r: (r / "orders/b.csv").write_text(""),
        r"orders/b\.csv: its first line does not name its columns, each once: it is empty",
    ),
    "no parquet": ("parquet", lambda r: (r / "orders/b.parquet").write_text("x"), r"orders/b\.parquet"),
    "parquet that is cut off": ("parquet", lambda r: cut_off(r / "orders/b.parquet"), r"orders/b\.parquet"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named(home: Path, name: str) -> None:
    ending, spoil, said = BAD[name]
    options = {"csv": "", "csv.gz": ", COMPRESSION gzip", "csv.zst": ", COMPRESSION zstd"}
    root = csv(home, ending, f"FORMAT csv, HEADER{options[ending]}") if ending != "parquet" else parquet(home)
    spoil(root)
    chain = lake_chain(home, root, TYPED if ending != "parquet" else KEYED)

    def read() -> None:
        chain.plan()
        chain.step("extract")

    with pytest.raises(SourceError, match=said):
        read()


def other_type(root: Path) -> None:
    pq.write_table(pa.table({"id": pa.array([1], pa.int64()), "total": pa.array([1.5])}), root / "orders/c.parquet")


def partition_clash(root: Path) -> None:
    (root / "orders/id=5").mkdir()
    for path in (root / "orders").glob("*.parquet"):
        path.replace(root / "orders/id=5" / path.name)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (other_type, r"column 'total' is DECIMAL\(18,2\) in orders/a\.parquet and DOUBLE in orders/c\.parquet"),
        (partition_clash, "'id' is a column of orders/id=5/a.parquet and a folder's name too"),
        (lambda r: (r / "orders/x.csv").write_text("a\n1\n"), "of several formats"),
        (
            lambda r: ((r / "orders/k=1").mkdir(), (r / "orders/b.parquet").replace(r / "orders/k=1/b.parquet")),
            "partitioned by",
        ),
    ],
    ids=["other type", "partition clash", "formats", "half partitioned"],
)
def test_files_that_do_not_go_together_are_named(home: Path, spoil: Spoil, said: str) -> None:
    root = parquet(home)
    spoil(root)
    with pytest.raises(SourceError, match=said):
        lake_chain(home, root, KEYED).plan()


def test_a_late_column_is_taken_with_nulls_when_planned_and_named_when_it_comes_after(home: Path) -> None:
    root = parquet(home)

    def late() -> None:
        table = pq.read_table(root / "orders/b.parquet").append_column("tip", pa.array([1] * (ORDERS // 2), pa.int32()))
        pq.write_table(table, root / "orders/b.parquet")

    chain = lake_chain(home, root, KEYED)
    chain.plan()
    late()
    with pytest.raises(SourceError, match=r"column 'tip' \(INTEGER\) is new, first in orders/b\.parquet"):
        chain.step("extract")
    chain = Chain(chain.file, chain.home, "second")
    assert failing(chain.run()["g"]) == {}
    assert {(int(str(r["id"])) % 2, r["tip"]) for r in lake_rows(chain, "orders", "id, tip")} == {(0, None), (1, 1)}


@pytest.mark.parametrize(("way", "said"), [("gone", "is gone now"), ("changed", "was changed while it was read")])
def test_a_file_that_moves_while_it_is_read_counts_for_nothing(home: Path, way: str, said: str) -> None:
    root = parquet(home)
    chain = lake_chain(home, root, KEYED)

    def moved() -> None:
        with chain.ports() as ports, ports.source.cut() as cut:
            assert cut.query("SELECT count(*) AS n FROM main.orders").to_pylist() == [{"n": ORDERS}]
            file = root / "orders/a.parquet"
            if way == "gone":
                file.unlink()
            else:
                file.write_bytes(file.read_bytes())
            cut.query("SELECT sum(total) AS n FROM main.orders")

    with pytest.raises(SourceError, match=said):
        moved()


def test_an_object_that_is_replaced_while_it_is_read_counts_for_nothing(home: Path) -> None:
    root = parquet(home)
    url = upload(root)
    chain = bucket_chain(home, url, KEYED)

    def replaced() -> None:
        with chain.ports() as ports, ports.source.cut() as cut:
            cut.query("SELECT count(*) AS n FROM main.orders")
            listing = ports.source._place._listing  # type: ignore[attr-defined]
            listing._store.put("orders/a.parquet", (root / "orders/b.parquet").read_bytes())

    with pytest.raises(SourceError, match="was changed while it was read"):
        replaced()


def test_what_duckdb_rounds_in_parquet_is_refused_by_name(home: Path) -> None:
    (home / "lake" / "odd").mkdir(parents=True)
    pq.write_table(
        pa.table(
            {
                "id": pa.array([1]),
                "utc": pa.array([1], pa.timestamp("ns", "UTC")),
                "clock": pa.array([1], pa.time64("ns")),
                "wide": pa.array([1], pa.decimal256(50, 1)),
                "nest": pa.array([[{"t": 1}]], pa.list_(pa.struct([("t", pa.timestamp("ns", "UTC"))]))),
            }
        ),
        home / "lake/odd/a.parquet",
    )
    pq.write_table(
        pa.table({"t": pa.array([1], pa.timestamp("ns"))}),
        home / "lake/old.parquet",
        use_deprecated_int96_timestamps=True,
    )
    with pytest.raises(SpecError) as caught:
        lake_chain(
            home,
            home / "lake",
            [{"table": "odd"}, {"table": "old"}],
            kpis=[count_of("odd"), count_of("old")],
            group={"references": []},
        ).plan()
    said = str(caught.value)
    for word in (
        "'utc' holds instant in nanoseconds",
        "'clock' holds time in nano",
        "'wide' holds DECIMAL of 50",
        "'nest' holds instant",
        "'t' holds INT96",
    ):
        assert word in said


def test_json_lines_with_child_tables_and_exact_numbers(home: Path) -> None:
    folder = home / "lake" / "orders"
    folder.mkdir(parents=True)
    lines = [
        f'{{"id": {n}, "total": 9007199254740993.{n:02}, "day": "2026-01-{n:02}", "items": [{{"sku": "a", "price": {n}.10}}, {{"sku": "b", "price": 1e2}}]}}'
        for n in range(1, 21)
    ]
    (folder / "a.jsonl").write_text("\n".join(lines[:10]) + "\n\n")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress("\r\n".join(lines[10:]).encode()))
    flatten = {
        "column": "record",
        "prefix": "",
        "fields": {"total": "decimal(18,2)", "day": "date", "id": "long"},
        "rename": {"id": "number"},
        "children": [{"path": "items", "table": "items", "fields": {"sku": "string", "price": "decimal(9,2)"}}],
    }
    kpis = [
        {"name": "total", "table": "orders", "measure": "sum(total)", "date": "day", "grains": ["day"]},
        {"name": "price", "table": "items", "measure": "sum(price)"},
    ]
    files = {"orders": {"path": "orders", "columns": {"id": "long"}}}
    table = {"table": "orders", "key": ["id"], "flatten": [flatten]}
    chain = lake_chain(
        home, home / "lake", [table], kpis=kpis, group={"quarantine": {"max_share": 0.1}, "references": []}, files=files
    )
    assert failing(chain.run()["g"]) == {}
    rows = lake_rows(chain, "orders", "id, total::VARCHAR AS total")
    assert [r["total"] for r in rows] == [f"9007199254740993.{n:02}" for n in range(1, 21)]
    assert len(lake_rows(chain, "items", "*", "orders_id")) == 40
    bad = '{"id": 30, "total": "free"'
    (folder / "c.jsonl").write_text(bad + "\n")
    chain = Chain(chain.file, chain.home, "second")
    assert "1 row of orders is in quarantine" in failing(chain.run()["g"])["total"]
    assert [r["reason"] for r in lake_rows(chain, "g_quarantine", "reason", "reason")] == [f"record: not JSON: {bad}"]


def test_a_json_array(home: Path) -> None:
    (home / "lake").mkdir()
    (home / "lake/things.json").write_text('[{"id": 1, "price": 12345678901234567890.12},\n {"id": 2, "price": 0.10}]')
    flatten = {"column": "record", "fields": {"id": "long", "price": "decimal(38,2)"}, "prefix": ""}
    kpi = {"name": "sum", "table": "things", "measure": "sum(price)"}
    chain = lake_chain(
        home, home / "lake", [{"table": "things", "flatten": [flatten]}], kpis=[kpi], group={"references": []}
    )
    assert failing(chain.run()["g"]) == {}
    assert [r["p"] for r in lake_rows(chain, "things", "id, price::VARCHAR AS p")] == [
        "12345678901234567890.12",
        "0.10",
    ]


def test_the_command_line_migrates_csv_that_it_drafted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = csv(home)
    monkeypatch.setenv("AIRFLOW_CONN_RAW", json.dumps({"conn_type": "fs", "extra": {"path": str(home)}}))
    file = home / "raw.yaml"
    name = f"raw_{uuid4().hex[:8]}"
    done = run("init", "raw", "--path", "lake", "--output", file, "--name", name, "--landing", f"s3://landing/{name}")
    assert done.exit_code == 0, done.output
    spec = check_file(file).spec
    assert (spec.source.kind, spec.source.path) == ("files", "lake")
    types = {t.table: dict(t.types) for g in spec.groups for t in g.tables}
    assert types["main.orders"] == {"id": "long", "customer": "long", "day": "date", "total": "decimal(38,2)"}
    for command in ("plan", "run", "status", "parity"):
        done = run(command, file)
        assert done.exit_code == 0, done.output
    text = (root / "orders/a.csv").read_text()
    (root / "orders/a.csv").write_text(text.replace("9007199254741007.01", "9007199254741007.02"))
    done = run("parity", file, "--drill", "--recheck-after", "0s")
    assert done.exit_code == 1
    assert "9007199254741007.02" in done.stdout


def test_files_are_named_and_read_as_the_migration_file_says(home: Path) -> None:
    folder = home / "lake" / "in"
    folder.mkdir(parents=True)
    (folder / "x.txt").write_bytes("1;'é;1';NULL\n2;'';'NULL'\n".encode("latin-1"))
    (folder / "_x.txt").write_text("left out")
    spec = {
        "path": "in/*.txt",
        "format": "csv",
        "csv": {
            "delimiter": ";",
            "quote": "'",
            "header": False,
            "columns": ["id", "a", "b"],
            "null": "NULL",
            "encoding": "latin-1",
        },
    }
    tables = [{"table": "things", "types": {"id": "int"}, "key": ["id"]}]
    chain = lake_chain(
        home, home / "lake", tables, kpis=[count_of("things")], group={"references": []}, files={"things": spec}
    )
    assert failing(chain.run()["g"]) == {}
    assert lake_rows(chain, "things") == [{"id": 1, "a": "é;1", "b": None}, {"id": 2, "a": "", "b": "NULL"}]
