"""Partition and sort fields of a lake table, checked against its columns."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from lakeward.domain.facts import LakeColumn, PartitionField, SortField
from lakeward.domain.partition import fits
from lakeward.errors import SpecError
from lakeward.spec.scalars import SortTerm, Transform


def find_column(columns: Sequence[LakeColumn], name: str, where: str) -> LakeColumn:
    """The lake column of that name; SpecError with what was meant when there is none."""
    for column in columns:
        if column.name == name:
            return column
    for column in columns:
        if column.source == name and not column.path and column.role == "value":
            raise SpecError(
                f"{where}: {name!r} is the source's name; in the lake the column is {column.name!r}",
                todo=f"write {column.name}.",
            )
    raise SpecError(f"{where}: there is no column {name!r}", todo=suggest(name, (c.name for c in columns)))


def suggest(name: str, known: Iterable[str]) -> str:
    """``did you mean`` over the known names, or all of them when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 3, 0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names[:40])}."


def partition_fields(
    transforms: Sequence[Transform], columns: Sequence[LakeColumn], table: str
) -> tuple[PartitionField, ...]:
    """Partition fields; SpecError when a column is missing or the transform does not go with its type."""
    fields = []
    for transform in transforms:
        column = find_column(columns, transform.column, f"partition of {table}")
        if not fits(transform.name, column.type):
            raise SpecError(
                f"partition of {table}: {transform.name.partition('[')[0]} does not go with column {column.name!r} of type {column.type}",
                todo="year, month and day need a date or timestamp, hour a timestamp, truncate a number without fraction or with "
                "a fixed one, a string or binary; bucket takes anything but boolean, float, double and json, identity anything "
                "but float, double and json.",
            )
        fields.append(PartitionField(transform.name, column.name))
    return tuple(fields)


def sort_fields(terms: Sequence[SortTerm], columns: Sequence[LakeColumn], table: str) -> tuple[SortField, ...]:
    """Sort fields; SpecError when a column is missing."""
    return tuple(SortField(find_column(columns, t.column, f"sort of {table}").name, t.descending) for t in terms)
