"""Runs of the shop, and what a run must leave: the source's rows, each once, in one cut that the pointer shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import psycopg
from tests.chain import Chain
from tests.databases import airflow_connection

from lakeward.adapters.connections import from_environment
from lakeward.adapters.iceberg import IcebergLake
from lakeward.adapters.ledger import MemoryLedger
from lakeward.adapters.open import Resolve
from lakeward.domain.evidence import Outcome, Pointer
from lakeward.domain.facts import LakeTable, Plan
from lakeward.domain.identity import batch_id, pointer_key, tag_name
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.stored import from_json, to_json
from lakeward.ports import Ports
from lakeward.reader import resolve
from lakeward.steps.artifacts import read_manifest, read_plan, read_staged
from lakeward.steps.evidence import rebuild, verify

HERE = Path(__file__).parent

Fingerprint = Mapping[str, tuple[int, str]]


def shop(uri: str, home: Path, connections: Resolve = from_environment) -> Chain:
    """A run of the shop into a namespace and a landing of its own."""
    os.environ["AIRFLOW_CONN_SHOP_SOURCE"] = airflow_connection(uri)
    name = f"shop_{uuid4().hex[:8]}"
    text = (HERE / "migration.yaml").read_text()
    file = home / "migration.yaml"
    file.write_text(text.replace("namespace: shop", f"namespace: {name}").replace("landing/shop", f"landing/{name}"))
    return Chain(file, home, "run", connections)


def direct(chain: Chain) -> Chain:
    """The same run, with nothing in the way."""
    return Chain(chain.file, chain.home, chain.run_key)


def fingerprint(chain: Chain) -> Fingerprint:
    """Rows, and an order-independent sum over them, of every table of the published cut."""
    with chain.ports() as ports:
        plan = planned(chain, ports)
        return {table.name: _sum(ports, plan, table) for table in plan.groups[0].lake_tables}


def planned(chain: Chain, ports: Ports) -> Plan:
    """The run's plan."""
    return read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)


def _sum(ports: Ports, plan: Plan, table: LakeTable) -> tuple[int, str]:
    columns = ", ".join('"' + c.name.replace('"', '""') + '"' for c in table.columns)
    (row,) = rows_of(ports, plan, table.name, f"count(*) AS n, coalesce(sum(hash({columns})), 0)::VARCHAR AS h")
    return row["n"], row["h"]


def rows_of(ports: Ports, plan: Plan, name: str, columns: str = "*") -> list[dict[str, Any]]:
    """The rows of a table that the pointer shows."""
    group = plan.groups[0]
    table = next(t for t in (*group.lake_tables, quarantine_table(group)) if t.name == name)
    pins = resolve(ports.store, plan.migration.migration, group.name).tables
    files = ports.lake.snapshot(table, pins[ports.lake.qualified(name)])
    rows: list[dict[str, Any]] = ports.engine.table(f"SELECT {columns} FROM {name}", {name: files}).to_pylist()
    return rows


def check_half_published(chain: Chain) -> None:
    """At any moment the pointer shows nothing, or every table of the group at the run's cut, each with its tag there."""
    with chain.ports() as ports:
        found = ports.store.get(pointer_key("shop", "sales"))
        if found is None:
            return
        pointer, plan = from_json(Pointer, found[0]), planned(chain, ports)
        lake = cast("IcebergLake", ports.lake)
        group = plan.groups[0]
        names = [*(t.name for t in group.lake_tables), group.quarantine]
        assert pointer.cut_id == group.cut_id
        assert set(pointer.tables) == set(map(ports.lake.qualified, names))
        for name in names:
            refs = lake._open(name).metadata.refs
            assert refs[tag_name(group.cut_id)].snapshot_id == pointer.tables[ports.lake.qualified(name)]


