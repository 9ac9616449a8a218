"""Windows and waves that a phased migration file might declare, from rows that the source has counted; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator

from lakeward.domain.facts import GroupPlan, Plan, TablePlan
from lakeward.domain.windowing import windowing_by
from lakeward.domain.windows import list_windows
from lakeward.ports import Ports
from lakeward.spec.models import Phased, WindowSpec
from lakeward.steps.waves import measure_windows

LARGE = 1_000_000
"""Rows of a table from which on windows are proposed, and the most that one of them should hold."""
_SIZES = ("1 month", "1 week", "1 day")


def propose(plan: Plan, ports: Ports) -> list[str]:
    """Lines to be written: a window for each large group that has none, and waves, small groups first, when none are declared."""
    if not isinstance(plan.migration, Phased):
        return []
    lines = [line for group in plan.groups for line in _window(plan, group, ports)]
    if not plan.migration.waves and len(plan.groups) > 1:
        by_size = sorted(plan.groups, key=lambda g: sum(t.estimated_rows for t in g.tables))
        lines += ["", "Waves, small groups first, so that what goes wrong goes wrong early:", "  waves:"]
        lines += [f"    - {{name: {group.name}, groups: [{group.name}]}}" for group in by_size]
    return lines


def _window(plan: Plan, group: GroupPlan, ports: Ports) -> Iterator[str]:
    if group.windowing is not None:
        return
    for table, column, kind in sorted(_dated(plan, group), key=lambda one: -one[0].estimated_rows):
        if table.estimated_rows < LARGE:
            return
        how = windowing_by(table, column, kind, plan.migration.calendar, group)
        for size in _SIZES:
            spec = WindowSpec.model_validate({"table": table.label, "column": column, "size": size})
            counts = measure_windows(group, how, spec, ports, lost=False)
            windows = list_windows(spec, plan.migration.calendar, counts, {}).left
            largest = max((w.rows for w in windows), default=0)
            if largest <= LARGE or size == _SIZES[-1]:
                yield ""
                yield f"Group {group.name} has no windows. {len(windows)} of {size} would hold up to {largest:,} rows of {table.label}:"
                yield f"    window: {{table: {table.label}, column: {column}, size: {size}}}"
                return


def _dated(plan: Plan, group: GroupPlan) -> Iterator[tuple[TablePlan, str, str]]:
    """Tables with the column that a KPI tells the period by."""
    for table in group.tables:
        landed = {c.source: c.column for c in table.columns}
        for kpi in plan.migration.kpis:
            if kpi.table == table.name and kpi.date:
                column = table.lake[0].column(kpi.date)
                if column.type in {"date", "timestamp", "timestamptz"} and not column.path:
                    yield table, landed[column.source], column.type
