"""A database of a test's own whose change log is read, and what is left of its changes by key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from tests.databases import airflow_connection, create_database

from lakeward.adapters.connections import from_environment
from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.postgres import PostgresChanges
from lakeward.adapters.postgres.stream import PostgresStream
from lakeward.domain.changes import ChangeBatch, ChangedTable, Limits, latest_sql, touched_sql
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.planning import plan_table
from lakeward.lab import Lab
from lakeward.spec.models import TableSpec

QUICK = Limits(1_000_000, 10**9, timedelta(seconds=30), timedelta(seconds=30))


def drop_slots(uri: str) -> None:
    """Let the server forget what it keeps for a database; readers that have just hung up are waited for."""
    mine = "FROM pg_replication_slots WHERE database = current_database()"
    with psycopg.connect(uri, autocommit=True) as con:
        while con.execute(f"SELECT {mine} AND active".encode()).fetchone():
            con.execute("SELECT pg_sleep(0.05)")
        con.execute(f"SELECT pg_drop_replication_slot(slot_name) {mine}".encode())


class ChangeWorld:
    """One database, one log."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch, folder: Path, sql: str) -> None:
        self.uri, self.folder = create_database(lab, sql), folder
        monkeypatch.setenv("AIRFLOW_CONN_LOGGED", airflow_connection(self.uri))
        self.connection = from_environment("logged")
        self.name = f"lakeward_{self.uri.rsplit('_', 1)[1]}"
        self.log = PostgresChanges(self.connection, self.name, folder)
        self.engine = DuckEngine(temp_dir=folder / "tmp")

    def plan(self, label: str, **spec: object) -> TablePlan:
        """The plan of a table."""
        (found,) = self.log.source(lasting=False).describe([label])
        return plan_table(TableSpec.model_validate({"table": label} | spec), found, lambda *_: ())

    def run(self, *statements: str) -> None:
        """Run statements, each a transaction."""
        with psycopg.connect(self.uri, autocommit=True) as con:
            for sql in statements:
                con.execute(sql.encode())

    def begin(self, plans: Sequence[TablePlan]) -> int:
        """Make the slot; where it begins."""
        with self.log.source(lasting=True).cut(plans) as cut:
            return cut.position

    def now(self, plans: Sequence[TablePlan]) -> int:
        """A position behind everything that was committed."""
        with self.log.source(lasting=False).cut(plans) as cut:
            return cut.position

    @contextmanager
    def reading(self, plans: Sequence[TablePlan], since: int) -> Iterator[tuple[PostgresStream, ChangeBatch]]:
        """The stream, and everything from a position up to now."""
        until = self.now(plans)
        with self.log.stream(plans, since) as stream:
            yield stream, stream.read(QUICK, until)

    def kept(self, sql: str, changed: ChangedTable, name: str) -> FileSet:
        """The result of SQL over events, as a file."""
        path = self.folder / f"{name}.parquet"
        table = self.engine.table(sql, {"events": changed.input})
        pq.write_table(table, path)
        return FileSet((str(path),) if table.num_rows else (), StorageAccess(), ())

    def latest(self, changed: ChangedTable) -> FileSet:
        """The rows that are left."""
        return self.kept(latest_sql(changed), changed, "latest")

    def touched(self, changed: ChangedTable) -> FileSet:
        """The keys that were met."""
        return self.kept(touched_sql(changed), changed, "touched")

    def rows(self, files: FileSet, sql: str = "SELECT * FROM rows") -> list[dict[str, object]]:
        """What is in files."""
        if not files.urls:
            return []
        found: list[dict[str, object]] = self.engine.table(sql, {"rows": files}).to_pylist()
        return found
