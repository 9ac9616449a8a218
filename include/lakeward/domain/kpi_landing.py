"""A KPI's figures over the landing, in DuckDB's SQL: they tell whether a difference arose at extraction or after it."""

from __future__ import annotations

from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.kpi_sql import figures_sql
from lakeward.domain.kpi_text import Dialect
from lakeward.domain.sql import ident


def landing_columns(r: ResolvedKpi) -> dict[str, str] | None:
    """The lake's columns over a landing view ``r``; None when one of them lies inside a document."""
    if r.table.kind != "main":
        return None
    landed = {c.source: c for c in r.plan.columns}
    columns = [r.table.column(name) for name in r.columns]
    if any(c.path or landed[c.source].type != c.type for c in columns):
        return None
    return {c.name: f"r.{ident(c.source)}" for c in columns}


def landing_sql(r: ResolvedKpi, view: str) -> str | None:
    """The figures over a view of the landing; None when the landing holds the KPI's columns inside a document."""
    columns = landing_columns(r)
    return None if columns is None else figures_sql(r, Dialect.DUCKDB, f"{ident(view)} AS r", columns)
