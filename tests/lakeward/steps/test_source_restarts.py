"""A source whose server is stopped, and started again, while a cut is read: one clear error, nothing landed, a new cut afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from test_source_changes import FILE, TABLES, Shop, told
from tests.chain import Chain
from tests.databases import airflow_connection, create_database

from lakeward.errors import SourceError
from lakeward.lab import Lab


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Lab]:
    """A lab that may be stopped."""
    one = Lab(tmp_path / "own")
    one.up()
    yield one
    one.down(purge=True)


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("back", [True, False])
def test_a_server_that_is_stopped_and_started_while_a_cut_is_read(
    own: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, back: bool
) -> None:
    uri = create_database(own, TABLES)
    reader = json.loads(own.env()["AIRFLOW_CONN_RETAIL_SOURCE"])
    connection = airflow_connection(uri, login=reader["login"], password=reader["password"])
    monkeypatch.setenv("AIRFLOW_CONN_THE_SOURCE", connection)
    path = tmp_path / "shop.yaml"
    path.write_text(FILE.format(name=f"shop{uuid4().hex[:8]}"))
    shop = Shop(uri, Chain(path, tmp_path / "home", "run1"))
    shop.chain.plan()

    def restart() -> None:
        own.down()
        if back:
            own.up()

    with pytest.raises(SourceError) as error:
        shop.extract(restart)
    assert ("the step can be run again" if back else "that the server is up") in told(error.value)
    assert not shop.landed()
    if not back:
        with pytest.raises(SourceError) as error:
            shop.extract()
        assert "that the server is up" in told(error.value)
        own.up()
    shop.execute("DELETE FROM orders WHERE id > 400")
    with psycopg.connect(uri) as con:
        started = con.execute("SELECT pg_postmaster_start_time()").fetchone()
    manifest = shop.extract()
    assert [t.rows for t in manifest.tables] == [400, 300, 300, 300]
    assert started
    assert manifest.taken_at > started[0]
    assert shop.landed()
