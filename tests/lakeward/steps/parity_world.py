"""A small shop in the lab's PostgreSQL, extracted by the real step and laid into the real lake, with or without mistakes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports
from lakeward.domain.duck import Rows
from lakeward.domain.evidence import Pointer, State
from lakeward.domain.facts import Plan
from lakeward.domain.file_facts import Manifest, Staged, StagedFile, StagedTable
from lakeward.domain.flatten import table_sql
from lakeward.domain.identity import WHOLE, batch_id, pointer_key
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.stored import to_json
from lakeward.ports import Ports, TableCommit, silent
from lakeward.spec.load import load
from lakeward.steps.artifacts import write_staged
from lakeward.steps.extract import extract
from lakeward.steps.figures import landed_files
from lakeward.steps.plan import make_plan

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEMA = "parity"
SOURCE = """
DROP SCHEMA IF EXISTS parity CASCADE;
CREATE SCHEMA parity;
CREATE TABLE parity.sales (
    id bigint PRIMARY KEY, status text, sold_at timestamptz, shipped_on date, amount numeric(14,2), email text, payload jsonb
);
INSERT INTO parity.sales
SELECT i, (ARRAY['paid', 'open', '', NULL])[1 + i % 4], timestamptz '2025-01-01 00:30+01' + i * interval '7 hours',
    CASE WHEN i % 5 > 0 THEN date '2025-01-02' + i::int % 90 END, (i * 37 % 1009)::numeric / 100 - 3,
    'c' || i % 50 || '@example.org',
    jsonb_build_object('channel', (ARRAY['web', 'shop'])[1 + i % 2], 'shipping', jsonb_build_object('cost', (i % 7) * 1.15),
        'lines', (SELECT jsonb_agg(jsonb_build_object('sku', 'S' || (i + n) % 9, 'quantity', n, 'price', ((i + n) % 83) / 10.0))
                  FROM generate_series(1, i % 4) n),
        'fees', jsonb_build_object('card', i % 3, 'gift', 0.25))
FROM generate_series(1, 600) AS i;
CREATE TABLE parity.visits (page text, at timestamp, cents int);
INSERT INTO parity.visits SELECT 'p' || i % 3, timestamp '2025-02-27 23:00' + i % 40 * interval '1 hour', i % 4 FROM generate_series(1, 400) AS i;
GRANT USAGE ON SCHEMA parity TO lakeward_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA parity TO lakeward_reader;
"""
FILE = """
version: 1
migration: parity
pattern: lift_and_shift
source: {connection: retail_source}
target: {connection: lakehouse, namespace: parity_ns}
landing: {path: ./landing}
groups:
  - name: shop
    tables:
      - table: parity.sales
        mask: {email: hash}
        flatten:
          - column: payload
            fields: {channel: string, shipping.cost: "decimal(10,2)"}
            children:
              - {path: lines, table: sales_lines, fields: {sku: string, quantity: long, price: "decimal(10,2)"}}
            maps:
              - {path: fees, table: sales_fees, value: "decimal(10,2)"}
      - table: parity.visits
kpis:
  - {name: revenue, table: sales, measure: sum(amount), date: sold_at, dimensions: [status, payload_channel]}
  - {name: shipping, table: sales, measure: avg(payload_shipping_cost), date: shipped_on, grains: [month]}
  - {name: lines, table: sales_lines, measure: sum(quantity * price), dimensions: [sku], filter: [{column: quantity, op: ">", value: 1}]}
  - {name: fees, table: sales_fees, measure: sum(value), dimensions: [key]}
  - {name: buyers, table: sales, measure: count_distinct(email), date: sold_at, grains: [month]}
  - {name: visits, table: visits, measure: sum(cents), date: at, dimensions: [page], warn_only: true}
calendar: {time_zone: Europe/Zurich, week_starts: sunday}
"""


@dataclass(frozen=True)
class World:
    """A run that has been extracted."""

    plan: Plan
    ports: Ports
    manifest: Manifest

    def publish(self, changed: Mapping[str, str] | None = None, run: str = "", parts: int = 1) -> Pointer:
        """Lay every table into the lake and point at it; ``changed`` maps a table to SQL over its rows, named `rows`.

        Each call replaces what the one before has laid there. :param parts: files of each table, at least.
        """
        group = self.plan.group("shop")
        tables = (*group.lake_tables, quarantine_table(group))
        self.ports.lake.prepare(tables, self.plan.migration.migration)
        staged, commits = [], []
        cut = f"{group.cut_id[:12]}{run:>4}".replace(" ", "0")
        for plan in group.tables:
            landed = {plan.name: landed_files(self.ports.store, self.manifest, plan)}
            for table in plan.lake:
                rows = f"SELECT * FROM ({table_sql(plan, table, Rows.ALL)})"
                read = self.ports.engine.table(f"SELECT count(*) AS n FROM ({rows})", landed).to_pylist()[0]["n"]
                sql = f"WITH rows AS ({rows}) {(changed or {}).get(table.name, 'SELECT * FROM rows')}"
                files: tuple[StagedFile, ...] = ()
                for part in range(parts):
                    one = f"SELECT * FROM ({sql}) AS r WHERE hash(r) % {parts} = {part}" if parts > 1 else sql
                    with self.ports.engine.stream(one, landed) as batches:
                        files += self.ports.lake.write(table, batches, f"test{run}", silent)
                commits.append(TableCommit(table, batch_id(cut, table.name), WHOLE, files))
                staged.append(StagedTable(table.name, files, sum(f.rows for f in files), int(read), 0))
        _, committed = self.ports.lake.commit(commits, cut, self.plan.migration.migration)
        write_staged(self.ports.store, self.plan, group, Staged("shop", group.cut_id, tuple(staged)))
        pins = {self.ports.lake.qualified(c.table): c.snapshot_id for c in committed}
        pointer = Pointer("parity", "shop", State.LEGACY, 1, group.cut_id, pins, "", AT, "test", "test")
        self.ports.store.put(pointer_key("parity", "shop"), to_json(pointer))
        return pointer


def admin() -> psycopg.Connection[tuple[object, ...]]:
    """The source's superuser, who may change things."""
    uri = os.environ["LAKEWARD_LAB_POSTGRES"]
    return psycopg.connect(uri, dbname="retail", autocommit=True)


@contextmanager
def world(folder: Path, run_key: str, source: str = SOURCE, text: str = FILE) -> Iterator[World]:
    """The shop as it was seeded, planned and extracted."""
    with admin() as connection:
        connection.execute(source)
    file = folder / "parity.yaml"
    file.write_text(text)
    loaded = load(file)
    with open_ports(loaded.spec, from_environment, folder) as ports:
        plan = make_plan(loaded, ports, run_key, AT)
        yield World(plan, ports, extract(plan, "shop", ports, "first"))
