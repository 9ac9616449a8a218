"""Mounts lakeward's pages on Airflow's API server; the only place that registers them."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from lakeward_airflow.links import MOUNTED_AT
from lakeward_airflow.monitor import pages


class LakewardMonitor(AirflowPlugin):
    """The evidence pages, behind Airflow's login."""

    name = "lakeward_monitor"
    fastapi_apps = [{"name": "lakeward", "url_prefix": MOUNTED_AT, "app": pages}]  # noqa: RUF012 - Airflow's interface
