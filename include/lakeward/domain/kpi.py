"""Business figures: what people write becomes SQL for the source, for the lake and for the landing, exact on each."""

from __future__ import annotations

from lakeward.domain.dialect import Dialect
from lakeward.domain.kpi_columns import joined
from lakeward.domain.kpi_compare import difference_columns
from lakeward.domain.kpi_lake import lake_rows, lake_view
from lakeward.domain.kpi_measure import KpiError, Measure, parse_measure
from lakeward.domain.kpi_resolve import ResolvedKpi, kpi_troubles, resolve, resolve_all
from lakeward.domain.kpi_sql import figure_columns, figures_sql
from lakeward.domain.kpi_terms import has_paths, lake_terms
from lakeward.domain.source_rows import source_rows
from lakeward.spec.models import KpiSpec

__all__ = [
    "NEEDS_16",
    "KpiError",
    "KpiSpec",
    "Measure",
    "ResolvedKpi",
    "difference_columns",
    "figure_columns",
    "has_paths",
    "kpi_troubles",
    "lake_sql",
    "lake_terms",
    "lake_view",
    "parse_measure",
    "resolve",
    "resolve_all",
    "source_sql",
]


NEEDS_16 = "pg_input_is_valid"
"""A function of PostgreSQL 16: SQL that names it does not run on older servers."""


def source_sql(r: ResolvedKpi) -> str:
    """The KPI's figures by the source itself, in its SQL; columns as `figure_columns` says."""
    dialect = r.plan.dialect
    rows = r.hand.source_rows() if r.hand else joined(r.plan, r.table, r.needed, source_rows, dialect)
    return figures_sql(r, dialect, *rows)


def lake_sql(r: ResolvedKpi, view: str) -> str:
    """The KPI's figures in DuckDB's SQL over a view of its table's files, and `lake_view`s of those that it reaches; columns as `figure_columns` says."""
    rows_of = lake_rows(r.table.name, view)
    rows = r.hand.lake_rows(rows_of) if r.hand else joined(r.plan, r.table, r.needed, rows_of, Dialect.DUCKDB)
    return figures_sql(r, Dialect.DUCKDB, *rows)
