"""Databases of a test's own on the lab's PostgreSQL."""

from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import psycopg

from lakeward.lab import Lab


def create_database(lab: Lab, sql: str) -> str:
    """Make a new database, run ``sql`` in it; its libpq URI."""
    server = lab.env()["LAKEWARD_LAB_POSTGRES"]
    name = f"t_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as con:
        con.execute(f'CREATE DATABASE "{name}"'.encode())
    uri = f"{server.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(uri, autocommit=True) as con:
        con.execute(sql.encode())
    return uri


def airflow_connection(uri: str, **changes: object) -> str:
    """The value of AIRFLOW_CONN_... for a libpq URI; ``changes`` replace its fields."""
    parts = urlsplit(uri)
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": parts.hostname,
            "port": parts.port,
            "login": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "schema": parts.path.lstrip("/"),
        }
        | changes
    )
