"""Runs of the phased shop, and what they must leave: the source's rows, each once, as far as their windows are done."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
from tests.databases import airflow_connection, create_database
from tests.kill import CONTEXT, Call, watched

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports
from lakeward.domain.evidence import Pointer
from lakeward.domain.facts import Plan
from lakeward.domain.progress import GroupProgress
from lakeward.domain.quarantine import quarantine_table
from lakeward.lab import Lab
from lakeward.ports import Ports, silent
from lakeward.reader import resolve
from lakeward.spec.models import BudgetSpec
from lakeward.steps.check import check_file
from lakeward.steps.compare_now import compare_now
from lakeward.steps.plan import preview
from lakeward.steps.waves import Order, by_word, move_group, over_done
from lakeward.steps.window_run import Means

HERE = Path(__file__).parent
KEYS = {"orders": "order_id", "order_lines": "order_id, line", "picks": "pick_id", "notes": "note_id", "stock": "sku"}
"""Tables that are sliced, and their keys."""

PEOPLE = """  - name: people
    catch_up: {catch_up}
    tables:
      - table: public.customers
        flatten: [{{column: tags, children: [{{path: $, table: customer_tags, fields: {{$: string}}}}]}}]
"""


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


class Shop:
    """A source and a lake of its own."""

    def __init__(self, lab: Lab, home: Path) -> None:
        self.uri = create_database(lab, (HERE / "schema.sql").read_text())
        os.environ["AIRFLOW_CONN_PHASED_SOURCE"] = airflow_connection(self.uri)
        name = f"phased_{uuid4().hex[:8]}"
        self.home, self.file = home, home / "migration.yaml"
        text = (HERE / "migration.yaml").read_text()
        self.file.write_text(
            text.replace("namespace: phased", f"namespace: {name}").replace("landing/phased", f"landing/{name}")
        )
        self.said: list[str] = []

    def shrink(self, catch_up: str = "{lag: 1h}") -> None:
        """Two small groups that follow their source: people, read at once, and stock, in one window."""
        text = self.file.read_text()
        sales, stock, waves, kpis = (
            text.index(part) for part in ("  - name: sales", "  - name: stock", "waves:", "kpis:")
        )
        self.file.write_text(text[:sales] + PEOPLE.format(catch_up=catch_up) + text[stock:waves] + text[kpis:])
        size = "size: 10 keys, order: oldest_first}\n"
        self.change(size, f"{size.replace('10 keys', '100 keys')}    catch_up: {catch_up}\n")
        self.change("  - {name: revenue, table: orders, measure: sum(total), date: placed_at}\n", "")
        self.change("  - {name: lines, table: order_lines, measure: sum(amount)}\n", "")

    def change(self, old: str, new: str) -> None:
        """Write the migration file otherwise."""
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    @contextmanager
    def ports(self) -> Iterator[Ports]:
        """Fresh ports."""
        with open_ports(check_file(self.file).spec, from_environment, self.home) as ports:
            yield ports

    def plan(self, ports: Ports, run: str) -> Plan:
        """The plan of a run."""
        return preview(check_file(self.file), ports, run, now())

    def move(
        self,
        group: str = "sales",
        *,
        run: str = "",
        window: str = "",
        again: bool = False,
        budget: BudgetSpec | None = None,
        ports: Ports | None = None,
    ) -> GroupProgress:
        """One run over a group."""
        run = run or f"run-{uuid4().hex[:8]}"
        if ports is None:
            with self.ports() as opened:
                return self.move(group, run=run, window=window, again=again, budget=budget, ports=opened)
        order = Order(run, budget or BudgetSpec(), choose=by_word(window) if window else None, again=again)
        means = Means(now, lambda: f"try-{uuid4().hex[:8]}", silent, self.said.append)
        return move_group(self.plan(ports, run), group, ports, order, means)

    def pointer(self, group: str = "sales") -> Pointer:
        """What readers see."""
        with self.ports() as ports:
            return resolve(ports.store, "phased", group)

    def source(self, sql: str) -> list[tuple[object, ...]]:
        """Ask, or change, the source."""
        with psycopg.connect(self.uri, autocommit=True) as con:
            done = con.execute(sql.encode())
            return done.fetchall() if done.description else []

    def lake(self, table: str, columns: str = "") -> list[tuple[object, ...]]:
        """Rows that readers see, by key."""
        with self.ports() as ports:
            plan = self.plan(ports, "look")
            known = {t.name: (g, t) for g in plan.groups for t in (*g.lake_tables, quarantine_table(g))}
            group, lake = known[table]
            pins = resolve(ports.store, "phased", group.name).tables
            files = ports.lake.snapshot(lake, pins[ports.lake.qualified(table)])
            sql = f"SELECT {columns or KEYS[table]} FROM {table} ORDER BY ALL"
            return [tuple(row.values()) for row in ports.engine.table(sql, {table: files}).to_pylist()]

    def compare(self, group: str = "sales") -> dict[str, str]:
        """Source and lake over all windows that are done, as they are now: the outcome by kind and subject."""
        with self.ports() as ports:
            plan = over_done(self.plan(ports, "now"), ports)
            verdicts = compare_now(plan, ports, now(), groups=[group])
        return {f"{v.kind} {v.subject}": v.outcome.value for v in verdicts}

    def check_same(self, *tables: str) -> None:
        """Every key of the source is in the lake once, and none beside."""
        for table in tables or ("orders", "order_lines", "picks", "notes"):
            expected = self.source(f"SELECT {KEYS[table]} FROM {table} ORDER BY {KEYS[table]}")
            assert self.lake(table) == expected, table


def run_killed(shop: Shop, group: str, call: Call, when: str) -> bool:
    """A run in a process of its own that dies by SIGKILL before or after a call of a port; False when it never came to it."""
    where = (dict(os.environ), str(shop.file), str(shop.home), group, call, when)
    process = CONTEXT.Process(target=_killed, args=where)
    process.start()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}, process.exitcode
    return process.exitcode == -signal.SIGKILL


def _killed(environment: dict[str, str], file: str, home: str, group: str, call: Call, when: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    shop = object.__new__(Shop)
    shop.file, shop.home, shop.said = Path(file), Path(home), []

    def tell(here: Call, now_: str) -> None:
        if (here, now_) == (call, when):
            os.kill(os.getpid(), signal.SIGKILL)

    with shop.ports() as ports:
        shop.move(group, run="killed", ports=watched(ports, tell))
