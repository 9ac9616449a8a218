"""Which filters read fewer files of a table than all: what its partitions and its sort order are good for."""

from __future__ import annotations

from collections.abc import Iterator

from lakeward.domain.facts import LakeTable, PartitionField

_ASKED = {
    "identity": "equality, ranges, prefixes",
    "bucket": "equality and IN only",
    "truncate": "equality, ranges, prefixes",
}


def pruning(table: LakeTable) -> tuple[str, ...]:
    """One line for each column by which files are skipped, then one for those by which none is."""
    lines = [f"filters on {column} read fewer files: {why}" for column, why in _reasons(table).items()]
    rest = [c.name for c in table.columns if c.name not in _reasons(table)]
    return (*lines, f"filters on nothing but {', '.join(rest)} read every file") if rest else tuple(lines)


def _reasons(table: LakeTable) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for column, why in (*_by_partition(table.partition), *_by_sort(table)):
        found.setdefault(column, []).append(why)
    return {column: "; ".join(why) for column, why in found.items()}


def _by_partition(fields: tuple[PartitionField, ...]) -> Iterator[tuple[str, str]]:
    for field in fields:
        asked = _ASKED.get(field.transform.partition("[")[0], "equality and ranges")
        yield field.column, f"partition {field} ({asked})"


def _by_sort(table: LakeTable) -> Iterator[tuple[str, str]]:
    where = "in each partition" if table.partition else "in the table"
    for n, field in enumerate(table.sort):
        if n == 0:
            yield field.column, f"first in the sort order (equality and ranges, once there are several files {where})"
        else:
            before = ", ".join(f.column for f in table.sort[:n])
            yield field.column, f"next in the sort order (where {before} has few values, or is asked for too)"
