"""A migration that gets stuck, for `make ui`: orders with a coupon, which its file forgot, are set aside, and the revenue is not the source's."""

from __future__ import annotations

import shutil
from pathlib import Path

from lakeward_airflow.dag_files import FOLDER
from lakeward_airflow.demo.settings import CLONE

NAME = "stuck"
FILE = """\
# The shop's orders once more, as somebody wrote them who did not know of coupons.
version: 1
migration: stuck
pattern: lift_and_shift
description: Orders of the shop, by a file that forgot the coupons.
owner: sales-reporting
source: {connection: retail_source}
target: {connection: lakehouse, namespace: stuck}
landing: {path: "s3://landing/stuck", connection: landing}
groups:
  - name: orders
    tables:
      - table: public.orders
        flatten:
          - column: payload
            undeclared: quarantine
            fields: {channel: string, shipping.method: string, shipping.cost: "decimal(10,2)"}
            children:
              - path: items
                table: order_items
                fields: {sku: string, quantity: int, unit_price: "decimal(14,2)", discount: "decimal(14,2)"}
    quarantine: {max_share: 1}
kpis:
  - {name: revenue, title: Revenue, table: orders, measure: sum(total), date: ordered_at, dimensions: [currency]}
  - {name: orders, title: Orders, table: orders, measure: count(), date: ordered_at, grains: [month]}
"""


def folder_with_it(home: Path) -> Path:
    """A copy of the clone's DAG files and migrations, and this one beside them."""
    dags = home / "ui_dags"
    shutil.rmtree(dags, ignore_errors=True)
    shutil.copytree(CLONE / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
    (dags / FOLDER / f"{NAME}.yaml").write_text(FILE)
    return dags
