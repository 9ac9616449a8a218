"""What the demo of a strangler fig needs: a shop that goes on selling, and the proof that both sides are equal when it stops."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports
from lakeward.lab import Lab
from lakeward.lab.postgres import DATABASE
from lakeward.spec.load import load
from lakeward.steps.compare_now import compare_now
from lakeward.steps.tenure import loaded_plan
from lakeward_airflow.demo.servers import DemoError

_PAUSE = 0.02
"""Seconds between two transactions of the shop."""
_SELL = """
WITH sold AS (
  INSERT INTO orders (id, customer_id, status, ordered_at, shipped_on, total, currency, payload)
  SELECT %(new)s, customer_id, 'new', timestamptz '2026-07-01Z' + %(hours)s * interval '1 hour', NULL, total, currency, payload
  FROM orders WHERE id = %(old)s AND status <> 'refunded' RETURNING *)
INSERT INTO payments SELECT %(new)s * 2 + 1000000000, id, ordered_at, total, 'card' FROM sold
"""
_SHIP = "UPDATE orders SET status = 'shipped', shipped_on = ordered_at::date + 3 WHERE id = %(old)s AND status IN ('new', 'paid')"
_REPRICE = (
    "UPDATE orders SET total = total + 0.05, payload = jsonb_set(payload, '{shipping,cost}', "
    "to_jsonb((payload #>> '{shipping,cost}')::numeric + 0.05)) WHERE id = %(old)s"
)
_CANCEL = "UPDATE orders SET status = 'cancelled' WHERE id = %(old)s; DELETE FROM payments WHERE order_id = %(old)s"
_FORGET = "DELETE FROM payments WHERE order_id = %(old)s; DELETE FROM orders WHERE id = %(old)s"
_MOVE = "UPDATE customers SET country = 'AT' WHERE id = %(old)s"


class Shop:
    """Sells, ships, reprices, cancels and forgets orders; an hour of its time passes with every transaction."""

    def __init__(self, lab: Lab, orders: int, first: int = 0) -> None:
        self._uri = f"{lab.env()['LAKEWARD_LAB_POSTGRES'].rsplit('/', 1)[0]}/{DATABASE}"
        self._orders, self._chance, self._over = orders, random.Random(6), threading.Event()  # noqa: S311 - a shop, no secret
        self.done = first
        self.failed: Exception | None = None

    @contextmanager
    def open(self) -> Iterator[Shop]:
        """Sell for as long as the block lasts."""
        seller = threading.Thread(target=self._sell, daemon=True)
        seller.start()
        try:
            yield self
        finally:
            self._over.set()
            seller.join()
        if self.failed:
            raise DemoError(f"The shop could not go on: {self.failed}")

    def wait(self, transactions: int) -> None:
        """Wait until it has made so many more, or can't."""
        until = self.done + transactions
        while self.done < until and self.failed is None:
            self._over.wait(_PAUSE)

    def _sell(self) -> None:
        try:
            with psycopg.connect(self._uri) as con:
                while not self._over.wait(_PAUSE):
                    (what,) = self._chance.choices(
                        [_SELL, _SHIP, _REPRICE, _CANCEL, _FORGET, _MOVE], [5, 5, 3, 1, 1, 1]
                    )
                    old = self._chance.randint(1, self._orders)
                    values = {"new": 100_000_000 + self.done, "old": old, "hours": self.done}
                    for statement in what.split(";"):
                        con.execute(statement.encode(), values)
                    con.commit()
                    self.done += 1
        except psycopg.Error as error:
            self.failed = error


def told(file: Path, home: Path) -> list[str]:
    """What the ledger says of the last tenure of each group."""
    spec = load(file).spec
    with open_ports(spec, from_environment, home) as ports:
        records = [record for record in ports.ledger.steps(spec.migration) if record.step == "changes"]
    return [f"{record.group}: {record.message}" for record in records[-len(spec.groups) :]]


def prove(console: Console, file: Path, home: Path) -> None:
    """Compare source and lake as they are; DemoError when anything differs."""
    loaded = load(file)
    table = Table("group", "", "of", "verdict", "", title="Source and lake when the shop has closed")
    worse: list[str] = []
    with open_ports(loaded.spec, from_environment, home) as ports:
        for group in loaded.spec.groups:
            plan = loaded_plan(loaded, group.name, ports)
            if plan is None:
                raise DemoError(f"Group {group.name} is not loaded.")
            for verdict in compare_now(plan, ports, datetime.now(UTC), groups=[group.name]):
                table.add_row(
                    verdict.group, verdict.kind, verdict.subject, str(verdict.outcome), escape(verdict.summary)
                )
                worse += [verdict.subject] if verdict.failed else []
    console.print(table)
    if worse:
        raise DemoError(f"These differ: {', '.join(worse)}.")
