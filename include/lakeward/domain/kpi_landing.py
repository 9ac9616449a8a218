"""Rows of a lake table in the landing, in DuckDB's SQL: they tell whether a difference arose at extraction or after it.

The inputs are the landings of the source tables, by the names of their plans.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.dialect import Dialect
from lakeward.domain.duck import Rows
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.flatten import table_sql
from lakeward.domain.kpi_columns import joined
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.kpi_sql import figures_sql
from lakeward.domain.sql import ident


def landing_rows(
    plan: TablePlan, table: LakeTable, names: Sequence[str], which: Rows = Rows.ALL
) -> tuple[str, dict[str, str]]:
    """A FROM item with alias ``r`` and each named lake column's SQL over it; documents are read as the flatten step does."""
    landed = {c.source: c for c in plan.columns}
    columns = [table.column(name) for name in names]
    plain = table.kind == "main" and not any(
        c.path or landed[c.source].type != c.type or c.role != "value" for c in columns
    )
    if plain and which is Rows.ALL:
        return f"{ident(plan.name)} AS r", {c.name: f"r.{ident(c.source)}" for c in columns}
    only = tuple(names) or (table.columns[0].name,)
    return f"({table_sql(plan, table, which, only=only)}) AS r", {name: f"r.{ident(name)}" for name in names}


def landing_sql(r: ResolvedKpi) -> str:
    """The KPI's figures over the landing; columns as ``figure_columns`` says."""
    rows = r.hand.lake_rows(landing_rows) if r.hand else joined(r.plan, r.table, r.needed, landing_rows, Dialect.DUCKDB)
    return figures_sql(r, Dialect.DUCKDB, *rows)
