"""What of an acceptance's scope can't be: options that don't go together, and names that nothing has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lakeward.domain.accepted import NO_DATE
from lakeward.domain.calendar import AFTER, BEFORE
from lakeward.spec.problems import meant

if TYPE_CHECKING:
    from lakeward.domain.acceptance import Acceptance
    from lakeward.domain.facts import Plan

_DAY = re.compile(r"\d{4,}-\d\d-\d\d( BC)?")


def misnamed(plan: Plan, wanted: Acceptance) -> Iterator[tuple[str, str]]:
    """What is wrong, and what to write."""
    for period in wanted.periods:
        if period not in {NO_DATE, BEFORE, AFTER} and not _DAY.fullmatch(period):
            yield (
                f"--period {period} is no first day of a period.",
                f"Write it as in 2025-03-30, or `{NO_DATE}` for rows without a date.",
            )
    if wanted.rule == "kpi":
        yield from _of_kpi(plan, wanted)
    elif wanted.rule == "counts":
        if wanted.periods or wanted.dimensions or wanted.column or wanted.amount or len(wanted.keys) > 1:
            yield "Counts of rows are accepted for a whole table, as they are.", "Name --counts TABLE alone."
    else:
        yield from _of_rows(plan, wanted)


def _of_kpi(plan: Plan, wanted: Acceptance) -> Iterator[tuple[str, str]]:
    if wanted.keys or wanted.column:
        yield (
            "--key and --column narrow rows, not a KPI.",
            "Narrow a KPI by --period and --dimension, or accept --rows TABLE.",
        )
    known = next((kpi.dimensions for kpi in plan.migration.kpis if kpi.name == wanted.subject), ())
    for name in wanted.dimensions or {}:
        if name not in known:
            yield f"KPI {wanted.subject} has no dimension {name!r}.", _choice(name, known)


def _of_rows(plan: Plan, wanted: Acceptance) -> Iterator[tuple[str, str]]:
    if wanted.dimensions:
        yield (
            "--dimension narrows a KPI, not rows.",
            "Narrow rows by --key and --column, or accept --kpi NAME.",
        )
    table = next(table for table in plan.group(wanted.group).lake_tables if table.name == wanted.subject)
    columns = [column.name for column in table.columns]
    if wanted.column and wanted.column not in columns:
        yield f"Table {table.name} has no column {wanted.column!r}.", _choice(wanted.column, columns)
    for key in wanted.keys if table.key else ():
        if len(key) != len(table.key):
            yield (
                f"--key {','.join(key)} has {len(key)} parts, and the key of {table.name} is {', '.join(table.key)}.",
                "Part them by a comma; one that has a comma in it stands in double quotes.",
            )


def _choice(name: str, known: tuple[str, ...] | list[str]) -> str:
    return meant(name, known) or f"There are: {', '.join(known) or 'none'}."
