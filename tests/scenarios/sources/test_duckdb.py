"""A file of DuckDB, from `lakeward init` to a cent that is found; and what must not be read from it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from shop_world import CUSTOMERS, KPIS, ORDERS, ROWS, check_whole_way, drilled, run
from tests.chain import Chain
from tests.sources import count_of, failing, lake_rows, source_chain

from lakeward.errors import DataError, SourceError, SpecError
from lakeward.lab import Lab
from lakeward.reader import resolve
from lakeward.steps.check import check_file
from lakeward.steps.plan import preview

TABLES = [{"table": "customers"}, {"table": "main.orders", "partition": ["month(day)"]}]


def make(file: Path, *more: str) -> Path:
    with duckdb.connect(str(file)) as con:
        con.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR, country VARCHAR NOT NULL)")
        con.execute(
            "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), day DATE, "
            "total DECIMAL(18,2), note VARCHAR)"
        )
        con.execute(f"INSERT INTO customers {CUSTOMERS}")
        con.execute(f"INSERT INTO orders {ROWS}")
        for sql in more:
            con.execute(sql)
    return file


def chain_of(home: Path, file: Path, tables: list[dict[str, object]] | None = None, kpis: object = None) -> Chain:
    given = TABLES if tables is None else tables
    return source_chain(home, "duckdb", {"conn_type": "duckdb", "host": str(file)}, given, kpis or KPIS)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def home(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path))
    return tmp_path


def test_a_planted_cent_is_found(home: Path) -> None:
    check_whole_way(chain_of(home, make(home / "shop.duckdb")))


def test_the_command_line_migrates_what_it_drafted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make(
        home / "shop.duckdb",
        "CREATE TABLE docs (id INTEGER PRIMARY KEY, d STRUCT(a DECIMAL(5,2), tags VARCHAR[]))",
        "INSERT INTO docs VALUES (1, {'a': 1.10, 'tags': ['x', 'y']}), (2, NULL)",
    )
    monkeypatch.setenv("AIRFLOW_CONN_DUCK", f"duckdb:///{file}")
    assert run("doctor", "duck").exit_code == 0
    path = home / f"{file.stem}_{home.name.replace('-', '_')}.yaml"
    done = run(
        "init",
        "duck",
        "--output",
        path,
        "--name",
        f"duck_{abs(hash(home)) % 10**8}",
        "--landing",
        f"s3://landing/{home.name}",
    )
    assert done.exit_code == 0, done.output
    spec = check_file(path).spec
    assert spec.source.kind == "duckdb"
    assert {t.table for g in spec.groups for t in g.tables} == {"main.customers", "main.orders", "main.docs"}
    planned = run("plan", path)
    assert planned.exit_code == 0, planned.output
    done = run("run", path)
    assert done.exit_code == 0, done.output
    assert run("status", path).exit_code == 0
    assert run("parity", path).exit_code == 0
    with duckdb.connect(str(file)) as con:
        con.execute("UPDATE orders SET total = total + 0.01 WHERE id = 77")
        con.execute("UPDATE docs SET d = {'a': 1.11, 'tags': ['x', 'y']} WHERE id = 1")
    done = run("parity", path, "--drill", "--recheck-after", "0s")
    assert done.exit_code == 1
    assert "id=77" in done.stdout
    repaired = run("repair", path, "--confirm", "--group", "customers")
    assert repaired.exit_code == 0, repaired.output


def test_what_another_process_writes_to_is_not_read(home: Path) -> None:
    file = make(home / "shop.duckdb")
    chain = chain_of(home, file)
    writer = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb; c = duckdb.connect({str(file)!r}); print('open', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "open\n"
    try:
        with pytest.raises(SourceError, match="Could not set lock") as caught:
            chain.plan()
    finally:
        writer.communicate("\n")
    assert "open for writing" in caught.value.todo
    assert chain.plan().groups


def test_a_file_that_is_replaced_while_it_is_read_counts_for_nothing(home: Path) -> None:
    file = make(home / "shop.duckdb")
    other = make(home / "other.duckdb")
    chain = chain_of(home, file)

    def replaced() -> None:
        with chain.ports() as ports, ports.source.cut() as cut:
            assert cut.query("SELECT count(*) AS n FROM main.orders").to_pylist() == [{"n": 200}]
            other.replace(file)

    with pytest.raises(SourceError, match="changed or replaced while it was read"):
        replaced()


@pytest.mark.parametrize(
    ("declared", "value", "said"),
    [
        ("TIMESTAMP_NS", "'2026-01-01 00:00:00.123456789'", "finer than a microsecond"),
        ("DATE", "'infinity'", "infinity"),
        ("HUGEINT", "170141183460469231731687303715884105727", "does not hold exactly"),
        ("STRUCT(a DOUBLE)", "{'a': 'nan'::DOUBLE}", "inside a nested value"),
    ],
)
def test_what_the_lake_cannot_hold_stops_the_run(home: Path, declared: str, value: str, said: str) -> None:
    file = make(
        home / "odd.duckdb",
        f"CREATE TABLE odd (id INTEGER PRIMARY KEY, v {declared})",
        f"INSERT INTO odd VALUES (1, {value}), (2, NULL)",
    )
    chain = chain_of(home, file, [{"table": "odd"}], [count_of("odd")])
    chain.plan()
    with pytest.raises(DataError, match=rf"'v': 1 rows hold .*{said}"):
        chain.step("extract")


@pytest.mark.parametrize("declared", ["GEOMETRY", "VARIANT"])
def test_types_that_are_not_carried_are_named(home: Path, declared: str) -> None:
    file = home / "odd.duckdb"
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{file}' AS f (STORAGE_VERSION 'latest')")
        con.execute(f"CREATE TABLE f.odd (id INTEGER PRIMARY KEY, v {declared})")
    with pytest.raises(SpecError, match=f"has the type {declared}, which is not carried"):
        chain_of(home, file, [{"table": "odd"}], [count_of("odd")]).plan()
    assert chain_of(home, file, [{"table": "odd", "types": {"v": "string"}}], [count_of("odd")]).plan()


def test_a_view_over_files_has_no_snapshot(home: Path) -> None:
    (home / "x.csv").write_text("a\n1\n")
    file = make(
        home / "shop.duckdb",
        f"CREATE VIEW outside AS SELECT * FROM read_csv('{home}/x.csv')",
        "CREATE VIEW inside AS SELECT id, total FROM orders",
    )
    with pytest.raises(SpecError, match="which has no snapshot"):
        chain_of(home, file, [{"table": "outside"}], [count_of("outside")]).plan()
    assert failing(chain_of(home, file, [{"table": "inside"}], [count_of("inside")]).run()["g"]) == {}


def test_a_column_that_is_added_after_planning_is_named(home: Path) -> None:
    file = make(home / "shop.duckdb", "CREATE TABLE items (id INTEGER PRIMARY KEY)")
    chain = chain_of(home, file, [{"table": "items"}], [count_of("items")])
    chain.plan()
    with duckdb.connect(str(file)) as con:
        con.execute("ALTER TABLE items ADD COLUMN late INTEGER")
    with pytest.raises(SourceError, match="column 'late' \\(INTEGER\\) is new"):
        chain.step("extract")


def test_texts_that_are_not_of_the_declared_type_are_quarantined_with_what_they_say(home: Path) -> None:
    file = make(
        home / "texts.duckdb",
        "CREATE TABLE texts (id INTEGER PRIMARY KEY, amount VARCHAR)",
        "INSERT INTO texts VALUES (1, '1.10'), (2, 'abc'), (3, NULL), (4, '1.234')",
    )
    table = {"table": "texts", "types": {"amount": "decimal(9,2)"}}
    chain = source_chain(
        home,
        "duckdb",
        {"conn_type": "duckdb", "host": str(file)},
        [table],
        [{"name": "sum", "table": "texts", "measure": "sum(amount)"}],
        group={"quarantine": {"max_share": 0.6}},
    )
    verdicts = chain.run()["g"]
    assert isinstance(verdicts, tuple)
    counts = next(v for v in verdicts if v.kind == "counts")
    assert counts.outcome == "pass"
    assert "2 in quarantine" in counts.summary
    assert "texts.amount: 2 x texts of another type quarantined" in counts.summary
    aside = lake_rows(chain, "g_quarantine", "reason, row_key, raw::JSON->>'#unread' AS told", "row_key")
    assert [(row["row_key"], row["reason"]) for row in aside] == [
        ('{"id":"2"}', 'amount: "abc" is no decimal(9,2)'),
        ('{"id":"4"}', 'amount: "1.234" is no decimal(9,2)'),
    ]
    assert str(aside[1]["told"]).endswith('\n{"amount":"1.234"}')
    assert lake_rows(chain, "texts") == [{"id": 1, "amount": Decimal("1.10")}, {"id": 3, "amount": None}]


def test_masks_filters_and_figures_by_hand(home: Path) -> None:
    file = make(home / "shop.duckdb")
    tables = [
        {"table": "customers", "mask": {"name": "hash"}},
        {
            "table": "orders",
            "filter": [{"column": "day", "op": ">=", "value": "2026-01-20"}],
            "mask": {"note": "redact"},
        },
    ]
    by_hand = {
        "source": "SELECT c.country, sum(o.total) AS total FROM orders o JOIN customers c ON c.id = o.customer WHERE o.day >= CAST('2026-01-20' AS DATE) GROUP BY c.country",
        "lake": "SELECT c.country, sum(o.total) AS total FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.country",
        "columns": {"country": "string", "total": "decimal(38,2)"},
    }
    kpis = [
        *KPIS,
        {"name": "hand", "table": "orders", "measure": "sum(total)", "dimensions": ["country"], "sql": by_hand},
    ]
    chain = chain_of(home, file, tables, kpis)
    assert failing(chain.run()["g"]) == {}
    (first,) = lake_rows(chain, "customers", "id, name", "id")[2:3]
    assert first == {"id": 3, "name": hashlib.sha256(b"name 3").hexdigest()}
    assert {r["note"] for r in lake_rows(chain, "orders", "id, note")} == {"***"}


def test_it_is_moved_in_windows(home: Path) -> None:
    chain = chain_of(home, make(home / "shop.duckdb"))
    file = json.loads(chain.file.read_text())
    file["pattern"] = "phased"
    file["groups"][0]["window"] = {"table": "main.orders", "column": "id", "size": "150 keys"}
    chain.file.write_text(json.dumps(file))
    done = run("run", chain.file)
    assert done.exit_code == 0, done.output
    assert run("parity", chain.file).exit_code == 0
    assert len(lake_rows_of(chain)) == ORDERS


def lake_rows_of(chain: Chain) -> list[object]:
    """Orders that readers see."""
    with chain.ports() as ports:
        plan = preview(chain.loaded, ports, "look", datetime.now(UTC))
        lake = next(t for t in plan.groups[0].lake_tables if t.name == "orders")
        pointer = resolve(ports.store, chain.loaded.spec.migration, "g")
        files = ports.lake.snapshot(lake, pointer.tables[ports.lake.qualified("orders")])
        found: list[object] = ports.engine.table("SELECT id FROM t", {"t": files}).to_pylist()
    return found


def test_rows_with_declared_texts_are_repaired(home: Path) -> None:
    file = make(
        home / "texts.duckdb",
        "CREATE TABLE texts (id INTEGER PRIMARY KEY, amount VARCHAR)",
        "INSERT INTO texts VALUES (1, '1.10'), (2, '2.20')",
    )
    chain = chain_of(home, file, [{"table": "texts", "types": {"amount": "decimal(9,2)"}}], [count_of("texts")])
    assert failing(chain.run()["g"]) == {}
    with duckdb.connect(str(file)) as con:
        con.execute("UPDATE texts SET amount = '2.21' WHERE id = 2")
    assert drilled(chain)[0] == 1
    done = run("repair", chain.file, "--group", "g", "--confirm")
    assert done.exit_code == 0, done.output
    assert drilled(chain)[0] == 0
