"""Connections are read from the environment exactly as Airflow reads them."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection as AirflowConnection

from lakeward.adapters.connections import Connection, from_environment
from lakeward.errors import SpecError

URIS = [
    "postgres://reader:pa%40ss%2Fw%3Ard%25@db.example.org:5433/my%20shop?sslmode=require",
    "postgresql://reader@db.example.org/shop",
    "postgres://db/",
    "postgres://reader:pw@%2Fvar%2Frun%2Fpostgresql/shop",
    "postgres://reader:pw@[::1]:5432/shop",
    "iceberg://key:s3cr%2Fet@https%3A%2F%2Faistor.example.org%3A9000%2F_iceberg?type=rest&rest.sigv4-enabled=true",
    "aws://AKIA:secret%2Fkey@/?region_name=eu-central-1&endpoint_url=https%3A%2F%2Fs3.example.org%3A9000",
    "aws://AKIA:secret@/?__extra__=%7B%22endpoint_url%22%3A+%22http%3A%2F%2F127.0.0.1%3A9000%22%2C+%22n%22%3A+%7B%22a%22%3A+1%7D%7D",
    "http://https://example.org:8443/x",
    "google-cloud-platform://",
]
JSONS = [
    {"conn_type": "postgres", "host": "db", "port": "5433", "login": "r", "password": "p:/@%", "schema": "shop"},
    {"conn_type": "aws", "login": "k", "password": "s", "extra": {"endpoint_url": "http://127.0.0.1:9000", "n": 5}},
    {"conn_type": "aws", "extra": '{"region_name": "eu"}'},
    {"conn_type": "google-cloud-platform"},
]


def _same(mine: Connection, theirs: AirflowConnection) -> None:
    assert mine.conn_type == theirs.conn_type
    assert mine.host == (theirs.host or "")
    assert mine.port == theirs.port
    assert mine.login == (theirs.login or "")
    assert mine.password == (theirs.password or "")
    assert mine.schema == (theirs.schema or "")
    assert dict(mine.extra) == theirs.extra_dejson


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_means_what_it_means_to_airflow(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", uri)
    _same(from_environment("shop"), AirflowConnection.from_uri(uri, "shop"))


@pytest.mark.parametrize("value", JSONS)
def test_json_means_what_it_means_to_airflow(value: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(value))
    _same(from_environment("shop"), AirflowConnection.from_json(json.dumps(value), "shop"))


def test_a_missing_one_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_NOWHERE", raising=False)
    with pytest.raises(SpecError, match="AIRFLOW_CONN_NOWHERE is not set") as caught:
        from_environment("nowhere")
    assert "export AIRFLOW_CONN_NOWHERE=" in caught.value.todo


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "://hunter2",
        '{"password": "hunter2"',
        '{"password": "hunter2", "port": "x"}',
        '{"password": "hunter2", "extra": [1]}',
        "postgres://u:hunter2@db:port/x",
        "postgres://u:hunter2@db/?__extra__=5",
        "postgres://u:hunter2@[::1/x",
    ],
)
def test_what_cannot_be_read_is_never_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", value)
    with pytest.raises(SpecError, match="AIRFLOW_CONN_SHOP can't be read") as caught:
        from_environment("shop")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_secrets_stay_out_of_the_repr() -> None:
    connection = Connection(
        "c", "iceberg", password="hunter2", extra={"s3.secret-access-key": "topsecret", "type": "rest"}
    )
    assert "hunter2" not in repr(connection)
    assert "topsecret" not in repr(connection)
    assert set(connection.secrets) == {"hunter2", "topsecret"}
