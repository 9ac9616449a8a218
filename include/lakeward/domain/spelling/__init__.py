"""What engines spell differently in measured queries; all else of these is built once."""

from __future__ import annotations

from functools import cache

from lakeward.domain.dialect import Dialect
from lakeward.domain.spelling.base import Spelling

__all__ = ["Spelling", "spelling"]


@cache
def spelling(dialect: Dialect) -> Spelling:
    """How a dialect is spelled."""
    match dialect:
        case Dialect.POSTGRES:
            from lakeward.domain.spelling.postgres import Postgres

            return Postgres()
        case Dialect.DUCKDB:
            from lakeward.domain.spelling.duck import Duck

            return Duck()
        case Dialect.MARIADB:
            from lakeward.domain.spelling.mariadb import MariaDb

            return MariaDb()
