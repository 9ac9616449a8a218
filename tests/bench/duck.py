"""The floor: bare DuckDB, and a copy of lineitem in a database of its own. ``python -m tests.bench.duck tpch|orders|copy URI FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from lakeward.adapters.duck_setup import connect, load_extension
from lakeward.domain.sql import text

TPCH = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
SHAPE = """{"channel": "VARCHAR", "coupon": {"code": "VARCHAR", "percent": "DECIMAL(5,2)"},
 "shipping": {"method": "VARCHAR", "cost": "DECIMAL(10,2)", "address": {"zip": "VARCHAR", "city": "VARCHAR", "country": "VARCHAR"}},
 "items": [{"sku": "VARCHAR", "quantity": "INTEGER", "unit_price": "DECIMAL(14,2)", "discount": "DECIMAL(14,2)"}]}"""
ORDERS = {
    "orders": "SELECT * EXCLUDE (payload, p), p.channel, p.coupon.code, p.coupon.percent, p.shipping.method, "
    "p.shipping.cost, p.shipping.address.zip, p.shipping.address.city, p.shipping.address.country FROM parsed "
    "ORDER BY customer_id, ordered_at",
    "order_items": "SELECT id, position, i.sku, i.quantity, i.unit_price, i.discount FROM (SELECT id, "
    "generate_subscripts(p.items, 1) AS position, unnest(p.items) AS i FROM parsed) ORDER BY i.sku",
}


def main(what: str, uri: str, folder: str) -> None:
    """Copy from PostgreSQL to Parquet, as plainly as it goes."""
    con = connect("2GB", 2, folder)
    load_extension(con, "postgres_scanner")
    con.execute(f"ATTACH {text(uri)} AS src (TYPE postgres, READ_ONLY)")
    into = Path(folder)
    if what == "copy":
        con.execute(f"ATTACH {text(str(into / 'copy.db'))} AS copy")
        con.execute("CREATE TABLE copy.lineitem AS SELECT * FROM src.public.lineitem")
        return
    if what == "tpch":
        for table in TPCH:
            con.execute(f"COPY src.public.{table} TO {text(str(into / f'{table}.parquet'))} {PARQUET}")
        return
    con.execute(
        f"CREATE TEMP TABLE parsed AS SELECT *, json_transform(payload, {text(SHAPE)}) AS p FROM src.public.orders"
    )
    for name, sql in ORDERS.items():
        con.execute(f"COPY ({sql}) TO {text(str(into / f'{name}.parquet'))} {PARQUET}")


if __name__ == "__main__":
    main(*sys.argv[1:])
