"""A KPI put on the plan's tables: its columns and their types, the exact scale of its value, its typed filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from lakeward.domain.facts import GroupPlan, LakeTable, Plan, TablePlan
from lakeward.domain.hand_rows import Hand, hand_of
from lakeward.domain.kpi_checks import checks_of, filter_of, kpi_column, kpi_table, refused
from lakeward.domain.kpi_columns import Reached, own
from lakeward.domain.kpi_digits import INEXACT, MAX_DIGITS, scale_of
from lakeward.domain.kpi_hand import check_side, hand_table
from lakeward.domain.kpi_measure import (
    Column,
    Function,
    KpiError,
    Measure,
    parse_measure,
)
from lakeward.domain.kpi_text import FLOATS, has_text, is_number
from lakeward.spec.document import Path
from lakeward.spec.kpi_checks import TOLERANCE
from lakeward.spec.models import CalendarSpec, Filter, KpiSpec
from lakeward.spec.problems import Trouble


@dataclass(frozen=True, slots=True)
class ResolvedKpi:
    """A KPI that can be computed. ``scale`` is the value's digits after the point; None: the value is canonical text, or a float.

    ``reached`` finds the columns by the names that the KPI gives them. ``filters`` carry values of the columns' own types.
    ``value_type`` is the argument's lake type when it is one column, ``number`` for exact arithmetic, ``INEXACT`` where floats enter.
    A ratio has its numerator and denominator as ``parts``, and the numerator's scale and type.
    """

    spec: KpiSpec
    group: str
    measure: Measure
    plan: TablePlan
    table: LakeTable
    reached: Mapping[str, Reached]
    calendar: CalendarSpec
    filters: tuple[Filter, ...]
    scale: int | None = None
    value_type: str = ""
    parts: tuple[ResolvedKpi, ...] = ()
    hand: Hand | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that enters the figure, each once."""
        named = [c.name for c in self.measure.columns]
        named += [self.spec.date] if self.spec.date else []
        named += [*self.spec.dimensions, *(f.column for f in self.filters)]
        return tuple(dict.fromkeys(named))

    @property
    def needed(self) -> tuple[Reached, ...]:
        """The key of the KPI's table, then the columns that enter the figure."""
        key = [own(self.plan, self.table, name) for name in self.table.key]
        found = {one.name: one for one in (*key, *(self.reached[name] for name in self.columns))}
        return tuple(found.values())

    @property
    def followed(self) -> tuple[Reached, ...]:
        """``needed``, the referencing columns, and the keys of the tables that are reached: what a row's differences are told by."""
        found = {one.name: one for one in self.needed}
        for one in tuple(found.values()):
            for depth, step in enumerate(one.steps):
                beside = [one.beside(depth, c) for c in step.reference.columns]
                beside += [one.beside(depth + 1, c) for c in step.table.key]
                found |= {other.name: other for other in beside if other.name not in found}
        return tuple(found.values())

    @property
    def tables(self) -> tuple[tuple[TablePlan, LakeTable], ...]:
        """Every table that is read, the KPI's own first."""
        if self.hand:
            return self.hand.tables
        reached = ((step.plan, step.table) for one in self.reached.values() for step in one.steps)
        return tuple({table.name: (plan, table) for plan, table in ((self.plan, self.table), *reached)}.values())

    def entering(self, table: str) -> frozenset[str]:
        """Columns of a lake table that are known to enter the figure, or to say which rows do."""
        if self.hand:
            return self.hand.entering(table)
        found = {one.column.name for one in self.needed if one.table.name == table}
        for one in self.needed:
            for depth, step in enumerate(one.steps):
                before = one.steps[depth - 1].table if depth else self.table
                found |= {c for c in step.reference.columns if before.name == table}
                found |= {c for c in step.reference.to_columns if step.table.name == table}
        return frozenset(found)

    def type_of(self, column: str) -> str:
        """The lake type of a column."""
        return self.reached[column].column.type if column in self.reached else self.table.column(column).type


def resolve(spec: KpiSpec, group: GroupPlan, calendar: CalendarSpec) -> ResolvedKpi:
    """Put a KPI on a group's tables; KpiError says what is wrong with it and what was meant."""
    plan, table = kpi_table(spec, group)
    measure = parse_measure(spec.measure)
    find = partial(kpi_column, spec, group, plan, table)
    hand = None
    if spec.sql:
        hand, table = hand_of(spec.sql, group, (plan, table)), hand_table(table.name, spec.sql)
    for _, check in checks_of(spec, find, measure, calendar):
        check()
    if len(set(spec.dimensions)) < len(spec.dimensions):
        raise refused(spec, "a dimension is named twice")
    if not spec.grains and spec.date is not None:
        raise refused(spec, "there is a date but no grain; leave `date` out to compare the total only")
    filters = tuple(filter_of(spec, find, f, calendar) for f in spec.filter)
    dated = [spec.date] if spec.date else []
    names = [c.name for c in measure.columns] + dated + [*spec.dimensions, *(f.column for f in filters)]
    reached = {name: find(name) for name in names}
    r = ResolvedKpi(spec, group.name, measure, plan, table, reached, calendar, filters, hand=hand)
    parts = tuple(_part(r, part) for part in measure.parts)
    valued = (
        replace(r, parts=parts, scale=parts[0].scale, value_type=parts[0].value_type) if parts else _valued(r, measure)
    )
    if not spec.exact and all(part.value_type != INEXACT for part in parts or (valued,)):
        raise refused(spec, "it is made of exact columns alone: leave `exact` and `tolerance` out", 0)
    return valued


