"""What each part of a KPI asks of its table: columns that are there and of a fitting type, filters whose values are of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from lakeward.domain.facts import GroupPlan, LakeTable, TablePlan
from lakeward.domain.kpi_columns import Reached, own, reach
from lakeward.domain.kpi_filter import typed_filter
from lakeward.domain.kpi_hand import hand_table
from lakeward.domain.kpi_measure import KpiError, Measure
from lakeward.domain.kpi_source import require_source
from lakeward.domain.kpi_text import has_text
from lakeward.spec.document import Path
from lakeward.spec.models import CalendarSpec, Filter, KpiSpec
from lakeward.spec.problems import meant

_DATED = frozenset({"date", "timestamp", "timestamptz"})
Find = Callable[..., Reached]
"""Finds a column by its name; takes where the name stands in the measure."""


def checks_of(
    spec: KpiSpec, find: Find, measure: Measure, calendar: CalendarSpec
) -> Iterator[tuple[Path, Callable[[], object]]]:
    """What each part of a KPI asks of its table."""
    for one in measure.columns:
        yield ("measure",), partial(find, one.name, one.at)
    if spec.date is not None:
        yield ("date",), partial(_check_date, spec, find, spec.date)
    for n, dimension in enumerate(spec.dimensions):
        yield ("dimensions", n), partial(_check_dimension, spec, find, dimension)
    for n, found in enumerate(spec.filter):
        part = "value" if found.value is not None and _is_there(find, found.column) else "column"
        yield ("filter", n, part), partial(filter_of, spec, find, found, calendar)


def _is_there(find: Find, name: str) -> bool:
    try:
        find(name)
    except KpiError:
        return False
    return True


def refused(spec: KpiSpec, what: str, at: int | None = None) -> KpiError:
    """An error about a KPI; ``at`` is where its measure is to blame."""
    return KpiError(f"KPI {spec.name}: {what}", at=at)


def kpi_table(spec: KpiSpec, group: GroupPlan) -> tuple[TablePlan, LakeTable]:
    """The lake table that a KPI is over; KpiError says what was meant."""
    for plan in group.tables:
        for table in plan.lake:
            if table.name == spec.table:
                return plan, table
    known = [table.name for table in group.lake_tables]
    hint = meant(spec.table, known) or f"Its tables are {', '.join(known)}."
    raise refused(spec, f"group {group.name} has no lake table {spec.table!r}. {hint}")


def kpi_column(
    spec: KpiSpec, group: GroupPlan, plan: TablePlan, table: LakeTable, name: str, at: int | None = None
) -> Reached:
    """A column by the name that the KPI gives it; ``at`` is where its measure does."""
    try:
        if spec.sql:
            return _given(plan, hand_table(table.name, spec.sql), name)
        found = reach(group, plan, table, name)
        require_source(found.column, found.table)
    except KpiError as error:
        raise refused(spec, str(error), at) from None
    return found


def _given(plan: TablePlan, table: LakeTable, name: str) -> Reached:
    if all(c.name != name for c in table.columns):
        known = [c.name for c in table.columns]
        raise KpiError(f"`sql.columns` declares no {name!r}. {meant(name, known)} It declares {', '.join(known)}.")
    return own(plan, table, name)


def _check_date(spec: KpiSpec, find: Find, name: str) -> None:
    if (found := find(name).column).type not in _DATED:
        raise refused(spec, f"date {name!r} is of type {found.type}; it must be a date, timestamp or timestamptz")


def _check_dimension(spec: KpiSpec, find: Find, name: str) -> None:
    kind = find(name).column.type
    if not has_text(kind):
        raise refused(spec, f"dimension {name!r} is of type {kind}, whose values have no exact text to group by")


def filter_of(spec: KpiSpec, find: Find, found: Filter, calendar: CalendarSpec) -> Filter:
    """A filter with its values in the column's type."""
    column = find(found.column).column
    try:
        return typed_filter(found, column.type, calendar)
    except ValueError as error:
        raise refused(spec, f"the filter on {found.column!r}: {error}") from None
