"""A source of which every part is moved by another pattern, and the commands that move it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from click.testing import Result
from tests.change_log import drop_slots
from tests.databases import airflow_connection, create_database
from typer.testing import CliRunner

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports
from lakeward.cli.app import app
from lakeward.domain.evidence import Pointer
from lakeward.lab import Lab
from lakeward.ports import Ports
from lakeward.reader import resolve
from lakeward.steps.check import check_file

HERE = Path(__file__).parent


class World:
    """A source and a lake of its own."""

    def __init__(self, lab: Lab, home: Path) -> None:
        self.uri = create_database(lab, (HERE / "schema.sql").read_text())
        os.environ["AIRFLOW_CONN_HYBRID_SOURCE"] = airflow_connection(self.uri)
        self.name = f"hybrid_{uuid4().hex[:8]}"
        self.home, self.file = home, home / "migration.yaml"
        text = (HERE / "migration.yaml").read_text().replace("namespace: hybrid", f"namespace: {self.name}")
        text = text.replace("landing/hybrid", f"landing/{self.name}")
        self.file.write_text(text.replace("migration: hybrid", f"migration: {self.name}"))

    @contextmanager
    def ports(self) -> Iterator[Ports]:
        """Fresh ports."""
        with open_ports(check_file(self.file).spec, from_environment, self.home) as ports:
            yield ports

    def pointer(self, group: str) -> Pointer:
        """What readers see."""
        with self.ports() as ports:
            return resolve(ports.store, self.name, group)

    def command(self, name: str, *options: str) -> Result:
        """A command of lakeward on the file."""
        return CliRunner().invoke(app, [name, str(self.file), *options])

    def status(self) -> dict[str, Any]:
        """What `lakeward status` tells."""
        found: dict[str, Any] = json.loads(self.command("status", "--json").stdout)["migrations"][0]
        return found

    def change(self, *statements: str) -> None:
        """Change the source, each statement a transaction."""
        with psycopg.connect(self.uri, autocommit=True) as con:
            for sql in statements:
                con.execute(sql.encode())

    def close(self) -> None:
        """Let the server forget the slot."""
        drop_slots(self.uri)