def resolve_all(plan: Plan, group: GroupPlan) -> tuple[ResolvedKpi, ...]:
    """The KPIs over tables of a group, in the file's order."""
    names = {table.name for table in group.lake_tables}
    return tuple(resolve(k, group, plan.migration.calendar) for k in plan.migration.kpis if k.table in names)


def _part(r: ResolvedKpi, measure: Measure) -> ResolvedKpi:
    """One side of a ratio: a KPI of its own over the same cells."""
    part = _valued(r, measure)
    if part.scale is None and part.value_type != INEXACT:
        raise refused(r.spec, f"{measure.text} is no number that a ratio could be made of", measure.columns[0].at)
    return part


def _valued(r: ResolvedKpi, measure: Measure) -> ResolvedKpi:
    value_type = _check_argument(r, measure)
    return replace(r, measure=measure, value_type=value_type, scale=_value_scale(r, measure, value_type))


def kpi_troubles(spec: KpiSpec, group: GroupPlan, calendar: CalendarSpec) -> Iterator[Trouble]:
    """Everything that is wrong with a KPI, at its place inside the KPI."""
    faulty = False
    try:
        measure = parse_measure(spec.measure)
        find = partial(kpi_column, spec, group, *kpi_table(spec, group))
        for path, check in (*_by_hand(spec, group), *checks_of(spec, find, measure, calendar)):
            try:
                check()
            except KpiError as error:
                faulty = True
                yield Trouble(path, str(error), at=error.at)
        if not faulty:
            resolve(spec, group, calendar)
    except KpiError as error:
        yield Trouble(("measure",) if error.at is not None else (), str(error), at=error.at)


def _by_hand(spec: KpiSpec, group: GroupPlan) -> Iterator[tuple[Path, Callable[[], object]]]:
    if spec.sql:
        for side in ("source", "lake"):
            yield ("sql", side), partial(check_side, spec.sql, side, group)


def _check_argument(r: ResolvedKpi, measure: Measure) -> str:
    """The lake type of the argument, `number` for arithmetic, empty for `count()`."""
    argument, function = measure.argument, measure.function
    if argument is None:
        return ""
    counted = function in {Function.COUNT, Function.COUNT_DISTINCT}
    if not isinstance(argument, Column) or function in {Function.SUM, Function.AVG}:
        kinds = [_check_number(r.spec, c, r.type_of(c.name), counted=counted) for c in measure.columns]
        return INEXACT if any(kind in FLOATS for kind in kinds) else "number"
    lake_type = r.type_of(argument.name)
    if not counted and lake_type in FLOATS:
        _check_number(r.spec, argument, lake_type, counted=False)
        return INEXACT
    if function is not Function.COUNT and not has_text(lake_type):
        todo = _declare(lake_type).removeprefix(", which is not exact")
        raise refused(
            r.spec, f"{function} over {argument.name!r}, which is of type {lake_type}, is not exact{todo}", argument.at
        )
    return "number" if is_number(lake_type) else lake_type


def _check_number(spec: KpiSpec, column: Column, kind: str, *, counted: bool) -> str:
    """The type of a column that is reckoned with; floats only where the KPI says that it is not exact."""
    if not is_number(kind) and (kind not in FLOATS or spec.exact or counted):
        todo = _declare(kind) or "; only int, long and decimal columns can be reckoned with"
        todo += f", or write {TOLERANCE}" if kind in FLOATS and not counted else ""
        raise refused(spec, f"column {column.name!r} is of type {kind}{todo}", column.at)
    return kind


def _declare(lake_type: str) -> str:
    return ", which is not exact; declare the column as decimal(p,s) under types" if lake_type in FLOATS else ""


def _value_scale(r: ResolvedKpi, measure: Measure, value_type: str) -> int | None:
    if measure.function in {Function.COUNT, Function.COUNT_DISTINCT}:
        if value_type == "number" and measure.argument is not None:
            _checked(r.spec, scale_of(measure.argument, r.type_of))
        return 0
    if value_type != "number" or measure.argument is None:
        return None
    return _checked(r.spec, scale_of(measure.argument, r.type_of))


def _checked(spec: KpiSpec, scale: int) -> int:
    if scale > MAX_DIGITS:
        raise refused(
            spec, f"{spec.measure} has {scale} digits after the point; {MAX_DIGITS} is the most that is exact"
        )
    return scale
