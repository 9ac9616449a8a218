"""Target tables of a group: created, or checked against the plan."""

from __future__ import annotations

from lakeward.domain.facts import Plan
from lakeward.domain.quarantine import quarantine_table
from lakeward.ports import Ports


def prepare(plan: Plan, group_name: str, ports: Ports) -> tuple[str, ...]:
    """Create what is missing, the quarantine table too, and evolve what is there as far as the plan lets it be; what was done, in words.

    :raises LakeError: a table is there and differs; every difference is listed, and nothing was created.
    """
    group = plan.group(group_name)
    return ports.lake.prepare((*group.lake_tables, quarantine_table(group)), plan.migration.migration)
