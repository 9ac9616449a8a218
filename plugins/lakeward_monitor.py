"""Mounts lakeward's pages on Airflow's API server, and shows them in its navigation and on DAGs; the only place that registers them."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from lakeward_airflow.links import MOUNTED_AT, mounted
from lakeward_airflow.monitor import pages


class LakewardMonitor(AirflowPlugin):
    """The pages, behind Airflow's login."""

    name = "lakeward_monitor"
    fastapi_apps = [{"name": "lakeward", "url_prefix": MOUNTED_AT, "app": pages}]  # noqa: RUF012 - Airflow's interface
    external_views = [  # noqa: RUF012
        {
            "name": "Migrations",
            "href": f"{mounted()}/",
            "destination": "nav",
            "url_route": "migrations",
            "nav_top_level": True,
            "icon": f"{mounted()}/static/icon.svg",
            "icon_dark_mode": f"{mounted()}/static/icon-dark.svg",
        },
        {
            "name": "Migration",
            "href": f"{mounted()}/dag/{{DAG_ID}}",
            "destination": "dag",
            "url_route": "migration",
            "icon": f"{mounted()}/static/icon.svg",
            "icon_dark_mode": f"{mounted()}/static/icon-dark.svg",
        },
    ]
