"""A lake table's rows as the source, the landing and the lake have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakeward.domain import duck
from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.hand_rows import Hand
from lakeward.domain.kpi_columns import Reached, RowsOf, joined, own, widened
from lakeward.domain.kpi_lake import lake_rows
from lakeward.domain.kpi_landing import landing_rows
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.rows import Rows, compared
from lakeward.domain.source_rows import source_rows
from lakeward.spec.models import CalendarSpec, KpiSpec

LAKE = "#lake"
"""The name under which SQL sees the lake's files; no table of anybody's is called so."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A lake table whose rows are compared by some of its columns and of those that it reaches; ``date`` tells of which day a row is said to be."""

    plan: TablePlan
    table: LakeTable
    columns: tuple[Reached, ...]
    calendar: CalendarSpec
    date: Reached | None

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns are called."""
        return tuple(column.name for column in self.columns)

    def source(self) -> Rows:
        """As the source itself gives them."""
        return self._rows(source_rows, self.plan.dialect)

    def landing(self, which: duck.Rows = duck.Rows.ALL) -> Rows:
        """Of the landings, whose names are those of their plans; ``which`` are meant of the table itself."""

        def rows_of(plan: TablePlan, table: LakeTable, names: Sequence[str]) -> tuple[str, dict[str, str]]:
            return landing_rows(plan, table, names, which if table is self.table else duck.Rows.ALL)

        return self._rows(rows_of, Dialect.DUCKDB)

    def lake(self) -> Rows:
        """Of the lake's files, whose name is ``LAKE``; those of tables that are reached are ``lake_view``s."""
        return self._rows(lake_rows(self.table.name, LAKE), Dialect.DUCKDB)

    def _rows(self, rows_of: RowsOf, dialect: Dialect) -> Rows:
        every = (*self.columns, *([self.date] if self.date else []))
        sql, columns = joined(self.plan, self.table, every, rows_of, dialect)
        date = self.date.name if self.date else None
        types = {c.name: next(of.source_type for of in c.plan.columns if of.source == c.column.source) for c in every}
        table = widened(self.table, every)
        return Rows(table, self.names, dialect, sql, columns, self.calendar, date, source_types=types)


@dataclass(frozen=True, slots=True)
class WrittenSubject:
    """The rows that both SELECTs of a KPI give; they have no key."""

    r: ResolvedKpi

    def source(self) -> Rows:
        """By the source's text."""
        return self._rows(self._hand.source_rows(), self.r.plan.dialect)

    def landing(self) -> Rows:
        """By the lake's text over the landings, whose names are those of their plans."""
        return self._rows(self._hand.lake_rows(landing_rows), Dialect.DUCKDB)

    def lake(self) -> Rows:
        """By the lake's text over the lake's files, named as those of ``Subject`` are."""
        return self._rows(self._hand.lake_rows(lake_rows(self.r.table.name, LAKE)), Dialect.DUCKDB)

    @property
    def _hand(self) -> Hand:
        if self.r.hand is None:
            raise ValueError(f"KPI {self.r.spec.name} has no SELECTs of its own")
        return self.r.hand

    def _rows(self, given: tuple[str, dict[str, str]], dialect: Dialect) -> Rows:
        table, (sql, columns) = self.r.table, given
        names = tuple(c.name for c in table.columns)
        types = {c.name: c.type for c in table.columns}
        return Rows(table, names, dialect, sql, columns, self.r.calendar, self.r.spec.date, source_types=types)


def whole(plan: TablePlan, table: LakeTable, kpis: Sequence[KpiSpec], calendar: CalendarSpec) -> Subject:
    """A table with all its columns; its rows are of the day that the first KPI over it says that is dated by a column of it."""
    names = {column.name for column in table.columns}
    dates = (k.date for k in kpis if k.table == table.name and k.date in names)
    date = next((own(plan, table, name) for name in dates if name), None)
    columns = tuple(own(plan, table, name) for name in compared(table))
    return Subject(plan, table, columns, calendar, date)
