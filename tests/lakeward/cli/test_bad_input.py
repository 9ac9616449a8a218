"""What an operator meets when something beside the rows is wrong: one error that says what to do, an exit code, no traceback, no secret."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from botocore import auth
from click.testing import Result
from tests.fault_proxy import fault_proxy
from tests.lakeward.cli.conftest import Source

from lakeward.adapters.connections import from_environment

Run = Callable[..., Result]

TABLES = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric(12,2) NOT NULL, note text)",
    "INSERT INTO orders SELECT i, i, md5(i::text) || md5('a' || i) || md5('b' || i) || md5('c' || i) FROM generate_series(1, 5000) i",
)
FILE = """
version: 1
migration: {name}
pattern: lift_and_shift
source: {{connection: {conn}}}
target: {{connection: lakehouse, namespace: {name}}}
landing: {{path: ./landing}}
groups:
  - name: sales
    tables: [{{table: orders}}]
kpis:
  - {{name: revenue, table: orders, measure: sum(total)}}
"""


@pytest.fixture(scope="module")
def tables(source: Source) -> Source:
    source.execute(*TABLES)
    return source


@pytest.fixture
def shop(tables: Source, tmp_path: Path, home: Path) -> Path:
    """A migration file of its own."""
    path = tmp_path / "shop.yaml"
    path.write_text(FILE.format(name=f"bad{uuid4().hex[:8]}", conn=tables.conn))
    return path


def told(done: Result, code: int) -> str:
    """What was said, in one error that tells what to do."""
    assert done.exit_code == code, done.output
    assert isinstance(done.exception, SystemExit)
    assert "What to do: " in done.stderr
    assert "Traceback" not in done.stderr
    secrets = {s for name in ("landing", "lakehouse", "retail_source") for s in from_environment(name).secrets}
    assert not [secret for secret in secrets if secret in done.output + done.stderr]
    return done.stderr


def stored(home: Path, pattern: str) -> Path:
    """The one object of the landing whose path has this pattern."""
    (found,) = [p for p in (home / "landing").rglob("*") if p.is_file() and re.search(pattern, str(p))]
    return found


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "text": b"not json", "list": b"[]"}[how])


@pytest.mark.parametrize(
    ("until", "pattern", "how"),
    [
        ("plan", "/plans/.*json", "cut"),
        ("extract", "manifest.*json", "empty"),
        ("extract", "manifest.*json", "text"),
        ("flatten", "staged.*json", "list"),
    ],
)
def test_something_stored_that_was_damaged(
    cli: Run, shop: Path, home: Path, until: str, pattern: str, how: str
) -> None:
    assert cli("run", shop, "--until", until).exit_code == 0
    damage(stored(home, pattern), how)
    assert "can't be read" in told(cli("run", shop), 1)


def test_what_a_finished_run_left_that_was_damaged_is_named_by_every_command(cli: Run, shop: Path, home: Path) -> None:
    assert cli("run", shop).exit_code == 0
    last = max(p for p in (home / "landing").rglob("*") if re.search(r"/chain/\d+\.json$", str(p)))
    for path, commands in (
        (stored(home, "/pointers/sales.json"), {"status": 1, "run": 1, "parity": 2}),
        (last, {"status": 0, "run": 1, "parity": 2}),
        (stored(home, "/chain/0+1.json"), {"status": 0, "parity": 0, "run": 3}),
    ):
        whole = path.read_bytes()
        damage(path, "cut")
        for command, code in commands.items():
            done = cli(command, shop, *(["--at", "cut"] if command == "parity" else []))
            assert done.exit_code == code, (path, command, done.output)
            assert "Traceback" not in done.output
            if code:
                assert path.name in (done.output if code == 3 else told(done, code))
        path.write_bytes(whole)


@pytest.mark.parametrize("change", ["changed", "missing"])
def test_a_landed_file_that_is_not_what_was_landed_and_a_new_run(cli: Run, shop: Path, home: Path, change: str) -> None:
    assert cli("run", shop, "--until", "extract").exit_code == 0
    (landed,) = [p for p in (home / "landing").rglob("*.parquet") if p.parent.name == "orders"]
    if change == "missing":
        landed.unlink()
    else:
        landed.write_bytes(landed.read_bytes()[:-1] + b"\0")
    said = told(cli("run", shop), 1)
    assert f"{landed} is {change}" in said
    done = cli("run", shop, "--new")
    assert done.exit_code == 0, done.output


def test_a_table_that_was_altered_needs_a_new_run(cli: Run, shop: Path, tables: Source) -> None:
    assert cli("run", shop, "--until", "plan").exit_code == 0
    tables.execute("ALTER TABLE orders ADD COLUMN fee int")
    try:
        assert "column 'fee' (integer) is new" in told(cli("run", shop), 1)
        assert cli("run", shop, "--new").exit_code == 0
    finally:
        tables.execute("ALTER TABLE orders DROP COLUMN fee")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "wr0ng-secret"}, "Check login and password"),
        ({"port": 9}, "Check host and port"),
        ({"host": "nowhere.invalid"}, "Check the connection's host"),
        ({"schema": "nothing_here"}, "does not exist"),
    ],
)
def test_a_source_that_can_not_be_reached(
    cli: Run, shop: Path, tables: Source, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], said: str
) -> None:
    there = from_environment(tables.conn)
    fields = {"conn_type": "postgres", "host": there.host, "port": there.port, "login": there.login}
    fields |= {"password": there.password, "schema": there.schema}
    monkeypatch.setenv(f"AIRFLOW_CONN_{tables.conn.upper()}", json.dumps(fields | change))
    for command, code in (("plan", 2), ("run", 1)):
        text = told(cli(command, shop), code)
        assert said in text
        assert "wr0ng" not in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("table: orders}", "table: ordres}", "there is no table 'public.ordres'"),
        ("sum(total)", "sum(totl)", "totl"),
        ("measure: sum(total)", "measure: sum(total), dimensions: [notes]", "notes"),
        ("{table: orders}", "{table: orders, key: [idd]}", "there is no column 'idd'"),
        ("{table: orders}", "{table: orders, types: {note: long}}", "note"),
        ("connection: lakehouse", "connection: nowhere", "AIRFLOW_CONN_NOWHERE is not set"),
    ],
)
def test_a_file_that_contradicts_the_source(cli: Run, shop: Path, old: str, new: str, said: str) -> None:
    shop.write_text(shop.read_text().replace("table: orders, measure", "table: ORDERS, measure").replace(old, new))
    shop.write_text(shop.read_text().replace("table: ORDERS", "table: ordres" if "ordres" in new else "table: orders"))
    done = cli("plan", shop)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_everything_that_contradicts_the_source_is_told_at_once_with_its_line(cli: Run, shop: Path) -> None:
    wrong = """    tables:
      - table: orders
        key: [idd]
        mask: {emial: hash}
        types: {note: long}
        rename: {id: note}
        sort: [totall]
        partition: [month(total)]
      - table: ordres
