"""Partition and sort fields of a lake table, checked against its columns."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence

from lakeward.domain.facts import LakeColumn, PartitionField, SortField
from lakeward.domain.faults import Faults
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
    """``did you mean`` over the known names, or all of them when none is near; also where there is none at all."""
    names = sorted(known)
    if not names:
        return "there is none."
    near = difflib.get_close_matches(name, names, 3, 0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names[:40])}."


def layout(
    partition: Sequence[Transform],
    sort: Sequence[SortTerm],
    columns: Sequence[LakeColumn],
    table: str,
    unsure: Callable[[str], bool] = lambda _: False,
) -> tuple[tuple[PartitionField, ...], tuple[SortField, ...]]:
    """Partition and sort fields; FaultsError when columns are missing, or transforms do not go with their types.

    :param unsure: whether a column may be there that could not be planned.
    """
    faults = Faults()
    fields: list[PartitionField] = []
    terms: list[SortField] = []
    for n, transform in enumerate(partition):
        if not unsure(transform.column):
            with faults.at("partition", n):
                fields.append(_partition_field(transform, columns, table))
    for n, term in enumerate(sort):
        if not unsure(term.column):
            with faults.at("sort", n):
                terms.append(SortField(find_column(columns, term.column, f"sort of {table}").name, term.descending))
    faults.check()
    return tuple(fields), tuple(terms)


def _partition_field(transform: Transform, columns: Sequence[LakeColumn], table: str) -> PartitionField:
    column = find_column(columns, transform.column, f"partition of {table}")
    if not fits(transform.name, column.type):
        raise SpecError(
            f"partition of {table}: {transform.name.partition('[')[0]} does not go with column {column.name!r} of type {column.type}",
            todo="year, month and day need a date or timestamp, hour a timestamp, truncate a number without fraction or with "
            "a fixed one, a string or binary; bucket takes anything but boolean, float, double and json, identity anything "
            "but float, double and json.",
        )
    return PartitionField(transform.name, column.name)
