"""The environment variables of a running lab; with host and keys changed the same connections work on AIStor."""

from __future__ import annotations

import json

from lakeward.lab import postgres, store
from lakeward.lab.state import Credentials, Ports

REGION = "us-east-1"


def variables(ports: Ports, keys: Credentials) -> dict[str, str]:
    """Airflow connections `retail_source`, `retail_freezer`, `retail_changes`, `lakehouse`, `landing`, and the lab's own URLs."""
    endpoint = f"http://127.0.0.1:{ports.s3}"
    source = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": ports.postgres,
        "login": postgres.READER,
        "password": keys.reader_password,
        "schema": postgres.DATABASE,
    }
    landing = {
        "conn_type": "aws",
        "login": keys.access_key,
        "password": keys.secret_key,
        "extra": {"endpoint_url": endpoint, "region_name": REGION},
    }
    lakehouse = {"conn_type": "iceberg", "host": f"{endpoint}/_iceberg", "extra": _catalog(endpoint, keys)}
    return {
        "AIRFLOW_CONN_RETAIL_SOURCE": json.dumps(source),
        "AIRFLOW_CONN_RETAIL_FREEZER": json.dumps(source | {"login": postgres.FREEZER}),
        "AIRFLOW_CONN_RETAIL_CHANGES": json.dumps(
            source | {"login": postgres.SUPERUSER, "password": keys.admin_password}
        ),
        "AIRFLOW_CONN_LAKEHOUSE": json.dumps(lakehouse),
        "AIRFLOW_CONN_LANDING": json.dumps(landing),
        "LAKEWARD_LAB_POSTGRES": postgres.connection_uri(
            ports.postgres, postgres.SUPERUSER, keys.admin_password, "postgres"
        ),
        "LAKEWARD_LAB_S3": endpoint,
        "LAKEWARD_LAB_CATALOG": f"{endpoint}/_iceberg",
    }


def _catalog(endpoint: str, keys: Credentials) -> dict[str, str]:
    """The PyIceberg properties of an AIStor catalog."""
    return {
        "type": "rest",
        "warehouse": store.WAREHOUSE,
        "rest.sigv4-enabled": "true",
        "rest.signing-name": "s3tables",
        "rest.signing-region": REGION,
        "s3.endpoint": endpoint,
        "s3.path-style-access": "true",
        "s3.region": REGION,
        "s3.access-key-id": keys.access_key,
        "s3.secret-access-key": keys.secret_key,
        # The s3.* keys don't sign catalog calls.
        "client.region": REGION,
        "client.access-key-id": keys.access_key,
        "client.secret-access-key": keys.secret_key,
    }