kpis:
  - {name: revenue, table: orders, measure: sum(total)}
"""
    text = shop.read_text()
    shop.write_text(text[: text.index("    tables:")] + wrong)
    said = told(cli("plan", shop), 2)
    lines = shop.read_text().splitlines()
    for word, reason in {
        "key: [idd]": "there is no column 'idd': did you mean id?",
        "mask: {emial": "there is no column 'emial'",
        "types: {note": "'note'",
        "sort: [totall": "there is no column 'totall': did you mean total?",
        "month(total)": "month does not go with column 'total'",
        "table: ordres": "there is no table 'public.ordres' at the source, or it may not be seen: did you mean public.orders?",
    }.items():
        line = next(n for n, line in enumerate(lines, 1) if word in line)
        assert re.search(rf"{re.escape(str(shop))}:{line}:\d+: [^\n]*{re.escape(reason)}", said), (word, said)
        assert f"> {line} | {lines[line - 1]}" in said
    assert "6 problems" in said
    assert f"run `lakeward plan {shop}`" in said


def test_kpis_references_and_rules_on_what_is_not_there_have_their_lines(cli: Run, shop: Path) -> None:
    rest = """    tables:
      - table: orders
        sort: [ids]
        rules:
          - {expect: expect_column_values_to_be_unique, args: {column: idx}}
    references:
      - {table: orders, columns: [nothing], to: orders, to_columns: [id]}
