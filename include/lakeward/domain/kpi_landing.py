"""A KPI's rows in the landing, in DuckDB's SQL: they tell whether a difference arose at extraction or after it.

The input is the landing of the source table, by the name of its plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.duck import Rows
from lakeward.domain.flatten import table_sql
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.kpi_sql import figures_sql
from lakeward.domain.kpi_text import Dialect
from lakeward.domain.sql import ident


def landing_rows(r: ResolvedKpi, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A FROM item with alias ``r`` and each named lake column's SQL over it; documents are read as the flatten step does."""
    landed = {c.source: c for c in r.plan.columns}
    columns = [r.table.column(name) for name in names]
    if r.table.kind == "main" and not any(c.path or landed[c.source].type != c.type for c in columns):
        return f"{ident(r.plan.name)} AS r", {c.name: f"r.{ident(c.source)}" for c in columns}
    only = tuple(names) or (r.table.columns[0].name,)
    rows = table_sql(r.plan, r.table, Rows.ALL, only=only)
    return f"({rows}) AS r", {name: f"r.{ident(name)}" for name in names}


def landing_sql(r: ResolvedKpi) -> str:
    """The KPI's figures over the landing; columns as ``figure_columns`` says."""
    rows, columns = landing_rows(r, r.columns)
    return figures_sql(r, Dialect.DUCKDB, rows, columns)
