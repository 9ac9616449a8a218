"""Airflow for the tests: never the one of the person who runs them. Import it before Airflow."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeward_airflow.demo.api import AirflowApi

_HOME = tempfile.TemporaryDirectory(prefix="lakeward-airflow-")
for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}

RUN = "tested"
"""The run of each of the live migrations, triggered when Airflow is up."""

CLONE = Path(__file__).resolve().parents[1]

SMALL = """\
version: 1
migration: {migration}
pattern: lift_and_shift
description: A small one for tests.
source: {{connection: retail_source}}
target: {{connection: lakehouse, namespace: {migration}}}
landing: {{path: "s3://landing/{migration}", connection: landing}}
groups:
  - name: sales
    tables:
      - {{table: public.orders, drop: [payload]}}
      - {{table: public.customers, drop: [profile]}}
  - name: stock
    source_references: false
    tables:
      - {{table: public.products, drop: [attributes]}}
kpis:
  - {{name: revenue, title: Revenue, table: orders, measure: sum(total), date: ordered_at}}
  - {{name: price_list, table: products, measure: sum(price)}}
gate: {{timeout: 20m}}
"""


HELD = """\
version: 1
migration: held
pattern: lift_and_shift
source: {connection: retail_source}
target: {connection: lakehouse, namespace: held, file_size: 20KB}
landing: {path: "s3://landing/held", connection: landing}
groups:
  - name: sales
    tables:
      - table: public.orders
        flatten:
          - column: payload
            undeclared: quarantine     # orders with a coupon are set aside, and then the revenue is not the source's
            fields:
              channel: string
              shipping.method: string
              shipping.cost: decimal(10,2)
              shipping.address.zip: string
              shipping.address.city: string
              shipping.address.country: string
            children:
              - path: items
                table: order_items
                fields: {sku: string, quantity: int, unit_price: "decimal(14,2)", discount: "decimal(14,2)"}
    quarantine: {max_share: 1}
kpis:
  - {name: revenue, table: orders, measure: sum(total), date: ordered_at, grains: [month]}
compaction: {mode: observe, wait: 5s, min_small_files: 2}
"""


def write_dags(
    folder: Path, *migrations: str, files: tuple[str, ...] = ("lift_and_shift.py", "cutover.py", "accept.py")
) -> Path:
    """A folder of DAG files as in the repository, with small migrations of its own."""
    (folder / "migrations").mkdir(parents=True)
    for file in files:
        (folder / file).write_text((CLONE / "dags" / file).read_text())
    for migration in migrations:
        (folder / "migrations" / f"{migration}.yaml").write_text(SMALL.format(migration=migration))
    return folder


ROLES = (("admin", "admin"), ("op", "op"), ("viewer", "viewer"), ("nobody", ""), ("seller", "user"))
"""Users of the live Airflow and their roles; ``nobody`` may log in and see nothing, ``seller`` sees one DAG alone."""

RIGHTS = """\
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class PerDag(SimpleAuthManager):
    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        if user.username == "seller" and details is not None and details.id != "lift_and_shift__small":
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
"""
"""An auth manager with rights on single DAGs, which Airflow's simple one has not."""


ALERTS = """\
import json, os
from airflow.sdk import BaseNotifier


class ToFile(BaseNotifier):
    template_fields = ("text",)

    def __init__(self, text):
        super().__init__()
        self.text = text

    def notify(self, context):
        with open(os.environ["AIRFLOW_HOME"] + "/alerts.jsonl", "a") as file:
            file.write(json.dumps({"text": self.text, "task": context["ti"].task_id}) + "\\n")


NOTIFIERS = [ToFile("{{ alert.migration }}|{{ alert.kind }}|{{ alert.what }}|{{ alert_url }}")]
"""
"""A notifier as somebody would configure it."""


@dataclass(frozen=True, slots=True)
class Live:
    """A running Airflow, a client of it, its users' password, and where its files are."""

    api: AirflowApi
    url: str
    dags: Path
    home: Path
    password: str
