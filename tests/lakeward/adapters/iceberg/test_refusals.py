"""What catalogs and stores refuse, told in plain words and without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.lakes import MIGRATION, TABLES, lab_connection, open_lake, orders, sql_connection, stage

from lakeward.adapters.connections import Connection, from_environment
from lakeward.adapters.iceberg import IcebergLake, properties_from
from lakeward.errors import LakeError

WRONG = "wr0ng-s3cret"


def refused(connection: Connection, namespace: str = "some") -> str:
    lake = IcebergLake(properties_from(connection), namespace)
    with pytest.raises(LakeError) as told:
        lake.prepare(TABLES, MIGRATION)
    lake.close()
    text = str(told.value)
    secrets = [v for k, v in connection.extra.items() if "secret" in k and isinstance(v, str)]
    assert not [secret for secret in [WRONG, connection.password, *secrets] if secret and secret in text]
    assert "What to do: " in text
    return text


def keys(of: str, **values: str) -> Mapping[str, str]:
    return {f"{of}.{name.replace('_', '-')}": value for name, value in values.items()}


def test_an_unreachable_catalog() -> None:
    there = Connection("lakehouse", "iceberg", host="http://127.0.0.1:9/_iceberg", login="key", password=WRONG)
    text = refused(Connection(there.conn_id, "iceberg", there.host, extra={"token": WRONG}))
    assert "http://127.0.0.1:9/_iceberg (connection 'lakehouse') can't be reached" in text


@pytest.mark.usefixtures("lab")
def test_a_wrong_secret_key() -> None:
    text = refused(lab_connection(**{"client.secret-access-key": WRONG}))
    assert "refuses the keys" in text
    assert "attach the policy, then create the key" in text


@pytest.mark.usefixtures("lab")
def test_an_unknown_access_key() -> None:
    assert "refuses the keys" in refused(lab_connection(**{"client.access-key-id": "NOBODY"}))


@pytest.mark.usefixtures("lab")
def test_a_catalog_that_wants_signatures_and_gets_a_token() -> None:
    plain = Connection(
        "lakehouse", "iceberg", from_environment("lakehouse").host, extra={"warehouse": "warehouse", "token": WRONG}
    )
    assert "refuses the keys" in refused(plain)


@pytest.mark.usefixtures("lab")
def test_an_unknown_warehouse() -> None:
    text = refused(lab_connection(warehouse="nowhere"))
    assert "has no warehouse 'nowhere'" in text
    assert "POST /_iceberg/v1/warehouses" in text


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("namespace", ["Sales", "sales_", "a.b", "sales-eu"])
def test_a_namespace_that_aistor_refuses(namespace: str) -> None:
    text = refused(lab_connection(), namespace)
    assert "a-z, 0-9 and _" in text


@pytest.mark.usefixtures("lab")
def test_wrong_keys_for_the_store_behind_a_good_catalog() -> None:
    good = open_lake(lab_connection())
    good.prepare(TABLES, MIGRATION)
    bad = open_lake(lab_connection(**{"s3.secret-access-key": WRONG}), good._namespace)
    with pytest.raises(LakeError, match=r"object store http://127\.0\.0\.1:.* refuses the keys") as told:
        stage(bad, orders(3))
    assert WRONG not in str(told.value)
    good.close()
    bad.close()


def test_no_keys_at_all_for_a_signed_catalog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    there = Connection("lakehouse", "iceberg", "http://127.0.0.1:9/_iceberg", extra={"rest.sigv4-enabled": "true"})
    assert "has no keys" in refused(there)


def test_a_sql_catalog_that_can_not_be_opened() -> None:
    text = refused(sql_connection(Path("/nowhere/at/all")))
    assert "the SQL catalog sqlite:////nowhere/at/all/catalog.db (connection 'here') can't be used" in text


def test_a_connection_without_a_host() -> None:
    assert "uri" in refused(Connection("here", "iceberg"))


def test_an_unknown_kind_of_catalog() -> None:
    assert "tape" in refused(Connection("here", "iceberg", extra={"type": "tape", "uri": "x"}))


def test_a_password_in_a_catalogs_url_is_not_shown() -> None:
    host = "postgresql+psycopg://127.0.0.1:9/catalog"
    extra = {"type": "sql", "warehouse": "file:///tmp/none"}
    text = refused(Connection("here", "iceberg", host, login="me", password=WRONG, extra=extra))
    assert "me:***@127.0.0.1:9" in text
