"""The command line in this process, with a home of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from lakeward.cli.app import app
from lakeward.lab import Lab

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def cli() -> Run:
    """Run a command; what it printed, its exit code."""

    def run(*args: object) -> Result:
        return CliRunner().invoke(app, [str(arg) for arg in args])

    return run


@dataclass(frozen=True, slots=True)
class Source:
    """A database of our own at the lab's server, behind the connection ``conn``."""

    uri: str
    conn: str

    def execute(self, *statements: str) -> None:
        """Run as its owner."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def source(lab: Lab) -> Iterator[Source]:
    """An empty database, dropped at the end, and AIRFLOW_CONN_<ID> that points at it."""
    name = f"cli_{uuid4().hex[:8]}"
    admin = os.environ["LAKEWARD_LAB_POSTGRES"]
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    uri = urlsplit(admin)._replace(path=f"/{name}").geturl()
    os.environ[f"AIRFLOW_CONN_{name.upper()}"] = uri
    try:
        yield Source(uri, name)
    finally:
        del os.environ[f"AIRFLOW_CONN_{name.upper()}"]
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """LAKEWARD_HOME of this test."""
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
