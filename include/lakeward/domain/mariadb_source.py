"""The rows of a lake table as MariaDB itself gives them; its documents are not flattened, so that there are main tables only."""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.sql import ident


def mariadb_rows(plan: TablePlan, table: LakeTable, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A FROM item with alias ``r``, and each named column's SQL over it."""
    landed = {c.source: c for c in plan.columns}
    sources = list(dict.fromkeys(table.column(name).source for name in names))
    listed = ", ".join(f"{landed[source].expression} AS v{n}" for n, source in enumerate(sources))
    sql = f"(SELECT {listed or '1 AS one'} FROM {ident(plan.schema)}.{ident(plan.table)} {plan.where()}) AS r"
    return sql, {name: f"r.v{sources.index(table.column(name).source)}" for name in names}
