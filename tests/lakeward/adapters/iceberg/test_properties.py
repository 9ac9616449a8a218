from __future__ import annotations

from lakeward.adapters.connections import Connection
from lakeward.adapters.iceberg import properties_from
from lakeward.adapters.iceberg.properties import secrets_of

AISTOR = Connection(
    "lakehouse",
    "iceberg",
    host="https://minio.example:9000/_iceberg/",
    login="AKIA1",
    password="s3cret!",
    extra={
        "warehouse": "sales",
        "rest.sigv4-enabled": True,
        "rest.signing-region": "eu-1",
        "multi_table_commit": "required",
    },
)


def test_keys_of_a_signed_catalog_are_filled_in_everywhere() -> None:
    assert properties_from(AISTOR) == {
        "type": "rest",
        "uri": "https://minio.example:9000/_iceberg",
        "warehouse": "sales",
        "rest.sigv4-enabled": "true",
        "rest.signing-name": "s3tables",
        "rest.signing-region": "eu-1",
        "client.region": "eu-1",
        "s3.region": "eu-1",
        "s3.endpoint": "https://minio.example:9000",
        "client.access-key-id": "AKIA1",
        "client.secret-access-key": "s3cret!",
        "s3.access-key-id": "AKIA1",
        "s3.secret-access-key": "s3cret!",
        "lakeward.connection": "lakehouse",
        "lakeward.multi-table-commit": "required",
    }


def test_extras_win_over_what_is_filled_in() -> None:
    other = {
        "s3.endpoint": "http://store:1",
        "client.access-key-id": "C",
        "client.secret-access-key": "D",
        "s3.region": "x-1",
    }
    found = properties_from(
        Connection("c", "iceberg", host="http://h/_iceberg", extra={"rest.sigv4-enabled": "true", **other})
    )
    assert other.items() <= found.items()
    assert (found["s3.access-key-id"], found["rest.signing-region"]) == ("C", "x-1")


def test_login_and_password_are_the_credential_of_a_plain_rest_catalog_as_with_the_providers_hook() -> None:
    found = properties_from(Connection("c", "iceberg", host="https://h/api", login="me", password="pw"))
    assert found["credential"] == "me:pw"
    assert found["oauth2-server-uri"] == "https://h/api/v1/oauth/tokens"


def test_a_token_is_passed_on_and_nothing_asks_for_another() -> None:
    found = properties_from(Connection("c", "iceberg", host="https://h", extra={"token": "abc"}))
    assert found["token"] == "abc"
    assert not {"credential", "oauth2-server-uri"} & found.keys()


def test_nested_extras_become_json_text() -> None:
    auth = {"type": "basic", "basic": {"username": "u", "password": "p4ss"}}
    found = properties_from(Connection("c", "iceberg", host="https://h", extra={"auth": auth}))
    assert found["auth"] == '{"type": "basic", "basic": {"username": "u", "password": "p4ss"}}'
    assert {"u", "p4ss"} <= set(secrets_of(found))
    assert "basic" not in secrets_of(found)


def test_a_sql_catalog_gets_login_and_password_into_its_url() -> None:
    extra = {"type": "sql", "warehouse": "file:///w"}
    given = Connection(
        "c", "iceberg", host="postgresql+psycopg://db:5432/cat", login="me", password="p@ss/1", extra=extra
    )
    found = properties_from(given)
    assert found["uri"] == "postgresql+psycopg://me:p%40ss%2F1@db:5432/cat"
    assert {"p@ss/1", "p%40ss%2F1"} <= set(secrets_of(found))


def test_sqlite_in_a_folder_stays_as_it_is() -> None:
    extra = {"type": "sql", "uri": "sqlite:////data/c.db", "warehouse": "file:///data"}
    assert properties_from(Connection("c", "iceberg", extra=extra))["uri"] == "sqlite:////data/c.db"


def test_a_bare_host_is_https_with_the_connections_port() -> None:
    assert properties_from(Connection("c", "iceberg", host="h/cat", port=8443))["uri"] == "https://h:8443/cat"


def test_secrets_are_every_key_and_no_switch() -> None:
    found = secrets_of({**properties_from(AISTOR), "credential": "id:hidden", "token-refresh-enabled": "true"})
    assert set(found) == {"s3cret!", "id:hidden", "hidden"}
