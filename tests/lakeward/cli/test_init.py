"""`lakeward init`, `lakeward plan`, `lakeward doctor`: on databases as they are found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import Result
from tests.lakeward.cli.conftest import Source

from lakeward.adapters.objects import MemoryStore
from lakeward.cli.doctor_checks import conditional_writes
from lakeward.lab import Lab
from lakeward.spec.models import LiftAndShift
from lakeward.steps.check import check_file

Run = Callable[..., Result]

SHOP = (
    'CREATE TABLE "Customers" (id bigint PRIMARY KEY, "Full Name" text NOT NULL, since date, prefs json)',
    """CREATE TABLE orders (id int PRIMARY KEY, customer bigint NOT NULL REFERENCES "Customers", placed_at timestamptz NOT NULL,
       "Net Total" numeric(12,2), loose numeric, wait interval, at inet, doc jsonb)""",
    "CREATE TABLE lonely (x xml, note text, price numeric(10,2))",
    "CREATE SCHEMA old",
    "CREATE TABLE old.orders (id int, day date)",
    "CREATE TABLE old.nothing ()",
    "CREATE TABLE old.hidden (id int)",
    "CREATE TABLE old.events (id bigint PRIMARY KEY, at timestamptz NOT NULL)",
    "INSERT INTO old.events SELECT i, now() FROM generate_series(1, 100) i",
    "ANALYZE old.events",
    "UPDATE pg_class SET reltuples = 5e6 WHERE oid = 'old.events'::regclass",
    """INSERT INTO "Customers" VALUES (1, 'A', '2026-01-01', '{"mail": true}'), (2, 'B', NULL, NULL)""",
    """INSERT INTO orders VALUES (1, 1, '2026-01-01', 1.10, 1.123, '1 day', '::1', '{"items": [{"sku": "a", "price": 1.10}], "no: te": "x"}')""",
    "INSERT INTO lonely VALUES (NULL, 'n', 1.10)",
)


@pytest.fixture(scope="module")
def shop(source: Source) -> Source:
    """Mixed-case names, a numeric without bounds, tables without a key, two of one name, an empty one."""
    source.execute(*SHOP)
    return source


def test_a_drafted_file_is_good_and_can_be_planned(
    cli: Run, shop: Source, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "drafted" / "shop.yaml"
    done = cli("init", shop.conn, "--output", path, "--name", f"Shop {uuid4().hex[:6]}")
    assert done.exit_code == 0, done.output
    spec = check_file(path).spec
    assert isinstance(spec, LiftAndShift)
    groups = {group.name: {table.table: table for table in group.tables} for group in spec.groups}
    assert set(groups["customers"]) == {"public.Customers", "public.orders"}
    assert {"public.lonely", "old.orders", "old.events"} <= set(groups["others"])
    orders = groups["customers"]["public.orders"]
    assert orders.types == {"loose": "decimal(38,9)"}
    assert (orders.name, groups["others"]["old.orders"].name) == (None, "old_orders")
    assert groups["others"]["old.events"].partition == ("month(at)",)
    assert {"customers_count", "orders_net_total", "lonely_price"} <= {kpi.name for kpi in spec.kpis}
    dates = {kpi.table: kpi.date for kpi in spec.kpis}
    assert (dates["orders"], dates["lonely"]) == ("placed_at", None)
    assert "#   old.nothing: " in path.read_text()
    assert "the widest values at the source have 1 digits before and 3 after the point" in path.read_text()
    assert 'measure: "sum(\\"Net Total\\")"' in path.read_text()

    planned = cli("plan", path)
    assert planned.exit_code == 0, planned.output
    for shown in ("doc -> items[].price", "decimal(", "foreign key of the source", "types inferred from 1 records"):
        assert shown in planned.stdout
    assert "The ledger knows no migration yet" in cli("status").stdout


def test_a_file_that_is_there_is_not_overwritten(cli: Run, shop: Source, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text("mine")
    done = cli("init", shop.conn, "--output", path)
    assert done.exit_code == 2
    assert "is there already" in done.stderr
    assert path.read_text() == "mine"
    assert cli("init", shop.conn, "--output", path, "--force").exit_code == 0
    assert "lift_and_shift" in path.read_text()


def test_the_draft_can_be_had_on_stdout_for_some_tables(cli: Run, shop: Source) -> None:
    done = cli("init", shop.conn, "-o", "-", "-t", "old.e*", "--time-zone", "Europe/Zurich", "--landing", "./there")
    assert done.exit_code == 0
    assert "old.events" in done.stdout
    assert "public" not in done.stdout
    assert "time_zone: Europe/Zurich" in done.stdout


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["nowhere"], "AIRFLOW_CONN_NOWHERE is not set"),
        (["lakehouse"], "--path the namespace"),
        (["landing"], "--path `s3://bucket/prefix`, or a folder"),
    ],
)
def test_no_source_no_file(cli: Run, lab: Lab, tmp_path: Path, args: list[str], reason: str) -> None:
    done = cli("init", *args, "-o", tmp_path / "x.yaml")
    assert done.exit_code == 2
    assert reason in done.stderr
    assert not (tmp_path / "x.yaml").exists()


def test_tables_that_no_pattern_names(cli: Run, shop: Source, tmp_path: Path) -> None:
    done = cli("init", shop.conn, "-o", tmp_path / "x.yaml", "-t", "nope.*")
    assert done.exit_code == 2
    assert "No table that matches nope.* can be migrated" in done.stderr


def test_a_plan_on_what_is_not_there_names_it(cli: Run, lab: Lab, home: Path, tmp_path: Path) -> None:
    retail = (Path(__file__).parents[3] / "dags" / "migrations" / "retail.yaml").read_text()
    path = tmp_path / "x.yaml"
    path.write_text(retail.replace("sum(total_amount)", "sum(total_amout)").replace("[weight_kg]", "[wait_kg]"))
    done = cli("plan", path)
    assert done.exit_code == 2
    assert "no column matches 'wait_kg'" in done.stderr
    assert "did you mean weight_kg?" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_finds_the_lab_well(cli: Run, lab: Lab, home: Path) -> None:
    done = cli("doctor", "retail_source", "lakehouse", "landing")
    assert done.exit_code == 0, done.output
    for found in ("exports snapshots", "one transaction", "If-Match hold", "0.0 s apart"):
        assert found in done.stdout
    assert re.search(r"\b(\d+) of \1 tables can be read", done.stdout), "every table, whatever other tests added"
    assert 'GRANT SELECT ON "public"."customers"' in done.stdout


def test_doctor_names_what_is_wrong_and_never_a_password(
    cli: Run, lab: Lab, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = lab.status().postgres_port  # type: ignore[union-attr]  # it is up
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", f"postgres://lakeward_reader:hunter2@127.0.0.1:{port}/retail")
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", "postgres://reader:hunter2@127.0.0.1:1/retail")
    monkeypatch.setenv("AIRFLOW_CONN_MAIL", "smtp://user:hunter2@127.0.0.1:25")
    done = cli("doctor", "wrong", "down", "nowhere", "mail")
    assert done.exit_code == 1
    assert done.stdout.count("fail") >= 3
    assert "AIRFLOW_CONN_NOWHERE is not set" in " ".join(done.stdout.split())
    assert "type smtp" in done.stdout
    assert "hunter2" not in done.output


def test_doctor_prints_what_to_grant(
    cli: Run, shop: Source, lab: Lab, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"poor_{uuid4().hex[:6]}"
    shop.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'", f"GRANT SELECT ON public.lonely TO {role}")
    try:
        host = shop.uri.rpartition("@")[2]
        monkeypatch.setenv("AIRFLOW_CONN_POOR", f"postgres://{role}:x@{host}")
        done = cli("doctor", "poor", "-t", "public.*")
        assert done.exit_code == 0
        assert "1 of 3 tables can be read, not public.Customers, public.orders" in " ".join(done.stdout.split())
        assert f'GRANT SELECT ON "public"."Customers", "public"."lonely", "public"."orders" TO "{role}";' in done.stdout
    finally:
        shop.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_store_that_ignores_conditions_fails() -> None:
    class Careless(MemoryStore):
        def put_new(self, key: str, data: bytes) -> bool:
            self.put(key, data)
            return True

    good, bad = MemoryStore(), Careless()
    assert [check.outcome for check in conditional_writes(good)] == ["ok", "ok"]
    assert [check.outcome for check in conditional_writes(bad)] == ["fail", "ok"]
    assert not list(good.list(""))
    assert not list(bad.list(""))
