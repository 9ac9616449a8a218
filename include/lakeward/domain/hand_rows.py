"""The rows of a KPI whose SELECTs people wrote: of the source, and of the lake's text over the lake or over the landing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import GroupPlan, LakeTable, TablePlan
from lakeward.domain.kpi_hand import alias_of, read
from lakeward.spec.models import HandSpec

if TYPE_CHECKING:
    from lakeward.domain.kpi_columns import RowsOf
    from lakeward.domain.tree import Expression


@dataclass(frozen=True, slots=True)
class Hand:
    """Two SELECTs, checked; ``tables`` are those that they read."""

    spec: HandSpec
    group: GroupPlan
    tables: tuple[tuple[TablePlan, LakeTable], ...]

    def source_rows(self) -> tuple[str, dict[str, str]]:
        """A FROM item of the source's rows, and the SQL of each column over it."""
        return self._rows(read(self.spec.source, "source", self.group).tree, self.group.dialect)

    def lake_rows(self, rows_of: RowsOf) -> tuple[str, dict[str, str]]:
        """As ``source_rows``, by the lake's text in DuckDB's SQL; ``rows_of`` gives the rows of each table in it."""
        from lakeward.domain.tree import named, nested, number, raw, select

        written = read(self.spec.lake, "lake", self.group)
        for node, plan, table in written.tables:
            names = [c.name for c in table.columns if c.name in written.columns.get(table.name, ())]
            rows, columns = rows_of(plan, table, names)
            given = [named(raw(columns[c]), c) for c in names] or [named(number(1), "one")]
            of = nested(select(given, rows), table.name)
            of.set("alias", node.args.get("alias") or alias_of(table.name))
            node.replace(of)
        return self._rows(written.tree, Dialect.DUCKDB)

    def entering(self, table: str) -> frozenset[str]:
        """Columns of a lake table that one of both texts names, by the lake's names."""
        texts = ((self.spec.source, "source"), (self.spec.lake, "lake"))
        return frozenset(c for sql, side in texts for c in read(sql, side, self.group).columns.get(table, ()))

    def _rows(self, tree: Expression, dialect: Dialect) -> tuple[str, dict[str, str]]:
        from lakeward.domain.spelling import spelling
        from lakeward.domain.tree import name, named, nested, select

        spelled = spelling(dialect)
        given = [named(spelled.held(name(c, table="q"), c, kind), c) for c, kind in self.spec.columns.items()]
        rows = nested(select(given, nested(tree, "q")), "r")
        sql = rows.sql(dialect=spelled.name, comments=False)
        return sql, {c: spelled.sql(name(c, table="r")) for c in self.spec.columns}


def hand_of(spec: HandSpec, group: GroupPlan, main: tuple[TablePlan, LakeTable]) -> Hand:
    """Check both SELECTs; KpiError says what may not stand there."""
    tables = {main[1].name: main}
    for side in ("source", "lake"):
        for _, plan, table in read(getattr(spec, side), side, group).tables:
            tables[table.name] = (plan, table)
    return Hand(spec, group, tuple(tables.values()))
