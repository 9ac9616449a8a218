"""The rows of a lake table as MariaDB itself gives them; its documents are not flattened, so that there are main tables only."""

from __future__ import annotations

from collections.abc import Sequence

from lakeward.domain import tree
from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.spelling import spelling


def mariadb_rows(plan: TablePlan, table: LakeTable, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A FROM item with alias ``r``, and each named column's SQL over it."""
    landed = {c.source: c for c in plan.columns}
    sources = list(dict.fromkeys(table.column(name).source for name in names))
    given = [tree.named(tree.raw(landed[source].expression), f"v{n}") for n, source in enumerate(sources)]
    rows = tree.nested(plan.select(given or [tree.named(tree.number(1), "one")]), "r")
    value = {name: tree.name(f"v{sources.index(table.column(name).source)}", table="r") for name in names}
    sql = spelling(Dialect.MARIADB).sql
    return sql(rows), {name: sql(one) for name, one in value.items()}
