"""Into the lake, exactly once, and then before readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeward_airflow.assets import update_assets
from lakeward_airflow.links import EvidenceLink
from lakeward_airflow.operators.base import GroupOperator
from lakeward_airflow.runs import now

if TYPE_CHECKING:
    from airflow.sdk import Context


class AppendIcebergOperator(GroupOperator):
    """Land a group's batches exactly once, in one commit where the catalog can, and publish the group.

    Every published table is updated as an Airflow asset named ``<connection>.<namespace>.<table>``.

    :param group: name of the entity group. (templated)
    """

    operator_extra_links = (EvidenceLink(),)

    def execute(self, context: Context) -> dict[str, object]:
        """Append; a batch that has landed already is not landed again."""
        from lakeward.steps.append import append

        with self.opened() as (plan, ports, entry):
            appended = append(plan, self.group, ports, now(), self.progress())
            entry.rows = sum(table.rows for table in appended.tables)
            names = {table.table: ports.lake.qualified(table.table) for table in appended.tables}
            connection = plan.migration.target.connection
        update_assets(context, self.outlets, connection, {names[t.table]: t.snapshot_id for t in appended.tables})
        return {
            "cut": appended.cut_id,
            "one_commit": appended.multi,
            "rows": {t.table: t.rows for t in appended.tables},
            "snapshots": {names[t.table]: str(t.snapshot_id) for t in appended.tables},
            "landed_before": [t.table for t in appended.tables if t.already],
        }
