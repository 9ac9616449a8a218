"""A KPI put on the plan's tables: its columns and their types, the exact scale of its value, its typed filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, TablePlan
from lakeward.domain.kpi_filter import typed_filter
from lakeward.domain.kpi_measure import (
    Column,
    Function,
    KpiError,
    Measure,
    Negated,
    Node,
    Number,
    Operation,
    parse_measure,
)
from lakeward.domain.kpi_source import require_source
from lakeward.domain.kpi_text import has_text
from lakeward.spec.document import Path
from lakeward.spec.models import CalendarSpec, Filter, KpiSpec
from lakeward.spec.problems import Trouble, meant
from lakeward.spec.scalars import LakeType

MAX_DIGITS = 38
_DATED = frozenset({"date", "timestamp", "timestamptz"})


@dataclass(frozen=True, slots=True)
class ResolvedKpi:
    """A KPI that can be computed. ``scale`` is the value's digits after the point; None: the value is canonical text.

    ``filters`` carry values of the columns' own types. ``value_type`` is the argument's lake type when it is one column.
    """

    spec: KpiSpec
    group: str
    measure: Measure
    plan: TablePlan
    table: LakeTable
    scale: int | None
    value_type: str
    calendar: CalendarSpec
    filters: tuple[Filter, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the lake's table that enters the figure, each once."""
        named = [c.name for c in self.measure.columns]
        named += [self.spec.date] if self.spec.date else []
        named += [*self.spec.dimensions, *(f.column for f in self.filters)]
        return tuple(dict.fromkeys(named))

    @property
    def needed(self) -> tuple[str, ...]:
        """The key of the lake's table, then the columns that enter the figure."""
        return tuple(dict.fromkeys((*self.table.key, *self.columns)))

    def type_of(self, column: str) -> str:
        """The lake type of a column."""
        return self.table.column(column).type


def resolve(spec: KpiSpec, group: GroupPlan, calendar: CalendarSpec) -> ResolvedKpi:
    """Put a KPI on a group's tables; KpiError says what is wrong with it and what was meant."""
    plan, table = _find_table(spec, group)
    measure = parse_measure(spec.measure)
    for _, check in _checks(spec, table, measure, calendar):
        check()
    if len(set(spec.dimensions)) < len(spec.dimensions):
        raise _refused(spec, "a dimension is named twice")
    if not spec.grains and spec.date is not None:
        raise _refused(spec, "there is a date but no grain; leave `date` out to compare the total only")
    filters = tuple(_filter(spec, table, f, calendar) for f in spec.filter)
    value_type = _check_argument(spec, table, measure)
    scale = _value_scale(spec, table, measure, value_type)
    return ResolvedKpi(spec, group.name, measure, plan, table, scale, value_type, calendar, filters)


def kpi_troubles(spec: KpiSpec, group: GroupPlan, calendar: CalendarSpec) -> Iterator[Trouble]:
    """Everything that is wrong with a KPI, at its place inside the KPI."""
    faulty = False
    try:
        measure = parse_measure(spec.measure)
        for path, check in _checks(spec, _find_table(spec, group)[1], measure, calendar):
            try:
                check()
            except KpiError as error:
                faulty = True
                yield Trouble(path, str(error), at=error.at)
        if not faulty:
            resolve(spec, group, calendar)
    except KpiError as error:
        yield Trouble(("measure",) if error.at is not None else (), str(error), at=error.at)


def _checks(
    spec: KpiSpec, table: LakeTable, measure: Measure, calendar: CalendarSpec
) -> Iterator[tuple[Path, Callable[[], object]]]:
    """What each part of a KPI asks of its table."""
    for one in measure.columns:
        yield ("measure",), partial(_find, spec, table, one.name, one.at)
    if spec.date is not None:
        yield ("date",), partial(_check_date, spec, table, spec.date)
    for n, dimension in enumerate(spec.dimensions):
        yield ("dimensions", n), partial(_check_dimension, spec, table, dimension)
    for n, found in enumerate(spec.filter):
        part = "value" if found.value is not None and any(found.column == c.name for c in table.columns) else "column"
        yield ("filter", n, part), partial(_filter, spec, table, found, calendar)


