"""Somebody shops while the demo moves the shop: related rows are inserted, changed and deleted until the source is frozen."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from lakeward.lab.postgres import DATABASE

_CHANGES = (
    ("INSERT INTO customers VALUES (%(n)s, 'new', 'New', 'CH', now(), 100, '{}')",),
    (
        (
            "INSERT INTO orders SELECT %(n)s, customer_id, 'new', now() - interval '1 day' * (%(r)s %% 500), NULL, total, currency, payload "
            "FROM orders WHERE id = %(r)s"
        ),
        "INSERT INTO payments SELECT %(n)s, id, now(), total, 'card' FROM orders WHERE id = %(n)s",
    ),
    ("UPDATE orders SET status = 'delivered', ordered_at = ordered_at - interval '40 days' WHERE id = %(r)s",),
    (
        'UPDATE orders SET total = total + 1.10, payload = payload || \'{"channel": "phone"}\' WHERE id %% 997 = %(r)s %% 997',
    ),
    ("DELETE FROM payments WHERE order_id = %(r)s", "DELETE FROM orders WHERE id = %(r)s"),
    ("UPDATE payments SET amount = amount + 0.05 WHERE order_id %% 499 = %(r)s %% 499",),
    ("UPDATE products SET price = price + 0.01 WHERE price < 20",),
)


class Shoppers:
    """How often was written, and whether writing was refused at last."""

    def __init__(self) -> None:
        self.written, self.refused = 0, threading.Event()


@contextmanager
def shopping(uri: str, orders: int) -> Iterator[Shoppers]:
    """Write to the retail source in the background for as long as the block lasts, or until it is refused."""
    over, told, dice = threading.Event(), Shoppers(), random.Random(orders)  # noqa: S311 - shoppers, no secrets

    def shop() -> None:
        with psycopg.connect(uri, dbname=DATABASE, autocommit=True) as con:
            while not over.wait(0.2):
                given = {"n": 10_000_000 + told.written, "r": dice.randint(1, orders)}
                try:
                    with con.transaction():
                        for statement in dice.choice(_CHANGES):
                            con.execute(statement.encode(), given)
                except psycopg.errors.RaiseException:
                    told.refused.set()
                    return
                except psycopg.errors.IntegrityError:
                    continue
                told.written += 1

    thread = threading.Thread(target=shop, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        over.set()
        thread.join()
