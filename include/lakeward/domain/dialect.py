"""Whose SQL is written."""

from __future__ import annotations

from enum import Enum


class Dialect(Enum):
    """An engine that measures: a source, or DuckDB over landings and lakes."""

    POSTGRES = "postgres"
    DUCKDB = "duckdb"
    MARIADB = "mariadb"
