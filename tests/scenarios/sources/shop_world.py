"""A small shop that every kind of source holds: customers, their orders with lines, a decimal that no double holds, odd texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from click.testing import Result
from tests.chain import Chain
from tests.sources import count_of, plant_cent
from typer.testing import CliRunner

from lakeward.cli.app import app

ORDERS = 200
CUSTOMERS = """SELECT CAST(n AS INTEGER) AS id, CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'Zoë, "the" 2nd' ELSE 'name ' || n END AS name,
    CASE n % 3 WHEN 0 THEN 'DE' ELSE 'FR' END AS country FROM range(1, 21) t(n)"""
TOTAL = "CAST(9007199254740993.01::DECIMAL(18,2) + CAST(n * 7 AS DECIMAL(18,2)) AS DECIMAL(18,2))"
ROWS = f"""SELECT CAST(n AS BIGINT) AS id, CAST(1 + n % 20 AS INTEGER) AS customer, DATE '2026-01-01' + CAST(n % 60 AS INTEGER) AS day,
    {TOTAL} AS total, 'note ' || n AS note FROM range(1, {ORDERS + 1}) t(n)"""
KPIS: Sequence[Mapping[str, object]] = (
    {
        "name": "revenue",
        "table": "orders",
        "measure": "sum(total)",
        "date": "day",
        "grains": ["day", "month"],
        "dimensions": ["customers.country"],
    },
    count_of("orders"),
    count_of("customers"),
)
REFERENCE = {"table": "orders", "columns": ["customer"], "to": "customers", "to_columns": ["id"]}


def run(*args: object) -> Result:
    """The command line, in this process."""
    return CliRunner().invoke(app, [str(arg) for arg in args])


def drilled(chain: Chain, *more: str) -> tuple[int, list[dict[str, object]]]:
    """The exit code and the findings of `lakeward parity --drill`."""
    done = run("parity", chain.file, "--drill", "--json", "--recheck-after", "0s", *more)
    return done.exit_code, json.loads(done.stdout)["findings"] if done.stdout else [{"said": done.output}]


def check_whole_way(chain: Chain) -> None:
    """Everything passes; a cent that is planted in the lake is found, row and column."""
    chain.run("append")
    plant_cent(chain, "orders")
    code, findings = drilled(chain, "--at", "cut")
    assert code == 1
    found = {(f["table"], tuple(f["key"]), f["column"]) for f in findings if f["key"]}
    assert len(found) == 1
    ((table, key, column),) = found
    assert (table, column) == ("orders", "total")
    assert 1 <= int(str(key[0])) <= ORDERS
