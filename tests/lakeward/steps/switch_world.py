"""Two groups in the lab's PostgreSQL, extracted, laid into the real lake, published and proved; ready to be cut over."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports
from lakeward.domain.duck import Rows
from lakeward.domain.evidence import Pointer
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.file_facts import Manifest, Staged, StagedFile, StagedTable
from lakeward.domain.flatten import table_sql
from lakeward.domain.identity import WHOLE, batch_id, claim_key, pointer_key
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.stored import from_json, to_json
from lakeward.ports import Ports, TableCommit, silent
from lakeward.spec.load import load
from lakeward.steps.artifacts import read_plan, write_staged
from lakeward.steps.compare import compare
from lakeward.steps.extract import extract
from lakeward.steps.figures import landed_files
from lakeward.steps.gate import evaluate
from lakeward.steps.plan import make_plan
from lakeward.steps.publish import publish
from lakeward.steps.switch import cut_over
from lakeward.steps.validate import validate

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = """
DROP SCHEMA IF EXISTS switching CASCADE;
CREATE SCHEMA switching;
CREATE TABLE switching.customers (id bigint PRIMARY KEY, country text NOT NULL);
INSERT INTO switching.customers SELECT i, (ARRAY['CH', 'DE', 'FR'])[1 + i % 3] FROM generate_series(1, 30) i;
CREATE TABLE switching.orders (
    id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES switching.customers, ordered_on date, amount numeric(12,2)
);
INSERT INTO switching.orders SELECT i, 1 + i % 30, date '2025-01-01' + i % 40, i * 1.07 FROM generate_series(1, 200) i;
CREATE TABLE switching.products (id bigint PRIMARY KEY, price numeric(10,2));
INSERT INTO switching.products SELECT i, i * 0.99 FROM generate_series(1, 50) i;
CREATE TABLE switching.notes (id bigint PRIMARY KEY, note text);
INSERT INTO switching.notes SELECT i, 'note ' || i FROM generate_series(1, 20) i;
GRANT USAGE ON SCHEMA switching TO lakeward_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA switching TO lakeward_reader;
"""
FILE = """
version: 1
migration: {name}
pattern: lift_and_shift
source: {{connection: retail_source}}
target: {{connection: lakehouse, namespace: {name}_ns}}
landing: {{path: ./landing}}
groups:
  - {{name: sales, tables: [{{table: switching.customers}}, {{table: switching.orders}}]}}
  - {{name: stock, tables: [{{table: switching.products}}, {{table: switching.notes}}]}}
kpis:
  - {{name: revenue, table: orders, measure: sum(amount), date: ordered_on}}
  - {{name: customers, table: customers, measure: count(), dimensions: [country]}}
  - {{name: assortment, table: products, measure: sum(price)}}
"""
REWRITE = "compaction: {mode: rewrite, min_small_files: 2}\n"


@dataclass(frozen=True)
class World:
    """A run whose gate is open."""

    file: Path
    folder: Path
    plan: Plan
    ports: Ports
    approved: str

    @property
    def name(self) -> str:
        return self.plan.migration.migration

    def pointers(self) -> dict[str, Pointer]:
        return {g.name: pointer(self.ports, self.plan, g) for g in self.plan.groups}

    def states(self) -> dict[str, str]:
        return {name: p.state.value for name, p in self.pointers().items()}

    def ask(self) -> dict[str, object]:
        """Arguments of a cutover that nothing speaks against, a minute after the proof."""
        return {
            "approved_hash": self.approved,
            "by": "Ann",
            "why": "agreed",
            "at": AT + timedelta(minutes=1),
            "source_frozen": True,
        }


@contextmanager
def world(
    folder: Path, name: str, aside: Mapping[str, int] | None = None, pieces: int = 1, more: str = ""
) -> Iterator[World]:
    """The groups at a cut of their own.

    :param aside: lake table to how many rows of it were quarantined.
    :param pieces: files that every table is laid in; several are small enough to be rewritten.
    :param more: the migration file's last lines.
    """
    with admin() as connection:
        connection.execute(SOURCE)
    file = folder / f"{name}.yaml"
    file.write_text(FILE.format(name=name) + (REWRITE if pieces > 1 else "") + more)
    loaded = load(file)
    with open_ports(loaded.spec, from_environment, folder) as ports:
        plan = make_plan(loaded, ports, "run 1", AT)
        for group in plan.groups:
            manifest = extract(plan, group.name, ports, "first")
            _lay(plan, group, manifest, ports, aside or {}, pieces)
            validate(plan, group.name, ports, AT)
            compare(plan, group.name, ports, AT)
        decision = evaluate(plan, ports)
        assert decision.open, decision.reasons
        yield World(file, folder, plan, ports, decision.evidence_hash)


def _lay(plan: Plan, group: GroupPlan, manifest: Manifest, ports: Ports, aside: Mapping[str, int], pieces: int) -> None:
    """Flat tables, as the flatten and append steps lay them; the last rows of some are put aside."""
    aside_table = quarantine_table(group)
    ports.lake.prepare((*group.lake_tables, aside_table), plan.migration.migration)
    staged, commits = [], []
    for of in group.tables:
        (table,) = of.lake
        skip = aside.get(table.name, 0)
        inputs = {of.name: landed_files(ports.store, manifest, of)}
        read = next(t.rows for t in manifest.tables if t.table == of.name)
        sql = f"SELECT * FROM ({table_sql(of, table, Rows.ALL)}) ORDER BY id LIMIT {read - skip}"
        files: tuple[StagedFile, ...] = ()
        for n in range(pieces):
            piece = f"SELECT * FROM ({sql}) WHERE id % {pieces} = {n} ORDER BY id"
            with ports.engine.stream(piece, inputs) as batches:
                files += ports.lake.write(table, batches, "first", silent)
        staged.append(StagedTable(table.name, files, read - skip, read, skip))
    rows = ", ".join(
        f"('{group.cut_id}', '{t.table}', '{{\"id\":\"{number}\"}}', 'malformed', 'note', '{{}}')"
        for t in staged
        for number in range(t.rows + 1, t.read + 1)
    )
    columns = "cut_id, table_name, row_key, reason, column_name, raw"
    sql = (
        f"SELECT * FROM (VALUES {rows}) v({columns})"
        if rows
        else f"SELECT {', '.join(f'NULL::VARCHAR AS {c}' for c in columns.split(', '))} WHERE false"
    )
    with ports.engine.stream(
        f"SELECT cut_id, table_name, row_key::VARCHAR AS row_key, reason, column_name, raw FROM ({sql})", {}
    ) as batches:
        files = ports.lake.write(aside_table, batches, "first", silent)
    count = sum(f.rows for f in files)
    staged.append(StagedTable(aside_table.name, files, count, count, 0))
    planned = {t.name: t for t in (*group.lake_tables, aside_table)}
    commits = [TableCommit(planned[t.table], batch_id(group.cut_id, t.table), WHOLE, t.files) for t in staged]
    write_staged(ports.store, plan, group, Staged(group.name, group.cut_id, tuple(staged)))
    _, committed = ports.lake.commit(commits, group.cut_id, plan.migration.migration)
    publish(plan, group.name, ports, {c.table: c.snapshot_id for c in committed}, AT, "run 1")


def pointer(ports: Ports, plan: Plan, group: GroupPlan) -> Pointer:
    found = ports.store.get(pointer_key(plan.migration.migration, group.name))
    assert found is not None
    return from_json(Pointer, found[0])


@contextmanager
def as_published(base: World) -> Iterator[World]:
    """The world with its pointers as the append step left them; what a test moves and records is put back."""
    store, before = base.ports.store, base.pointers()
    kept = {key for key, _ in store.list("")}
    try:
        yield base
    finally:
        for name, found in before.items():
            store.put(pointer_key(base.name, name), to_json(found))
        store.delete([key for key, _ in store.list("") if key not in kept or key == claim_key(base.name)])


def admin() -> psycopg.Connection[tuple[object, ...]]:
    """The source's superuser, who may change things."""
    return psycopg.connect(os.environ["LAKEWARD_LAB_POSTGRES"], dbname="retail", autocommit=True)


