"""The validate step on a real lake, store and ledger: what it stores, what it raises, and that it measures once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa
import pytest

from lakeward import __version__
from lakeward.adapters.connections import from_environment
from lakeward.adapters.duck_setup import connect, use_storage
from lakeward.adapters.open import open_ports
from lakeward.domain.evidence import Outcome, Verdict
from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, Plan, ReferencePlan, TablePlan
from lakeward.domain.file_facts import Staged, StagedTable
from lakeward.domain.identity import cut_id, verdict_key
from lakeward.domain.stored import from_json
from lakeward.errors import DataError, LakewardError
from lakeward.lab import Lab
from lakeward.ports import Ports, silent
from lakeward.spec.models import LiftAndShift
from lakeward.spec.rules import Rule
from lakeward.steps.artifacts import read_staged, write_staged
from lakeward.steps.validate import put_rules, validate

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def column(name: str, kind: str, role: str = "value", *, required: bool = False) -> LakeColumn:
    return LakeColumn(name, kind, required, role, name)


CUSTOMERS = LakeTable("customers", (column("id", "long", required=True), column("name", "string")), ("id",))
ORDERS = LakeTable(
    "orders", (column("id", "long", required=True), column("customer_id", "long"), column("state", "string")), ("id",)
)
LINES = LakeTable(
    "lines",
    (column("orders_id", "long", "parent"), column("position", "long", "position"), column("sku", "string")),
    (),
    kind="list",
)
REFERENCES = (
    ReferencePlan("orders", ("customer_id",), "customers", ("id",), "file"),
    ReferencePlan("lines", ("orders_id",), "orders", ("id",), "parent"),
)
GOOD = {
    "customers": [(1, "Anna"), (2, "<b>Bob</b>")],
    "orders": [(10, 1, "paid"), (11, None, "open")],
    "lines": [(10, 0, "a"), (10, 1, "b"), (11, 0, "a")],
}


@dataclass
class World:
    plan: Plan
    ports: Ports

    def validate(self) -> Verdict:
        return validate(self.plan, "shop", self.ports, AT, silent)

    def stored(self, suffix: str) -> list[tuple[str, bytes]]:
        found = [key for key, _ in self.ports.store.list(f"{self.plan.migration.migration}/evidence/")]
        return [(key, (self.ports.store.get(key) or (b"", ""))[0]) for key in found if key.endswith(suffix)]


@contextmanager
def world(home: Path, rows: dict[str, Sequence[tuple[object, ...]]], *rules: Rule) -> Iterator[World]:
    """Tables staged in the lab's warehouse; ``rules`` are the orders table's own."""
    name = f"val_{uuid4().hex[:10]}"
    orders = replace(ORDERS, rules=rules)
    tables = (CUSTOMERS, orders, LINES)
    migration = LiftAndShift.model_validate(
        {
            "pattern": "lift_and_shift",
            "migration": name,
            "source": {"connection": "retail_source"},
            "target": {"connection": "lakehouse", "namespace": name},
            "landing": {"path": "s3://landing/validate", "connection": "landing"},
            "groups": [{"name": "shop", "tables": [{"table": f"public.{t.name}"} for t in tables[:2]]}],
            "kpis": [{"name": "orders", "table": "orders", "measure": "count()"}],
        }
    )
    plans = (_table_plan(CUSTOMERS), _table_plan(orders, LINES))
    group = GroupPlan("shop", cut_id(name, "shop", "all", "run"), plans, REFERENCES, 0.01)
    plan = Plan(migration, "", "", __version__, "run", AT, (group,))
    with open_ports(migration, from_environment, home) as ports:
        ports.lake.prepare(tables, name)
        staged = tuple(_stage(ports, table, rows[table.name]) for table in tables)
        write_staged(ports.store, plan, group, Staged("shop", group.cut_id, staged))
        yield World(plan, ports)


def _table_plan(*lake: LakeTable) -> TablePlan:
    return TablePlan("public", lake[0].name, (), (), (), lake, scan=True, ctid=True, estimated_rows=0)


def _stage(ports: Ports, table: LakeTable, rows: Sequence[tuple[object, ...]]) -> StagedTable:
    types = {"long": pa.int64(), "string": pa.string()}
    schema = pa.schema([pa.field(c.name, types[c.type], nullable=not c.required) for c in table.columns])
    data = pa.table([pa.array([row[n] for row in rows], f.type) for n, f in enumerate(schema)], schema=schema)
    files = ports.lake.write(table, data.to_reader(), "try1", silent)
    return StagedTable(table.name, files, len(rows), len(rows) + 1, 1)


@pytest.fixture
def home(lab: Lab, tmp_path: Path) -> Path:
    assert "AIRFLOW_CONN_LAKEHOUSE" in os.environ
    return tmp_path


def test_good_rows_pass_and_evidence_is_kept(home: Path) -> None:
    with world(home, GOOD) as here:
        verdict = here.validate()
        assert verdict.outcome is Outcome.PASS
        assert verdict.summary == (
            "9 rules put to 7 rows of 3 tables: 9 passed, 0 failed, 0 warned, 0 could not be evaluated."
        )
        assert (verdict.checked, verdict.failed, verdict.findings) == (7, 0, ())
        [(key, body)] = here.stored(".json")
        assert key == verdict_key(verdict.migration, "shop", verdict.cut_id, "records", "rules", verdict.inputs_hash)
        assert from_json(Verdict, body) == verdict
        [(page_key, page)] = here.stored(".html")
        assert verdict.files[0].url == here.ports.store.url(page_key)
        assert b"orders_id, position together are unique" in page
        assert here.ports.ledger.verdicts(verdict.migration) == (verdict,)


def test_another_cut_of_the_very_files_has_a_verdict_of_its_own(home: Path) -> None:
    with world(home, GOOD) as here:
        first = here.validate()
        group = replace(here.plan.group("shop"), cut_id=cut_id(here.plan.migration.migration, "shop", "all", "again"))
        staged = replace(read_staged(here.ports.store, here.plan, here.plan.group("shop")), cut_id=group.cut_id)
        again = put_rules(here.plan, group, staged, here.ports, AT)
        assert (again.cut_id, again.outcome) == (group.cut_id, Outcome.PASS)
        assert {from_json(Verdict, body).cut_id for _, body in here.stored(".json")} == {first.cut_id, again.cut_id}


def test_failing_rows_are_named_and_kept_and_measured_once(home: Path) -> None:
    rows = {**GOOD, "orders": [(10, 1, "paid"), (12, 99, "<script>alert(1)</script>"), (13, 98, "paid")]}
    states = Rule(expect="expect_column_values_to_be_in_set", args={"column": "state", "value_set": ("paid", "open")})
    with world(home, rows, states) as here:
        with pytest.raises(DataError) as raised:
            here.validate()
        told = str(raised.value)
        assert f"group shop of {here.plan.migration.migration} at cut" in told
        assert 'orders: "customer_id names a row of customers (id)" (2 of 3: id=12 (customer_id=99); id=13' in told
        assert 'lines: "orders_id names a row of orders (id)" (1 of 3: orders_id=11)' in told
        assert "Report: s3://landing/validate/" in told
        assert "start a new run" in told
        [verdict] = here.ports.ledger.verdicts(here.plan.migration.migration)
        assert (verdict.outcome, verdict.failed) == (Outcome.FAIL, 4)
        [(_, body)] = here.stored(".json")
        assert from_json(Verdict, body) == verdict
        [(_, page)] = here.stored(".html")
        assert b"<script>" not in page
        assert b"&lt;script&gt;alert(1)" in page
        assert len(here.stored(".parquet")) == 3
        assert _rows(here.ports, verdict.files[2].url) == [(12, 99), (13, 98)]

        broken = replace(here.ports, validator=_Refusing())
        with pytest.raises(DataError, match="customer_id names a row"):
            validate(here.plan, "shop", broken, AT, silent)


def test_a_warning_opens_and_is_shown(home: Path) -> None:
    warns = Rule(
        expect="expect_column_values_to_be_in_set",
        args={"column": "state", "value_set": ("paid",)},
        severity="warn",
        why="the new shop knows no other",
    )
    with world(home, GOOD, warns) as here:
        verdict = here.validate()
        assert verdict.outcome is Outcome.WARN
        assert verdict.findings[0].message == "1 of 2: id=11 (state=open)"
        assert verdict.findings[0].dimensions == {"outcome": "warn"}
        assert b"the new shop knows no other" in here.stored(".html")[0][1]


def test_a_rule_that_cannot_be_evaluated_fails_the_task_and_is_tried_again(home: Path) -> None:
    odd = Rule(expect="expect_column_values_to_match_regex", args={"column": "state", "regex": r"\p{Nope}aid"})
    with world(home, GOOD, odd) as here:
        for _ in range(2):
            with pytest.raises(LakewardError, match="could not be evaluated in group shop") as raised:
                here.validate()
            assert not isinstance(raised.value, DataError)
            assert r"state matches \p{Nope}aid" in str(raised.value)
        [verdict] = here.ports.ledger.verdicts(here.plan.migration.migration)
        assert verdict.outcome is Outcome.ERROR
        assert b"Could not be evaluated" in here.stored(".html")[0][1]


def test_other_rules_or_files_are_other_inputs(home: Path) -> None:
    with world(home, GOOD) as one, world(home, {**GOOD, "lines": []}) as other:
        assert one.validate().inputs_hash != other.validate().inputs_hash


class _Refusing:
    """Stands where nothing may be measured."""

    def validate(self, *_: object, **__: object) -> tuple[()]:
        raise AssertionError("it measured again")


def _rows(ports: Ports, url: str) -> list[tuple[object, ...]]:
    con: duckdb.DuckDBPyConnection = connect("128MB", 1, "")
    try:
        use_storage(con, ports.store.access, url)
        return con.execute(f"SELECT * FROM read_parquet('{url}') ORDER BY ALL").fetchall()
    finally:
        con.close()
