"""Business figures: what people write becomes SQL for the source, for the lake and for the landing, exact on each."""

from __future__ import annotations

from lakeward.domain.kpi_compare import difference_columns
from lakeward.domain.kpi_measure import KpiError, Measure, parse_measure
from lakeward.domain.kpi_resolve import ResolvedKpi, kpi_troubles, resolve
from lakeward.domain.kpi_source import source_rows
from lakeward.domain.kpi_sql import figure_columns, figures_sql
from lakeward.domain.kpi_text import Dialect
from lakeward.domain.sql import ident
from lakeward.spec.models import KpiSpec

__all__ = [
    "NEEDS_16",
    "KpiError",
    "KpiSpec",
    "Measure",
    "ResolvedKpi",
    "difference_columns",
    "figure_columns",
    "kpi_troubles",
    "lake_sql",
    "parse_measure",
    "resolve",
    "source_sql",
]


NEEDS_16 = "pg_input_is_valid"
"""A function of PostgreSQL 16: SQL that names it does not run on older servers."""


def source_sql(r: ResolvedKpi) -> str:
    """The KPI's figures by the source itself, in PostgreSQL's SQL; columns as `figure_columns` says."""
    rows = source_rows(r.plan, r.table, r.needed)
    return figures_sql(r, Dialect.POSTGRES, rows.sql, rows.columns)


def lake_sql(r: ResolvedKpi, view: str) -> str:
    """The KPI's figures in DuckDB's SQL over a view of the lake table's files; columns as `figure_columns` says."""
    return figures_sql(r, Dialect.DUCKDB, f"{ident(view)} AS r", {name: f"r.{ident(name)}" for name in r.needed})
