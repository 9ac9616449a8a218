"""A MariaDB, from `lakeward init` to a cent that is found; one snapshot for all readers; and what must not be read from it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from shop_world import KPIS, check_whole_way, run
from tests.chain import Chain
from tests.maria import made, reader, told
from tests.sources import count_of, failing, lake_rows, source_chain

from lakeward.adapters.connections import from_json
from lakeward.adapters.mariadb import MariaDbSource
from lakeward.domain.facts import TablePlan
from lakeward.domain.planning import plan_table
from lakeward.errors import DataError, LakewardError, SourceError, SourceLostError
from lakeward.lab import Lab
from lakeward.lab.mariadb import Server
from lakeward.spec.models import TableSpec
from lakeward.steps.check import check_file

CUSTOMERS = (
    """CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(40) CHARACTER SET latin1, country CHAR(2) NOT NULL)"""
)
FILLED = """INSERT INTO customers SELECT seq, CASE seq % 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'Zoë, "the" 2nd' ELSE CONCAT('name ', seq) END,
    CASE seq % 3 WHEN 0 THEN 'DE' ELSE 'FR' END FROM seq_1_to_20"""
ORDERS = """CREATE TABLE orders (id BIGINT UNSIGNED PRIMARY KEY, customer INT NOT NULL, day DATE, at TIMESTAMP(6) NULL, total DECIMAL(18,2), note TEXT,
    FOREIGN KEY (customer) REFERENCES customers (id))"""
ORDERED = """INSERT INTO orders SELECT seq, 1 + seq % 20, DATE '2026-01-01' + INTERVAL (seq % 60) DAY,
    TIMESTAMP '2026-03-28 22:30:00' + INTERVAL seq * 17 MINUTE, 9007199254740993.01 + seq * 7, CONCAT('note ', seq) FROM seq_1_to_200"""
SHOP = (CUSTOMERS, FILLED, ORDERS, ORDERED)
BY_ZONE = {"name": "daily", "table": "orders", "measure": "sum(total)", "date": "at", "grains": ["day", "week"]}


def chain_of(home: Path, server: Server, database: str, **more: object) -> Chain:
    tables = [{"table": f"{database}.customers"}, {"table": f"{database}.orders", "partition": ["month(day)"]}]
    return source_chain(
        home,
        "mariadb",
        reader(server, database),
        more.pop("tables", tables),  # type: ignore[arg-type]
        more.pop("kpis", [*KPIS, BY_ZONE]),  # type: ignore[arg-type]
        calendar={"time_zone": "Europe/Zurich"},
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(autouse=True)
def home(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path))
    return tmp_path


def test_a_planted_cent_is_found(home: Path, maria: Server) -> None:
    check_whole_way(chain_of(home, maria, made(maria, *SHOP)))


def test_the_command_line_migrates_what_it_drafted(home: Path, maria: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    database = made(
        maria,
        *SHOP,
        "CREATE TABLE docs (id INT PRIMARY KEY, d JSON, wide DECIMAL(65,30), `a b` INT)",
        "INSERT INTO docs VALUES (1, '{\"a\": 1.10}', 1, 2), (2, NULL, NULL, NULL)",
        "CREATE TABLE old (id INT PRIMARY KEY) ENGINE = Aria",
        "CREATE VIEW seen AS SELECT id FROM orders",
    )
    monkeypatch.setenv("AIRFLOW_CONN_MARIA", json.dumps(reader(maria, database)))
    done = run("doctor", "maria")
    assert done.exit_code == 0, done.output
    assert "GRANT SELECT ON" in done.output
    path = home / f"{database}.yaml"
    done = run("init", "maria", "--output", path, "--landing", f"s3://landing/{database}")
    assert done.exit_code == 0, done.output
    text = path.read_text()
    assert f"{database}.old is a table of the engine Aria" in text
    assert f"{database}.seen is a view" in text
    spec = check_file(path).spec
    assert spec.source.kind == "mariadb"
    assert {t.table for g in spec.groups for t in g.tables} == {
        f"{database}.{t}" for t in ("customers", "orders", "docs")
    }
    done = run("plan", path)
    assert done.exit_code == 0, done.output
    done = run("run", path)
    assert done.exit_code == 0, done.output
    done = run("parity", path)
    assert done.exit_code == 0, done.output
    told(maria, "UPDATE orders SET total = total + 0.01 WHERE id = 77", database=database)
    done = run("parity", path, "--drill", "--recheck-after", "0s")
    assert done.exit_code == 1
    assert "id=77" in done.stdout


@pytest.mark.parametrize(("column", "size"), [("id", "150 keys"), ("day", "1 month"), ("seen", "1 month")])
def test_it_is_moved_in_windows(home: Path, maria: Server, column: str, size: str) -> None:
    database = made(
        maria,
        *SHOP,
        "ALTER TABLE orders ADD COLUMN seen DATETIME(6)",
        "UPDATE orders SET seen = day + INTERVAL 86399 SECOND WHERE id > 3",
    )
    chain = chain_of(home, maria, database)
    file = json.loads(chain.file.read_text())
    file["pattern"] = "phased"
    file["groups"][0]["window"] = {"table": f"{database}.orders", "column": column, "size": size}
    chain.file.write_text(json.dumps(file))
    done = run("run", chain.file)
    assert done.exit_code == 0, done.output
    done = run("parity", chain.file)
    assert done.exit_code == 0, done.output


def source_of(server: Server, database: str, *, reload: bool = True, readers: int = 2) -> MariaDbSource:
    given = json.dumps(reader(server, database, reload=reload))
    return MariaDbSource(from_json("maria", given), readers=readers)


def planned(source: MariaDbSource, *names: str) -> list[TablePlan]:
    found = {t.name: t for t in source.describe(["*.*"])}
    return [plan_table(TableSpec(table=found[name].label), found[name], lambda *_: ()) for name in names]


@contextmanager
def writing(server: Server, database: str) -> Iterator[threading.Event]:
    """Somebody who moves an amount between two tables, and tells of each commit."""
    over, done = threading.Event(), threading.Event()

    def write() -> None:
        while not over.is_set():
            told(
                server,
                "BEGIN",
                "UPDATE one SET v = v - 1",
                "UPDATE other SET v = v + 1",
                "COMMIT",
                database=database,
            )
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield done
    finally:
        over.set()
        writer.join()


@pytest.mark.parametrize(("reload", "readers"), [(True, 3), (False, 1)])
def test_all_readers_see_one_state_while_somebody_writes(maria: Server, reload: bool, readers: int) -> None:
    moved = [f"CREATE TABLE {name} (id INT PRIMARY KEY, v INT)" for name in ("one", "other")]
    database = made(maria, *moved, "INSERT INTO one VALUES (1, 0)", "INSERT INTO other VALUES (1, 0)")
    source = source_of(maria, database, reload=reload, readers=3)
    with writing(maria, database) as done:
        for _ in range(3):
            with source.snapshot(planned(source, "one", "other")) as cut:
                assert cut.readers == readers
                seen = []
                for _ in range(readers * 2):
                    done.clear()
                    assert done.wait(60)
                    sums = cut.query(
                        "SELECT (SELECT sum(v) FROM one) AS a, (SELECT sum(v) FROM other) AS b"
                    ).to_pylist()
                    seen.append((int(sums[0]["a"]), int(sums[0]["b"])))
                    assert sum(seen[-1]) == 0
                assert len(set(seen)) == 1


def test_tables_of_a_cut_cannot_be_altered_while_it_is_read(maria: Server) -> None:
    database = made(maria, *SHOP)
    source = source_of(maria, database)
    with source.cut(planned(source, "orders")) as cut:
        for ddl in ("TRUNCATE orders", "DROP TABLE orders", "ALTER TABLE orders ADD COLUMN x INT"):
            with pytest.raises(Exception, match="Lock wait timeout"):
                told(maria, "SET lock_wait_timeout = 0", ddl, database=database)
        assert cut.query("SELECT count(*) AS n FROM orders").to_pylist() == [{"n": 200}]
    told(maria, "ALTER TABLE orders ADD COLUMN x INT", database=database)


def test_a_session_that_is_lost_ends_the_cut(maria: Server) -> None:
    database = made(maria, *SHOP)
    source = source_of(maria, database)

    def killed() -> None:
        with source.cut(planned(source, "orders")) as cut:
            for (thread,) in told(
                maria, "SELECT id FROM information_schema.processlist WHERE user LIKE 'r%' AND db = '" + database + "'"
            ):
                told(maria, f"KILL {thread}")
            cut.query("SELECT count(*) AS n FROM orders")

    with pytest.raises(SourceLostError) as caught:
        killed()
    assert "of-tests" not in str(caught.value)


def test_a_query_that_fails_half_way_leaves_the_snapshot_open(maria: Server) -> None:
    source = source_of(maria, made(maria, *SHOP))
    with source.cut() as cut:
        for _ in range(4):
            with pytest.raises(SourceError, match="Conversion Error"):
                cut.query(
                    "SELECT CAST(seq AS DECIMAL(65,0)) * 1000000000000000000000000000000000000000 AS x FROM seq_1_to_100000"
                )
        assert cut.query("SELECT count(*) AS n FROM orders").to_pylist() == [{"n": 200}]


def test_a_table_of_which_some_columns_may_be_read_is_refused(home: Path, maria: Server) -> None:
    database = made(maria, *SHOP)
    given = reader(maria, database)
    told(
        maria,
        f"REVOKE SELECT ON {database}.* FROM {given['login']}@'127.0.0.1'",
        f"GRANT SELECT (id, total) ON {database}.orders TO {given['login']}@'127.0.0.1'",
    )
    (found,) = MariaDbSource(from_json("maria", json.dumps(given))).describe(["*.*"])
    assert ([c.name for c in found.columns], found.readable) == (["id", "total"], False)


def test_nothing_can_be_written(maria: Server) -> None:
    database = made(maria, *SHOP)
    given = reader(maria, database)
    told(maria, f"GRANT ALL ON {database}.* TO {given['login']}@'127.0.0.1'")
    source = MariaDbSource(from_json("maria", json.dumps(given)))
    with source.snapshot() as cut:
        with pytest.raises(SourceError):
            cut.query("DELETE FROM orders")
        with cut._open() as (con, name), pytest.raises(duckdb.Error, match="READ ONLY"):
            con.execute(f"SELECT * FROM mysql_query('{name}', 'DELETE FROM orders RETURNING id')")
    assert told(maria, "SELECT count(*) FROM orders", database=database) == [(200,)]


@pytest.mark.parametrize(
    ("declared", "value", "types", "said"),
    [
        ("DATE", "'0000-00-00'", "", "a date with a zero in it"),
        ("DATE NOT NULL", "'2024-00-10'", "", "a date with a zero in it"),
        ("DATETIME", "'2023-02-29 10:00:00'", "", "a day that no calendar has"),
        ("TIME", "'-00:00:01'", "", "a time before 00:00:00"),
        ("TIME", "'24:00:00'", "", "a time before 00:00:00"),
        ("TINYINT(1)", "2", "boolean", "does not hold exactly"),
        ("BIGINT UNSIGNED", "9223372036854775808", "long", "more digits before the point"),
        ("INT UNSIGNED", "2147483648", "int", "more digits before the point"),
        ("DECIMAL(65,30)", "0.0000000000000000001", "decimal(38,18)", "more decimals"),
        ("DECIMAL(65,30)", "100000000000000000000", "decimal(38,18)", "more digits before the point"),
        ("DECIMAL(5,2)", "1.50", "int", "more decimals"),
    ],
)
def test_what_the_lake_cannot_hold_stops_the_run(
    home: Path, maria: Server, declared: str, value: str, types: str, said: str
) -> None:
    database = made(
        maria, f"CREATE TABLE odd (id INT PRIMARY KEY, v {declared})", f"INSERT INTO odd VALUES (1, {value})"
    )
    table = {"table": f"{database}.odd", "types": {"v": types} if types else {}}
    chain = chain_of(home, maria, database, tables=[table], kpis=[count_of("odd")])
    chain.plan()
    with pytest.raises(DataError, match=rf"'v': 1 rows hold .*{said}"):
        chain.step("extract")


@pytest.mark.parametrize(
    ("declared", "more", "said"),
    [
        ("DECIMAL(39,0)", {}, "decimals of up to 38 digits"),
        ("POINT", {}, "not carried"),
        ("DOUBLE", {"types": {"v": "decimal(9,2)"}}, "not carried as decimal"),
        ("BIT(2)", {"types": {"v": "boolean"}}, r"boolean is for bit\(1\)"),
        ("JSON", {"flatten": [{"column": "v", "fields": "infer"}]}, "documents of MariaDB are not flattened"),
        ("INT", {"special": {"v": "null"}}, "no values that need a policy"),
    ],
)
def test_what_is_not_carried_is_named(
    home: Path, maria: Server, declared: str, more: dict[str, object], said: str
) -> None:
    database = made(maria, f"CREATE TABLE odd (id INT PRIMARY KEY, v {declared})")
    chain = chain_of(home, maria, database, tables=[{"table": f"{database}.odd", **more}], kpis=[count_of("odd")])
    with pytest.raises(LakewardError, match=said):
        chain.plan()


def test_texts_are_filtered_and_masked_by_all_of_their_characters(home: Path, maria: Server) -> None:
    database = made(
        maria,
        "CREATE TABLE words (id INT PRIMARY KEY, w VARCHAR(20), secret VARCHAR(20))",
        r"INSERT INTO words VALUES (1, 'a\\b', 'é'), (2, 'A\\B', 'x'), (3, 'a\\b ', NULL), (4, 'a\\b', NULL)",
    )
    table = {
        "table": f"{database}.words",
        "filter": [{"column": "w", "op": "=", "value": "a\\b"}],
        "mask": {"secret": "hash"},
    }
    chain = chain_of(home, maria, database, tables=[table], kpis=[count_of("words")])
    chain.run("append")
    assert failing(chain.step("compare")["g"]) == {}
    rows = lake_rows(chain, "words")
    assert [(r["id"], r["w"]) for r in rows] == [(1, "a\\b"), (4, "a\\b")]
    assert rows[0]["secret"] == "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"