def check_finished(chain: Chain, uri: str) -> None:
    """The lake is the source, row by row; nothing landed twice; what was read landed or was set aside; the ledger can be rebuilt."""
    check_half_published(chain)
    with chain.ports() as ports:
        plan = planned(chain, ports)
        for name, (sql, columns) in SAME.items():
            with psycopg.connect(uri) as source:
                expected = source.execute(sql.encode()).fetchall()
            found = [tuple(row.values()) for row in rows_of(ports, plan, name, columns)]
            assert sorted(map(_told, found)) == sorted(map(_told, expected)), name
        _check_batches(ports, plan)
        _check_ledger(ports)


def _told(row: tuple[object, ...]) -> str:
    return repr([v.astimezone(UTC) if isinstance(v, datetime) and v.tzinfo else v for v in row])


def _check_batches(ports: Ports, plan: Plan) -> None:
    group = plan.groups[0]
    staged, manifest = read_staged(ports.store, plan, group), read_manifest(ports.store, plan, group)
    landed = {t.table: t.rows for t in manifest.tables}
    lake = cast("IcebergLake", ports.lake)
    for table in (*group.lake_tables, quarantine_table(group)):
        taken, state = staged.table(table.name), ports.lake.state(table.name)
        assert state
        assert landed.get(table.name, taken.read) == taken.read == state.rows + taken.quarantined
        assert state.batches == {"all": batch_id(group.cut_id, table.name)}
        summaries = [s.summary for s in lake._open(table.name).metadata.snapshots]
        assert [s["lakeward.batch-id"] for s in summaries if s] == [state.batches["all"]], f"{table.name}: landed twice"
    assert sum(t.quarantined for t in staged.tables) == 8  # four events, and their four tags
    assert {v.outcome for v in ports.ledger.verdicts("shop")} == {Outcome.PASS}


def _check_ledger(ports: Ports) -> None:
    """What the ledger knows, it knows again when it is lost; and no evidence was changed."""
    wrong = verify(ports.store).wrong
    assert not wrong, wrong
    anew = MemoryLedger()
    rebuild("shop", ports.store, anew)
    assert set(map(to_json, anew.verdicts("shop"))) == set(map(to_json, ports.ledger.verdicts("shop")))
    assert {t for t in anew.transitions("shop") if t.outcome == "done"} >= {
        t for t in ports.ledger.transitions("shop") if t.outcome == "done"
    }


SAME: dict[str, tuple[str, str]] = {
    "customer": (
        """SELECT "Id", "select", joined, profile->>'tier', profile->'address'->>'city', profile->'address'->>'zip' FROM "Customer" """,
        "id, greeting, joined, profile_tier, profile_address_city, profile_address_zip",
    ),
    "orders": (
        """SELECT id, customer, placed, total, currency, note FROM "Order" """,
        "id, customer, placed, total, currency, note",
    ),
    "order_lines": (
        """SELECT id, n - 1, line->>'sku', (line->>'quantity')::int, (line->>'price')::numeric(12,2)
        FROM "Order", jsonb_array_elements(lines) WITH ORDINALITY AS l(line, n)""",
        "orders_id, position, sku, quantity, price",
    ),
    "log": ("SELECT at, what FROM log", "*"),
    "nothing": ("SELECT id, worth FROM nothing", "*"),
    "event": (
        "SELECT id, detail->>'kind', (detail->>'size')::int FROM event WHERE jsonb_typeof(detail->'size') = 'number'",
        "id, detail_kind, detail_size",
    ),
    "event_tags": (
        """SELECT id, n - 1, tag FROM event, jsonb_array_elements_text(CASE jsonb_typeof(detail->'tags') WHEN 'array' THEN detail->'tags' ELSE '[]' END)
        WITH ORDINALITY AS t(tag, n) WHERE jsonb_typeof(detail->'size') = 'number'""",
        "event_id, position, value",
    ),
    "sales_quarantine": (
        """SELECT 'event', (detail->>'size') FROM event WHERE jsonb_typeof(detail->'size') <> 'number'""",
        "table_name, json_extract_string(json_extract_string(raw, '$.detail'), '$.size')",
    ),
}
"""Lake table: the source's rows by SQL of the source's own, and the columns that must hold them."""
