"""A lake table's rows as the source, the landing and the lake have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakeward.domain import duck
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.kpi_landing import landing_rows
from lakeward.domain.kpi_source import source_rows
from lakeward.domain.kpi_text import Dialect
from lakeward.domain.rows import Rows, compared
from lakeward.domain.sql import ident
from lakeward.spec.models import CalendarSpec, KpiSpec

LAKE = "#lake"
"""The name under which SQL sees the lake's files; no table of anybody's is called so."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A lake table whose rows are compared by some of its columns; ``date`` tells of which day a row is said to be."""

    plan: TablePlan
    table: LakeTable
    names: tuple[str, ...]
    calendar: CalendarSpec
    date: str | None

    def source(self) -> Rows:
        """As the source itself gives them."""
        found = source_rows(self.plan, self.table, self._needed)
        return Rows(self.table, self.names, Dialect.POSTGRES, found.sql, found.columns, self.calendar, self.date)

    def landing(self, which: duck.Rows = duck.Rows.ALL) -> Rows:
        """Of the landing, whose name is the plan's."""
        sql, columns = landing_rows(self.plan, self.table, self._needed, which)
        return Rows(self.table, self.names, Dialect.DUCKDB, sql, columns, self.calendar, self.date)

    def lake(self) -> Rows:
        """Of the lake's files, whose name is ``LAKE``."""
        columns = {name: f"r.{ident(name)}" for name in self._needed}
        return Rows(self.table, self.names, Dialect.DUCKDB, f"{ident(LAKE)} AS r", columns, self.calendar, self.date)

    @property
    def _needed(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.names, *([self.date] if self.date else []))))


def whole(plan: TablePlan, table: LakeTable, kpis: Sequence[KpiSpec], calendar: CalendarSpec) -> Subject:
    """A table with all its columns; its rows are of the day that the first dated KPI over it says."""
    date = next((k.date for k in kpis if k.table == table.name and k.date), None)
    return Subject(plan, table, compared(table), calendar, date)
