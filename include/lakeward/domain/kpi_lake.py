"""Rows of lake tables as views over their files."""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.kpi_columns import RowsOf
from lakeward.domain.sql import ident


def lake_view(table: str) -> str:
    """The view of a lake table that another one reaches by references; no table of anybody's is called so."""
    return f"#{table}#"


def lake_rows(main: str, view: str) -> RowsOf:
    """Rows of the table ``main`` from ``view``, of all others from their ``lake_view``."""

    def rows_of(_: TablePlan, table: LakeTable, names: Sequence[str]) -> tuple[str, dict[str, str]]:
        name = view if table.name == main else lake_view(table.name)
        return f"{ident(name)} AS r", {column: f"r.{ident(column)}" for column in names}

    return rows_of
