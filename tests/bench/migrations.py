"""The migration files of the bench. Where figures are timed apart, the one that every file needs is of a small table."""

from __future__ import annotations

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
    tables: [{table: public.lineitem}, {table: public.region}]
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
      - {table: public.products, drop: [attributes]}
    quarantine: {max_share: 1}
kpis:
  - {name: price_list, table: products, measure: sum(price)}
"""


def write(folder: Path) -> dict[str, Path]:
    """Files by what they are for: lineitem, figures, tpch, orders."""
    tpch = Path(__file__).parents[1] / "scenarios" / "tpch" / "migration.yaml"
    texts = {
        "lineitem": HEAD.format(name="lineitem", source="tpch_source") + LINEITEM,
        "figures": HEAD.format(name="figures", source="tpch_source") + LINEITEM + FIGURES,
        "orders": HEAD.format(name="orders", source="retail_source") + ORDERS,
        "tpch": tpch.read_text(),
    }
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return {name: folder / f"{name}.yaml" for name in texts}
