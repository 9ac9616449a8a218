"""A hybrid's plan as one plan for each group, which is that of the group's own pattern: steps take it as any other."""

from __future__ import annotations

from dataclasses import replace

from lakeward.domain.facts import Plan
from lakeward.domain.identity import WHOLE, cut_id
from lakeward.spec.models import Hybrid

JOINED = ".gate."
"""What stands in the run key of the groups that are put to one gate, behind that of the run."""


def part_key(run_key: str, group: str) -> str:
    """The run of one group in a run of a hybrid."""
    return f"{run_key}.{group}"


def parts_of(plan: Plan) -> tuple[Plan, ...]:
    """A plan for each group of a hybrid, with runs and cuts of their own; none of other migrations."""
    if not isinstance(plan.migration, Hybrid):
        return ()
    return tuple(part_of(plan, group.name) for group in plan.groups)


def part_of(plan: Plan, name: str) -> Plan:
    """The plan of one group of a hybrid, with its KPIs alone; any other plan is its own."""
    if not isinstance(plan.migration, Hybrid):
        return plan
    group, run_key = plan.group(name), part_key(plan.run_key, name)
    tables = {table.name for table in group.lake_tables}
    kpis = tuple(kpi for kpi in plan.migration.kpis if kpi.table in tables)
    return replace(
        plan,
        migration=plan.migration.alone(name).model_copy(update={"kpis": kpis}),
        run_key=run_key,
        groups=(replace(group, cut_id=cut_id(plan.migration.migration, name, WHOLE, run_key)),),
        notes=(),
    )
