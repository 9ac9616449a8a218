"""The lab's MariaDB: a real one, that keeps its data, and lets in nobody without its password."""

from __future__ import annotations

from pathlib import Path

import pymysql
import pytest

from lakeward.lab import mariadb
from lakeward.lab.mariadb import SUPERUSER, Server, running
from lakeward.lab.processes import LabError


def connect(server: Server, password: str | None = None) -> pymysql.Connection:
    return pymysql.connect(
        host="127.0.0.1", port=server.port, user=SUPERUSER, password=password or server.password, autocommit=True
    )


def test_a_server_keeps_its_data_and_its_door_shut(tmp_path: Path) -> None:
    with running(tmp_path) as server, connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE shop")
        cursor.execute("CREATE TABLE shop.prices (price decimal(65, 30))")
        cursor.execute(
            "INSERT INTO shop.prices VALUES ('12345678901234567890123456789012345.000000000000000000000000000001')"
        )
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            connect(server, "guessed")
    with running(tmp_path) as again, connect(again) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CAST(price AS char) FROM shop.prices")
        assert cursor.fetchall() == (("12345678901234567890123456789012345.000000000000000000000000000001",),)
    with pytest.raises(pymysql.OperationalError):
        connect(again)


def test_other_binaries_than_those_that_were_tried_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = tmp_path / "server.jar"
    jar.write_bytes(b"something else")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mariadb, "_URL", jar.as_uri())
    with pytest.raises(LabError, match="another checksum"):
        mariadb.binaries()
    assert not list((tmp_path / "cache").rglob("bin/mariadbd"))
