"""Rows of a lake table as a source gives them that DuckDB queries: over its own tables and files, never over the landing."""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain import tree
from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.kpi_landing import landing_rows
from lakeward.domain.spelling import spelling
from lakeward.domain.sql import ident


def duck_rows(plan: TablePlan, table: LakeTable, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A FROM item with alias ``r`` and each named column's SQL over it.

    The source's rows are called by the plan's name inside it, so that documents are read as those of the landing are.
    """
    wanted = (
        {table.column(name).source for name in names}
        | {table.columns[0].source, table.source}
        | {n.source for n in plan.nested}
    )
    columns = [c for c in plan.columns if c.source in wanted] or plan.columns[:1]
    given = spelling(Dialect.DUCKDB).sql(plan.select([tree.named(tree.raw(c.expression), c.source) for c in columns]))
    sql, found = landing_rows(plan, table, names)
    return f"(WITH {ident(plan.name)} AS NOT MATERIALIZED ({given}) SELECT * FROM {sql}) AS r", found
