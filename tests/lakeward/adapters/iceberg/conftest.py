"""The same tests on a SQL catalog in a folder and on the lab's REST catalog behind SigV4."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lakes import MIGRATION, TABLES, lab_connection, open_lake, sql_connection

from lakeward.adapters.connections import Connection
from lakeward.adapters.iceberg import IcebergLake


@pytest.fixture(params=["sql", pytest.param("rest", marks=pytest.mark.lab)])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Connection:
    """A connection to a real catalog."""
    if request.param == "sql":
        return sql_connection(tmp_path)
    request.getfixturevalue("lab")
    return lab_connection()


@pytest.fixture
def lake(connection: Connection) -> Iterator[IcebergLake]:
    """A lake with empty tables."""
    one = open_lake(connection)
    one.prepare(TABLES, MIGRATION)
    yield one
    one.close()
