from __future__ import annotations

from lakeward.domain.facts import LakeColumn, LakeTable, PartitionField, SortField
from lakeward.domain.pruning import pruning

COLUMNS = tuple(LakeColumn(name, "string", False, "value", name) for name in ("at", "sku", "city", "note"))
FIRST = "first in the sort order (equality and ranges, once there are several files"


def test_what_prunes_how_and_what_does_not() -> None:
    table = LakeTable(
        "t",
        COLUMNS,
        (),
        (PartitionField("bucket[4]", "sku"), PartitionField("month", "at")),
        (SortField("at", descending=False), SortField("city", descending=True)),
    )
    assert pruning(table) == (
        "filters on sku read fewer files: partition bucket(4, sku) (equality and IN only)",
        f"filters on at read fewer files: partition month(at) (equality and ranges); {FIRST} in each partition)",
        "filters on city read fewer files: next in the sort order (where at has few values, or is asked for too)",
        "filters on nothing but note read every file",
    )
    assert pruning(LakeTable("t", COLUMNS[:1], (), sort=(SortField("at", descending=False),))) == (
        f"filters on at read fewer files: {FIRST} in the table)",
    )
