"""The table that keeps what a group set aside: one row per landed row, with reason and raw text."""

from __future__ import annotations

from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable

COLUMNS = ("cut_id", "table_name", "row_key", "reason", "column_name", "raw")
_REQUIRED = frozenset({"cut_id", "table_name", "reason", "raw"})


def quarantine_table(group: GroupPlan) -> LakeTable:
    """``<group>_quarantine``: cut, lake table, key as JSON text, reason, source column, and the whole landed row as JSON text."""
    return LakeTable(
        name=group.quarantine,
        columns=tuple(LakeColumn(name, "string", name in _REQUIRED, "value", name) for name in COLUMNS),
        key=(),
    )