class Remembering:
    """A part of the world that gives an answer again instead of finding it again.

    Pinned snapshots and landed figures never change, and where this is used the source doesn't either.
    """

    def __init__(self, real: object, *methods: str) -> None:
        self._real, self._methods = real, methods
        self._known: dict[str, object] = {}

    def __getattr__(self, name: str) -> object:
        found = getattr(self._real, name)
        if name not in self._methods:
            return found

        def known(*args: object) -> object:
            asked = f"{name} {args}"
            if asked not in self._known:
                self._known[asked] = found(*args)
            return self._known[asked]

        return known


class RememberingSource(Remembering):
    """The same for a source that is read in a snapshot."""

    @contextmanager
    def cut(self) -> Iterator[object]:
        yield self


def quick(base: World) -> World:
    """The world for tests that ask for very many cutovers."""
    ports = base.ports
    return replace(
        base,
        ports=replace(
            ports,
            source=RememberingSource(ports.source, "query"),  # type: ignore[arg-type]
            lake=Remembering(ports.lake, "snapshot"),  # type: ignore[arg-type]
            engine=Remembering(ports.engine, "table"),  # type: ignore[arg-type]
        ),
    )


class Dies(BaseException):
    """A process that ends where it stands."""


class DyingStore:
    """A store of a process that dies after so many writes: nothing that it does afterwards has an effect."""

    def __init__(self, store: object, writes: int) -> None:
        self._store = store
        self._left = writes
        self.writes = 0

    def __getattr__(self, name: str) -> object:
        found = getattr(self._store, name)
        if name not in {"put", "put_new", "put_if", "delete"}:
            return found

        def counted(*args: object) -> object:
            if self._left == 0:
                raise self.die()
            self._left -= 1
            self.writes += 1
            return found(*args)

        return counted

    def die(self) -> BaseException:
        return Dies()


def dying(base: World, writes: int) -> Ports:
    """The ports of a process that dies after so many writes to the store."""
    return replace(base.ports, store=DyingStore(base.ports.store, writes))  # type: ignore[arg-type]


KILLED = """
import os, signal, sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
sys.path.insert(0, "tests/lakeward/steps")
import switch_world

class Killed(switch_world.DyingStore):
    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

switch_world.run_killed(Killed, *sys.argv[1:])
"""


def run_killed(store: type[DyingStore], file: str, folder: str, approved: str, writes: str) -> None:
    """What the killed process does: open everything by itself and cut over."""
    loaded = load(Path(file))
    with open_ports(loaded.spec, from_environment, Path(folder)) as ports:
        plan = read_plan(ports.store, loaded.spec.migration, "run 1")
        cut_over(
            plan,
            replace(ports, store=store(ports.store, int(writes))),  # type: ignore[arg-type]
            approved_hash=approved,
            by="Ann",
            why="agreed",
            at=AT + timedelta(minutes=1),
            source_frozen=True,
        )
