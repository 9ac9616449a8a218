"""The migration files of the bench. What the source itself reckons is timed apart: the one KPI that every file needs is of a small
table, and rows are proved in a file of their own.
"""

from __future__ import annotations

import re
from pathlib import Path

HEAD = """\
migration: {name}
pattern: lift_and_shift
source: {{connection: {source}}}
target: {{connection: lakehouse, namespace: {name}}}
landing: {{path: "s3://landing/{name}", connection: landing}}
calendar: {{time_zone: Europe/Zurich, week_starts: monday}}
"""
LINEITEM = """\
groups:
  - name: trade
    source_references: false
    tables: [{table: public.lineitem, prove_rows: PROVE}, {table: public.region}]
kpis:
  - {name: regions, table: region, measure: count()}
"""
FIGURES = """\
  - name: revenue
    table: lineitem
    measure: sum(l_extendedprice * (1 - l_discount))
    date: l_shipdate
    dimensions: [l_returnflag, l_linestatus]
"""
ORDERS = """\
groups:
  - name: sales
    source_references: false
    tables:
      - table: public.orders
        prove_rows: false
        flatten:
          - column: payload
            prefix: ""
            fields:
              channel: string
              coupon.code: string
              coupon.percent: decimal(5,2)
              shipping.method: string
              shipping.cost: decimal(10,2)
              shipping.address.zip: string
              shipping.address.city: string
              shipping.address.country: string
            children:
              - path: items
                table: order_items
                fields: {sku: string, quantity: int, unit_price: "decimal(14,2)", discount: "decimal(14,2)"}
                sort: [sku]
        sort: [customer_id, ordered_at]
      - {table: public.products, drop: [attributes], prove_rows: false}
    quarantine: {max_share: 1}
kpis:
  - {name: price_list, table: products, measure: sum(price)}
"""


def write(folder: Path) -> dict[str, Path]:
    """Files by what they are for: lineitem, figures, rows, tpch, orders."""
    tpch = Path(__file__).parents[1] / "scenarios" / "tpch" / "migration.yaml"
    unproved = LINEITEM.replace("PROVE", "false")
    texts = {
        "lineitem": HEAD.format(name="lineitem", source="tpch_source") + unproved,
        "figures": HEAD.format(name="figures", source="tpch_source") + unproved + FIGURES,
        "rows": HEAD.format(name="rows", source="tpch_source") + LINEITEM.replace("PROVE", "true"),
        "orders": HEAD.format(name="orders", source="retail_source") + ORDERS,
        "tpch": re.sub(r"(\n +)- table: (public\.\S+)", r"\1- table: \2\1  prove_rows: false", tpch.read_text()),
    }
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return {name: folder / f"{name}.yaml" for name in texts}
