"""A shop that is open: related rows are inserted, changed, moved in time and deleted by several people, some of them slow."""

from __future__ import annotations

import random
import threading
from typing import Self

import psycopg

STATEMENTS = (
    "INSERT INTO customers VALUES ({n}, 'AT', '[\"{n}\"]') ON CONFLICT DO NOTHING",
    (
        'INSERT INTO orders VALUES ({n}, {c}, timestamp \'2024-01-01\' + interval \'1 hour\' * {h}, {h}, NULL, \'{{"channel": "app", "items": '
        '[{{"sku": {c}, "price": 1.25}}]}}\'); INSERT INTO order_lines VALUES ({n}, 1, {h}), ({n}, 2, 1); INSERT INTO notes VALUES ({n}, {n}, \'new\')'
    ),
    "UPDATE orders SET total = total + 1 WHERE order_id % 17 = {c}",
    "UPDATE orders SET placed_at = placed_at + interval '20 days' * ({c} - 8) WHERE order_id % 97 = {h} % 97 AND isfinite(placed_at)",
    (
        "UPDATE orders SET payload = jsonb_build_object('channel', 'web', 'items', jsonb_build_array(jsonb_build_object('sku', {c}, 'price', 2))) "
        "WHERE order_id % 41 = {h} % 41"
    ),
    "UPDATE customers SET tags = to_jsonb(ARRAY['t{c}']) WHERE customer_id % 16 = {c} % 16",
    "WITH gone AS (DELETE FROM orders WHERE order_id % 53 = {h} % 53 RETURNING order_id) DELETE FROM notes USING gone WHERE notes.order_id = gone.order_id",
    "INSERT INTO picks SELECT {n} * 10 + line, order_id, line, 'P' FROM order_lines WHERE order_id % 29 = {c} ON CONFLICT DO NOTHING",
)


class Load:
    """Writes until it is stopped, or refused because the shop is frozen."""

    def __init__(self, uri: str, seed: int, people: int = 2) -> None:
        self._uri, self._over = uri, threading.Event()
        self.written, self.refused = 0, threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(random.Random(seed * 100 + n), n)) for n in range(people)
        ]

    def _write(self, dice: random.Random, who: int) -> None:
        number = 10_000 + who * 1_000_000
        with psycopg.connect(self._uri) as con:
            while not self._over.is_set():
                number += 1
                try:
                    with con.transaction():
                        for _ in range(dice.randint(1, 3)):
                            number += 1
                            statement = dice.choice(STATEMENTS)
                            con.execute(
                                statement.format(n=number, c=dice.randint(1, 16), h=dice.randint(1, 4000)).encode()
                            )
                        self._over.wait(dice.choice((0.0, 0.02, 0.3)))
                    self.written += 1
                except psycopg.errors.RaiseException:
                    self.refused.set()
                    return
                except (psycopg.errors.DeadlockDetected, psycopg.errors.ForeignKeyViolation):
                    continue
                self._over.wait(0.02)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
