"""A real Airflow beside the lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_home import ALERTS, HELD, RIGHTS, ROLES, RUN, SMALL, Live, write_dags
from lakeward.lab import Lab
from lakeward.lab.processes import free_ports


@pytest.fixture(scope="session")
def live(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A real Airflow (api-server, scheduler, dag-processor, triggerer) beside the lab."""
    from lakeward_airflow.demo.api import AirflowApi
    from lakeward_airflow.demo.servers import running
    from lakeward_airflow.demo.settings import AirflowHome

    home = tmp_path_factory.mktemp("live")
    dags = write_dags(home / "dags", "small")
    (dags / "migrations" / "broken.yaml").write_text(
        SMALL.format(migration="broken").replace("table: orders", "tabel: orders")
    )
    (dags / "migrations" / "held.yaml").write_text(HELD)
    airflow = AirflowHome(home / "airflow", free_ports(1)[0], dags, ROLES)
    environment = airflow.environment(home / "lakeward", lab.env())
    environment["AIRFLOW__CORE__AUTH_MANAGER"] = "per_dag_rights.PerDag"
    (airflow.folder / "config").mkdir(exist_ok=True)  # a folder that Airflow has on its path
    (airflow.folder / "config" / "per_dag_rights.py").write_text(RIGHTS)
    (airflow.folder / "config" / "our_alerts.py").write_text(ALERTS)
    environment["AIRFLOW__LAKEWARD__NOTIFIERS"] = "our_alerts.NOTIFIERS"
    with running(airflow, environment), AirflowApi(airflow) as api:
        for dag in ("lift_and_shift__small", "lift_and_shift__held"):  # beside each other, since each waits a lot
            api.wait_for_dag(dag)
            api.trigger(dag, RUN)
        yield Live(api, airflow.url, dags, home / "lakeward", airflow.password)
