"""Databases of the session's MariaDB, made for a test, and connections to them with the rights of a reader."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from uuid import uuid4

import pymysql

from lakeward.lab.mariadb import SUPERUSER, Server

LENIENT = "ALLOW_INVALID_DATES"
"""A mode of SQL that takes dates which no calendar has, as old servers did."""


def told(server: Server, *statements: str, database: str | None = None, mode: str = LENIENT) -> list[tuple[Any, ...]]:
    """Run statements as the superuser; the rows of the last one."""
    with (
        closing(
            pymysql.connect(
                host="127.0.0.1",
                port=server.port,
                user=SUPERUSER,
                password=server.password,
                database=database,
                charset="utf8mb4",
                autocommit=True,
                init_command=f"SET time_zone = '+00:00', sql_mode = '{mode}'",
            )
        ) as con,
        con.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def made(server: Server, *statements: str) -> str:
    """A database of its own."""
    name = f"d{uuid4().hex[:10]}"
    told(server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    told(server, *statements, database=name)
    return name


def reader(server: Server, database: str, *, reload: bool = True) -> dict[str, object]:
    """A connection as Airflow has it, with the least rights."""
    user = f"r{uuid4().hex[:10]}"
    told(
        server,
        f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'of-tests'",
        f"GRANT SELECT ON {database}.* TO {user}@'127.0.0.1'",
        *([f"GRANT RELOAD ON *.* TO {user}@'127.0.0.1'"] if reload else []),
    )
    return {
        "conn_type": "mysql",
        "host": "127.0.0.1",
        "port": server.port,
        "login": user,
        "password": "of-tests",
        "schema": database,
    }
