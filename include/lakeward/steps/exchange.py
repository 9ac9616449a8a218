"""Rows of a lake table that give way to others: the files that hold any are written anew, all others stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.file_facts import FileSet, StagedFile
from lakeward.domain.repair import OLD, exchanged_sql, touched_sql
from lakeward.domain.sides import LAKE
from lakeward.domain.sql import ident
from lakeward.errors import DataError, LakeError
from lakeward.ports import Input, Ports, Progress
from lakeward.steps.set_aside import SetAside


@dataclass(frozen=True, slots=True)
class Exchange:
    """A lake table of which rows are replaced: the condition of these, its files now, and those that hold any."""

    plan: TablePlan
    table: LakeTable
    condition: str
    files: FileSet
    old: tuple[str, ...]
    rows: int
    base: int


def look_up(
    ports: Ports,
    plan: TablePlan,
    table: LakeTable,
    condition: str,
    files: FileSet,
    base: int,
    inputs: Mapping[str, Input] | None = None,
) -> Exchange:
    """Which files hold rows that fulfil a condition, and how many.

    :param inputs: what the condition sees beside the table.
    """
    found = ports.engine.table(touched_sql(condition), {**(inputs or {}), LAKE: files}).to_pylist()
    old = tuple(files.urls[int(row["file"])] for row in found)
    return Exchange(plan, table, condition, files, old, sum(int(row["n"]) for row in found), base)


def rewrite(
    ports: Ports, exchange: Exchange, fresh: str, inputs: Mapping[str, Input], attempt: str, progress: Progress
) -> tuple[tuple[StagedFile, ...], int]:
    """Write the files anew, with the fresh rows in the place of those that give way; the files, and how many rows are fresh.

    Rows are counted by another way than they are written.
    """
    old = FileSet(exchange.old, exchange.files.access, exchange.files.columns, ids=exchange.files.ids)
    given: dict[str, Input] = {**inputs, OLD: old}
    sql = f"SELECT (SELECT count(*) FROM ({fresh})) AS fresh, (SELECT count(*) FROM {ident(OLD)}) AS old"
    row = ports.engine.table(sql, given).to_pylist()[0]
    if not row["fresh"] and not exchange.rows:
        return (), 0
    new = write(
        ports, exchange.table, exchanged_sql(exchange.table, exchange.condition, fresh), given, attempt, progress
    )
    expected = int(row["old"]) - exchange.rows + int(row["fresh"])
    if (written := sum(file.rows for file in new)) != expected:
        ports.lake.unstage(new)
        raise LakeError(
            f"Table {exchange.table.name}: {written} rows were written where {expected} are expected. Nothing was committed.",
            todo="Do it again; if it happens again, report it with the migration file.",
        )
    return new, int(row["fresh"])


def write(
    ports: Ports, table: LakeTable, sql: str, inputs: Mapping[str, Input], attempt: str, progress: Progress
) -> tuple[StagedFile, ...]:
    """Rows as data files that nobody can read yet."""
    with ports.engine.stream(sql, inputs) as rows:
        return ports.lake.write(table, rows, attempt, progress)


def refuse_referred(landing: SetAside) -> None:
    """DataError when a row has to be set aside that others may name: those would have to follow it."""
    named = {r.to for r in landing.group.references if r.origin != "parent"}
    for plan in landing.group.tables:
        if plan.name in landing.bad and named & {t.name for t in plan.lake}:
            raise DataError(
                f"{plan.label}: {landing.bad[plan.name].num_rows} of the rows that differ don't fit what is declared, and other "
                "tables refer to this one. Nothing was changed.",
                todo="Mend them at the source, or start a new run, which sets them aside with all that refers to them.",
            )