kpis:
  - name: revenue
    table: orders
    measure: sum(totl)
    dimensions: [id, notes]
    filter: [{column: total, value: x}]
"""
    text = shop.read_text()
    shop.write_text(text[: text.index("    tables:")] + rest)
    said = told(cli("plan", shop), 2)
    for reason in (
        "no column 'ids'",
        "column 'idx'",
        "no column 'nothing'",
        "no column 'totl'",
        "no column 'notes'",
        "'x' is no value",
    ):
        assert len(re.findall(rf"{re.escape(str(shop))}:\d+:\d+: [^\n]*{reason}", said)) == 1, said
    assert "6 problems" in said
    assert "\n     |                  ^\n" in said  # under the first letter of `totl`


def test_a_disk_that_is_full(shop: Path, home: Path, cli: Run) -> None:
    """No file may grow beyond a size, which is told as a full disk is; then there is room again, and the run goes on."""
    assert cli("run", shop, "--until", "plan").exit_code == 0
    assert "Make room there" in without_room(shop, "extract", 200_000)
    assert not list((home / "landing").rglob("*manifest*"))
    again = cli("run", shop)
    assert again.exit_code == 0, again.output


def without_room(shop: Path, until: str, size: int) -> str:
    """What a run says in a process in which no file may grow beyond ``size`` bytes."""
    command = "from lakeward.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "run", str(shop), "--until", until],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.usefixtures("lab")
def test_a_lake_that_is_full_while_files_are_staged(
    shop: Path, home: Path, cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object store has no room for data files, however often it is asked; nothing is staged, and then there is room."""
    with fault_proxy(
        os.environ["LAKEWARD_LAB_S3"], meets=lambda r: r.method in {"PUT", "POST"} and ".parquet" in r.path
    ) as faults:
        keys = {name: value for name, value in from_environment("lakehouse").extra.items() if name.startswith("s3.")}
        where = {"type": "sql", "uri": f"sqlite:///{tmp_path}/lake.db", "warehouse": f"s3://landing/{uuid4().hex}"}
        extra = {**keys, **where, "s3.endpoint": faults.url}
        monkeypatch.setenv("AIRFLOW_CONN_LAKEHOUSE", json.dumps({"conn_type": "iceberg", "extra": extra}))
        assert cli("run", shop, "--until", "prepare").exit_code == 0
        faults.plan += ["507 before"] * 100
        said = told(cli("run", shop, "--until", "flatten"), 1)
        assert "has no room left" in said
        assert "Make room there" in said
        assert faults.met
        assert not list((home / "landing").rglob("*staged*"))
        faults.plan.clear()
        done = cli("run", shop)
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize("minutes", [-60, 60])
def test_a_clock_that_is_an_hour_off(cli: Run, shop: Path, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    off = dt.timedelta(minutes=minutes)
    real = auth.get_current_datetime
    monkeypatch.setattr(auth, "get_current_datetime", lambda *args, **kwargs: real(*args, **kwargs) + off)
    assert "set both by NTP" in told(cli("run", shop), 1)
    monkeypatch.undo()


def test_keys_that_are_revoked_midway(cli: Run, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("run", shop, "--until", "flatten").exit_code == 0
    good = os.environ["AIRFLOW_CONN_LAKEHOUSE"]
    monkeypatch.setenv("AIRFLOW_CONN_LAKEHOUSE", re.sub(r'("client\.access-key-id": ")[^"]+', r"\1REVOKED", good))
    assert "refuses the keys" in told(cli("run", shop), 1)
    monkeypatch.setenv("AIRFLOW_CONN_LAKEHOUSE", good)
    done = cli("run", shop)
    assert done.exit_code == 0, done.output
