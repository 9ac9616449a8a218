"""A shop that goes on selling while the lake follows its change log, and what both must then hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
from tests.change_log import drop_slots
from tests.databases import airflow_connection, create_database

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports
from lakeward.domain.evidence import Pointer
from lakeward.domain.facts import Plan
from lakeward.domain.meters import Meter
from lakeward.domain.quarantine import quarantine_table
from lakeward.lab import Lab
from lakeward.ports import Ports
from lakeward.reader import resolve
from lakeward.spec.models import ChangesSpec
from lakeward.steps.append import append
from lakeward.steps.artifacts import read_plan
from lakeward.steps.check import check_file
from lakeward.steps.extract import extract
from lakeward.steps.flatten import flatten
from lakeward.steps.plan import make_plan
from lakeward.steps.prepare import prepare
from lakeward.steps.tenure import Tenure, serve

HERE = Path(__file__).parent
RUN = "first"


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


class Shop:
    """A source and a lake of its own."""

    def __init__(self, lab: Lab, home: Path) -> None:
        self.uri = create_database(lab, (HERE / "schema.sql").read_text())
        os.environ["AIRFLOW_CONN_STRANGLER_SOURCE"] = airflow_connection(self.uri)
        name = f"strangler_{uuid4().hex[:8]}"
        self.home, self.file = home, home / "migration.yaml"
        text = (HERE / "migration.yaml").read_text().replace("namespace: strangler", f"namespace: {name}")
        text = text.replace("landing/strangler", f"landing/{name}").replace(
            "migration: strangler", f"migration: {name}"
        )
        self.file.write_text(text)
        self.name, self.key = name, RUN

    @contextmanager
    def ports(self) -> Iterator[Ports]:
        """Fresh ports."""
        with open_ports(check_file(self.file).spec, from_environment, self.home) as ports:
            yield ports

    def plan(self, ports: Ports) -> Plan:
        """The plan of the initial load."""
        return read_plan(ports.store, self.name, self.key)

    def load(self, run: str = RUN) -> None:
        """The initial load, or another one."""
        self.key = run
        with self.ports() as ports:
            plan = make_plan(check_file(self.file), ports, run, now())
            extract(plan, "sales", ports, "try1")
            prepare(plan, "sales", ports)
            flatten(plan, "sales", ports, "try1")
            append(plan, "sales", ports, now())

    def serve(self, ports: Ports | None = None, length: timedelta = timedelta(0), **changes: object) -> Tenure:
        """A tenure: what has been committed is applied, and compared; ``changes`` are the file's, where it is to say otherwise."""
        if ports is None:
            with self.ports() as opened:
                return self.serve(opened, length, **changes)
        plan = self.plan(ports)
        told = ChangesSpec.model_validate({"every": "0s", "batch": 1000} | changes)
        plan = replace(plan, migration=plan.migration.model_copy(update={"changes": told}))
        return serve(plan, "sales", ports, now, length=length)

    def meter(self) -> Meter:
        """What was measured of today's tenures."""
        with self.ports() as ports:
            return ports.ledger.meters(self.name)[-1]

    def pointer(self) -> Pointer:
        """What readers see."""
        with self.ports() as ports:
            return resolve(ports.store, self.name, "sales")

    def run(self, *statements: str) -> None:
        """Change the source, each statement a transaction."""
        with psycopg.connect(self.uri, autocommit=True) as con:
            for sql in statements:
                con.execute(sql.encode())

    def lake(self, table: str, sql: str = "SELECT * FROM t ORDER BY ALL") -> list[dict[str, object]]:
        """Rows that readers see."""
        with self.ports() as ports:
            (group,) = self.plan(ports).groups
            every = (*group.lake_tables, quarantine_table(group))
            lake = next(t for t in every if t.name == table)
            pins = resolve(ports.store, self.name, "sales").tables
            found: list[dict[str, object]] = ports.engine.table(
                sql, {"t": ports.lake.snapshot(lake, pins[ports.lake.qualified(table)])}
            ).to_pylist()
        return found

    def close(self) -> None:
        """Let the server forget the slot."""
        drop_slots(self.uri)
