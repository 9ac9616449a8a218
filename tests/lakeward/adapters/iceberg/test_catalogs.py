"""Other real catalogs: SQL in PostgreSQL with its warehouse in S3, REST without SigV4 by token and by OAuth2."""

from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit

import pytest
from tests.databases import create_database
from tests.lakes import MIGRATION, TABLES, group, ids_in, open_lake, orders, stage

from lakeward.adapters.connections import Connection, from_environment
from lakeward.errors import LakeError
from lakeward.lab import Lab
from lakeward.lab.state import Record


def moves_orders(connection: Connection) -> bool:
    """Prepare, stage, land twice and read; whether it was one commit over both tables."""
    lake = open_lake(connection)
    assert lake.prepare(TABLES, MIGRATION) == ("orders", "shop_quarantine")
    multi, landed = lake.commit(group("c1", stage(lake, orders(300))), "c1", MIGRATION)
    lake.commit(group("c2", stage(lake, orders(5))), "c2", MIGRATION)
    assert ids_in(lake, landed[0].snapshot_id) == list(range(300))
    state = lake.state("orders")
    assert state
    assert state.rows == 5
    lake.close()
    return multi


def store_keys() -> dict[str, object]:
    extra = from_environment("lakehouse").extra
    return {name: extra[name] for name in ("s3.endpoint", "s3.access-key-id", "s3.secret-access-key", "s3.region")}


def test_a_sql_catalog_in_postgresql_with_its_warehouse_in_s3(lab: Lab) -> None:
    parts = urlsplit(create_database(lab, "SELECT 1"))
    host = f"postgresql+psycopg://{parts.hostname}:{parts.port}{parts.path}"
    extra = {"type": "sql", "warehouse": f"s3://landing{parts.path}", **store_keys()}
    login, password = unquote(parts.username or ""), unquote(parts.password or "")
    assert moves_orders(Connection("central", "iceberg", host, login=login, password=password, extra=extra)) is False


def behind_the_front(lab: Lab) -> str:
    """The stand-in's own catalog port, which takes OAuth2 too."""
    record = Record.read(lab.folder)
    assert record
    return f"http://127.0.0.1:{record.ports.catalog}"


def test_a_rest_catalog_by_oauth2_and_by_the_token_that_it_gives(lab: Lab) -> None:
    keys, uri = store_keys(), behind_the_front(lab)
    login, password = str(keys["s3.access-key-id"]), str(keys["s3.secret-access-key"])
    extra = {"warehouse": "warehouse", **keys}
    assert moves_orders(Connection("plain", "iceberg", uri, login=login, password=password, extra=extra)) is True
    import requests

    form = {"grant_type": "client_credentials", "client_id": login, "client_secret": password, "scope": "catalog"}
    answer = requests.post(f"{uri}/v1/oauth/tokens", data=form, timeout=10)
    token = json.loads(answer.text)["access_token"]
    assert moves_orders(Connection("plain", "iceberg", uri, extra={"token": token, **extra})) is True


def test_a_wrong_client_secret_is_told_without_it(lab: Lab) -> None:
    extra = {"warehouse": "warehouse", **store_keys()}
    lake = open_lake(
        Connection("plain", "iceberg", behind_the_front(lab), login="me", password="wr0ng-s3cret", extra=extra)
    )
    with pytest.raises(LakeError, match="refuses the keys") as told:
        lake.check()
    assert "wr0ng-s3cret" not in str(told.value)
