"""A database of SQLite: moved with figures equal beside a writer, a planted cent found, odd values set aside."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from shop_world import CUSTOMERS, KPIS, ORDERS, ROWS, check_whole_way, run
from tests.chain import Chain
from tests.sources import count_of, lake_rows, source_chain

from lakeward.errors import SourceError, SpecError
from lakeward.lab import Lab

TABLES = [
    {"table": "customers"},
    {"table": "orders", "partition": ["month(day)"], "filter": [{"column": "id", "op": ">", "value": 0}]},
]
SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, country TEXT NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers, day DATE, total TEXT, note TEXT);
CREATE INDEX by_day ON orders (day);
"""


def make(file: Path, *more: str, mode: str = "wal") -> Path:
    with duckdb.connect() as con:
        customers = con.execute(CUSTOMERS).fetchall()
        orders = [[str(v) if n in {2, 3} else v for n, v in enumerate(row)] for row in con.execute(ROWS).fetchall()]
    with closing(sqlite3.connect(file)) as con:
        con.execute(f"PRAGMA journal_mode = {mode}")
        con.executescript(SHOP)
        con.executemany("INSERT INTO customers VALUES (?, ?, ?)", customers)
        con.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", orders)
        for sql in more:
            con.execute(sql)
        con.commit()
    return file


def chain_of(home: Path, file: Path, tables: object = None, kpis: object = None, **more: object) -> Chain:
    given = tables or [TABLES[0], {**TABLES[1], "types": {"total": "decimal(18,2)"}}]
    return source_chain(home, "sqlite", {"conn_type": "sqlite", "host": str(file)}, given, kpis or KPIS, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def home(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path))
    return tmp_path


def in_another_process(file: Path, code: str) -> subprocess.Popen[str]:
    """SQLite's locks are the process's: somebody else is another process."""
    lines = f"import sqlite3\nc = sqlite3.connect({str(file)!r}, timeout=0, isolation_level=None)\n{code}\nprint('done', flush=True)\ninput()"
    done = subprocess.Popen([sys.executable, "-c", lines], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    assert done.stdout.readline() == "done\n"
    return done


def test_a_planted_cent_is_found(home: Path) -> None:
    check_whole_way(chain_of(home, make(home / "shop.db")))


def test_doctor_and_init(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make(home / "shop.db")
    monkeypatch.setenv("AIRFLOW_CONN_LITE", f"sqlite:///{file}")
    assert run("doctor", "lite").exit_code == 0
    done = run("init", "lite", "--output", home / "lite.yaml")
    assert done.exit_code == 0, done.output
    assert run("plan", home / "lite.yaml").exit_code == 0


def test_everything_is_of_one_instant_while_others_write(home: Path) -> None:
    file = make(home / "shop.db")
    chain = chain_of(home, file)
    with chain.ports() as ports, ports.source.cut() as cut:
        count = "SELECT count(*) AS n FROM main.orders"
        assert cut.query(count).to_pylist() == [{"n": ORDERS}]
        writer = in_another_process(
            file, "c.execute(\"INSERT INTO orders VALUES (999, 1, '2026-01-01', '1.00', 'x')\")"
        )
        assert cut.query(count).to_pylist() == [{"n": ORDERS}]
        writer.communicate("\n")
    assert chain.ports().__enter__().source.query(count).to_pylist() == [{"n": ORDERS + 1}]


def test_what_is_locked_is_told(home: Path) -> None:
    file = make(home / "shop.db", mode="delete")
    chain = chain_of(home, file)
    writer = in_another_process(file, "c.execute('BEGIN EXCLUSIVE')")
    try:
        with pytest.raises(SourceError, match="database is locked") as caught:
            chain.plan()
    finally:
        writer.communicate("\n")
    assert "WAL" in caught.value.todo


def test_a_file_that_is_replaced_while_it_is_read_counts_for_nothing(home: Path) -> None:
    chain = chain_of(home, make(home / "shop.db"))
    other = make(home / "other.db")

    def replaced() -> None:
        with chain.ports() as ports, ports.source.cut():
            other.replace(home / "shop.db")

    with pytest.raises(SourceError, match="was replaced while it was read"):
        replaced()


def test_values_of_another_storage_class_are_quarantined(home: Path) -> None:
    file = make(
        home / "odd.db",
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, n INTEGER, d DATE)",
        "INSERT INTO odd VALUES (1, 7, '2026-01-01'), (2, 'abc', NULL), (3, NULL, 20260101), (4, X'ff', '2026-01-01')",
    )
    chain = chain_of(home, file, [{"table": "odd"}], [count_of("odd")], group={"quarantine": {"max_share": 0.9}})
    chain.run("append")
    assert [r["reason"] for r in lake_rows(chain, "g_quarantine", "reason, row_key", "row_key")] == [
        'n: "text abc" is no long',
        'd: "integer 20260101" is no date',
        'n: "blob FF" is no long',
    ]
    assert [r["id"] for r in lake_rows(chain, "odd", "id")] == [1]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("", "has no type"),
        ("NUMERIC", "SQLite keeps 15 digits"),
        ("DECIMAL(20,2)", "SQLite keeps 15 digits"),
        ("GEOMETRY", "the type GEOMETRY"),
    ],
)
def test_columns_that_tell_nothing_need_a_type(home: Path, declared: str, said: str) -> None:
    file = make(home / "odd.db", f"CREATE TABLE odd (id INTEGER PRIMARY KEY, v {declared})")
    with pytest.raises(SpecError, match=said):
        chain_of(home, file, [{"table": "odd"}], [count_of("odd")]).plan()
    assert chain_of(home, file, [{"table": "odd", "types": {"v": "string"}}], [count_of("odd")]).plan()
