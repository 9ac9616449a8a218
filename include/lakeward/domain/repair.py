"""Rows of the lake that are read again from the source and put in the place of those that differ: what is known of it, and its SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lakeward.domain.dialect import Dialect
from lakeward.domain.duck import FILE, ROWS
from lakeward.domain.evidence import Finding
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.file_facts import FileFact, StagedFile
from lakeward.domain.partition import order_by
from lakeward.domain.rows import Rows, keyed
from lakeward.domain.sides import LAKE
from lakeward.domain.sql import ident
from lakeward.errors import UnsupportedError
from lakeward.spec.models import CalendarSpec

OLD = "#old"
"""The name under which SQL sees the files that are exchanged."""
Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Patch:
    """What becomes of one table: ``old`` files give way to ``new`` ones. ``base`` is the snapshot whose rows the table must have."""

    table: str
    base: int
    old: tuple[str, ...]
    new: tuple[StagedFile, ...]


@dataclass(frozen=True, slots=True)
class Mended:
    """A table's rows with failing keys: how many the lake had, how many the source has, and the files that hold them."""

    table: str
    keys: int
    before: int
    after: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair as it is recorded before anything is changed; ``images`` are the rows that it replaces, as Parquet."""

    migration: str
    group: str
    cut_id: str
    repair: str
    at: datetime
    by: str
    why: str
    snapshot: str
    taken_at: datetime
    patches: tuple[Patch, ...]
    mended: tuple[Mended, ...]
    images: tuple[FileFact, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Repaired:
    """How a repair ended: the snapshots that the pointer shows since, and how many of its keys still differ (None: not compared)."""

    migration: str
    group: str
    cut_id: str
    repair: str
    at: datetime
    snapshots: dict[str, int]
    left: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a repair found and did. ``done`` is empty after a dry run, and when there was nothing to do.

    ``whole``: no more rows differ than were looked at. ``left`` are differences of its keys that stayed, ``rules`` what the record
    rules have against the rows now.
    """

    group: str
    findings: tuple[Finding, ...] = ()
    mended: tuple[Mended, ...] = ()
    whole: bool = True
    done: str = ""
    resumed: bool = False
    left: tuple[Finding, ...] = ()
    images: tuple[str, ...] = ()
    rules: str = ""

    @property
    def settled(self) -> bool:
        """Whether nothing differs any more."""
        return not self.findings or (bool(self.done) and self.whole and not self.left and not self.rules)


def parents(plan: TablePlan, table: LakeTable) -> tuple[str, ...]:
    """The columns of a lake table that name a row of the source by its key; UnsupportedError when there is none."""
    main = plan.lake[0]
    if not main.key:
        raise UnsupportedError(
            f"{plan.label} has no key, so that rows of {table.name} that differ can't be replaced one by one.",
            todo="Start a new run, which lands the whole table anew; `lakeward repair FILE --table NAME` mends other tables.",
        )
    if table.kind == "main":
        return main.key
    by_source = {c.source: c.name for c in table.columns if c.role == "parent"}
    return tuple(by_source[main.column(name).source] for name in main.key)


def main_key(plan: TablePlan, table: LakeTable, finding: Finding) -> Key:
    """The key of the source's row that a finding is on."""
    at = [table.key.index(name) for name in parents(plan, table)]
    return tuple(None if (part := finding.key[n]) is None else str(part) for n in at)


def narrowed(rows: Rows, plan: TablePlan, keys: Sequence[Key]) -> Rows:
    """Only the rows that belong to these rows of the source, child rows by their parent's key."""
    by_parent = replace(rows, table=replace(rows.table, key=parents(plan, rows.table)))
    return replace(rows, where=keyed(by_parent, keys))


def source_condition(plan: TablePlan, keys: Sequence[Key], calendar: CalendarSpec) -> str:
    """What these rows fulfil in the source's table itself."""
    main, landed = plan.lake[0], {c.source: c.expression for c in plan.columns}
    columns = {name: f"({landed[main.column(name).source]})" for name in main.key}
    return keyed(Rows(main, main.key, plan.dialect, "", columns, calendar), keys)


def lake_condition(plan: TablePlan, table: LakeTable, keys: Sequence[Key], calendar: CalendarSpec) -> str:
    """What these rows, or their children, fulfil in a lake table."""
    names = parents(plan, table)
    columns = {name: ident(name) for name in names}
    return keyed(Rows(replace(table, key=names), names, Dialect.DUCKDB, "", columns, calendar), keys)


def touched_sql(condition: str) -> str:
    """Of the files of ``LAKE``, the numbers of those that hold such rows, and how many."""
    return (
        f"SELECT {ident(FILE)} AS file, count(*) AS n FROM {ident(LAKE + ROWS)} WHERE {condition} GROUP BY 1 ORDER BY 1"
    )


def image_sql(condition: str) -> str:
    """The rows themselves."""
    return f"SELECT * FROM {ident(LAKE)} WHERE {condition}"


def exchanged_sql(table: LakeTable, condition: str, fresh: str) -> str:
    """The rows of the files ``OLD`` less those, and the fresh ones, in the table's order."""
    columns = ", ".join(ident(c.name) for c in table.columns)
    kept = f"SELECT {columns} FROM {ident(OLD)} WHERE ({condition}) IS NOT TRUE"
    return f"SELECT * FROM ({kept} UNION ALL SELECT {columns} FROM ({fresh})) {order_by(table)}"
