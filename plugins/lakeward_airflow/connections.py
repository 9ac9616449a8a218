"""Airflow's connections, of whatever secrets backend, as the core's; only at run time, never while DAG files are parsed."""

from __future__ import annotations

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from lakeward.adapters.connections import Connection
from lakeward.errors import SpecError


def resolve(conn_id: str) -> Connection:
    """The connection of that id, its secrets masked in logs; SpecError when Airflow knows none."""
    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise SpecError(
            f"Airflow has no connection {conn_id!r}.",
            todo=f"Define it under Admin > Connections, in a secrets backend, or as AIRFLOW_CONN_{conn_id.upper()}.",
        ) from None
    connection = Connection(
        conn_id=conn_id,
        conn_type=found.conn_type or "",
        host=found.host or "",
        port=found.port,
        login=found.login or "",
        password=found.password or "",
        schema=found.schema or "",
        extra=found.extra_dejson,
    )
    for secret in connection.secrets:  # Airflow knows `password`, and not catalog properties as `s3.secret-access-key`
        mask_secret(secret)
    return connection