def scale_of(node: Node, table: LakeTable) -> int:
    """Digits after the point of an arithmetic expression, exactly: sums take the larger, products add."""
    match node:
        case Column(name):
            decimal = LakeType(table.column(name).type).decimal
            return decimal[1] if decimal else 0
        case Number():
            return node.scale
        case Negated(operand):
            return scale_of(operand, table)
        case Operation("*", left, right):
            return scale_of(left, table) + scale_of(right, table)
        case Operation(_, left, right):
            return max(scale_of(left, table), scale_of(right, table))


def _refused(spec: KpiSpec, what: str, at: int | None = None) -> KpiError:
    return KpiError(f"KPI {spec.name}: {what}", at=at)


def _find_table(spec: KpiSpec, group: GroupPlan) -> tuple[TablePlan, LakeTable]:
    for plan in group.tables:
        for table in plan.lake:
            if table.name == spec.table:
                return plan, table
    known = [table.name for table in group.lake_tables]
    hint = meant(spec.table, known) or f"Its tables are {', '.join(known)}."
    raise _refused(spec, f"group {group.name} has no lake table {spec.table!r}. {hint}")


def _find(spec: KpiSpec, table: LakeTable, name: str, at: int | None = None) -> LakeColumn:
    try:
        column = table.column(name)
    except KeyError:
        known = [c.name for c in table.columns]
        hint = f"{meant(name, known)} Its columns are {', '.join(known)}.".strip()
        raise _refused(spec, f"table {table.name} has no column {name!r}. {hint}", at) from None
    try:
        require_source(column, table)
    except KpiError as error:
        raise _refused(spec, str(error), at) from None
    return column


def _check_date(spec: KpiSpec, table: LakeTable, name: str) -> None:
    if (found := _find(spec, table, name)).type not in _DATED:
        raise _refused(spec, f"date {name!r} is of type {found.type}; it must be a date, timestamp or timestamptz")


def _check_dimension(spec: KpiSpec, table: LakeTable, name: str) -> None:
    column = _find(spec, table, name)
    if not has_text(column.type):
        raise _refused(
            spec, f"dimension {column.name!r} is of type {column.type}, whose values have no exact text to group by"
        )


def _filter(spec: KpiSpec, table: LakeTable, found: Filter, calendar: CalendarSpec) -> Filter:
    column = _find(spec, table, found.column)
    try:
        return typed_filter(found, column.type, calendar)
    except ValueError as error:
        raise _refused(spec, f"the filter on {column.name!r}: {error}") from None


def _is_number(lake_type: str) -> bool:
    return lake_type in {"int", "long"} or lake_type.startswith("decimal")


def _check_argument(spec: KpiSpec, table: LakeTable, measure: Measure) -> str:
    """The lake type of the argument, `number` for arithmetic, empty for `count()`."""
    argument, function = measure.argument, measure.function
    if argument is None:
        return ""
    if not isinstance(argument, Column) or function in {Function.SUM, Function.AVG}:
        for column in measure.columns:
            _check_number(spec, table.column(column.name), column.at)
        return "number"
    lake_type = table.column(argument.name).type
    if function is not Function.COUNT and not has_text(lake_type):
        todo = _declare(lake_type)
        raise _refused(
            spec, f"{function} over {argument.name!r}, which is of type {lake_type}, is not exact{todo}", argument.at
        )
    return "number" if _is_number(lake_type) else lake_type


def _check_number(spec: KpiSpec, column: LakeColumn, at: int) -> None:
    if not _is_number(column.type):
        todo = _declare(column.type) or "; only int, long and decimal columns can be reckoned with"
        raise _refused(spec, f"column {column.name!r} is of type {column.type}{todo}", at)


def _declare(lake_type: str) -> str:
    return "; declare the column as decimal(p,s) under types" if lake_type in {"float", "double"} else ""


def _value_scale(spec: KpiSpec, table: LakeTable, measure: Measure, value_type: str) -> int | None:
    if measure.function in {Function.COUNT, Function.COUNT_DISTINCT}:
        if value_type == "number" and measure.argument is not None:
            _checked(spec, scale_of(measure.argument, table))
        return 0
    if value_type != "number" or measure.argument is None:
        return None
    return _checked(spec, scale_of(measure.argument, table))


def _checked(spec: KpiSpec, scale: int) -> int:
    if scale > MAX_DIGITS:
        raise _refused(
            spec, f"{spec.measure} has {scale} digits after the point; {MAX_DIGITS} is the most that is exact"
        )
    return scale
