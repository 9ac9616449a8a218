"""The rows of a lake table as the source itself gives them, in its own SQL."""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.dialect import Dialect
from lakeward.domain.duck_source import duck_rows
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.kpi_source import postgres_rows
from lakeward.domain.mariadb_source import mariadb_rows

_ROWS = {Dialect.POSTGRES: postgres_rows, Dialect.DUCKDB: duck_rows, Dialect.MARIADB: mariadb_rows}


def source_rows(plan: TablePlan, table: LakeTable, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A FROM item, and each named column's typed SQL over it."""
    return _ROWS[plan.dialect](plan, table, names)
