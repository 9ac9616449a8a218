"""Apply one batch of the source's changes to a group's lake tables: cast, reshaped, by key, once, and then shown to readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lakeward.domain import applying as sql
from lakeward.domain.changes import (
    EVENTS,
    FILL,
    ROOT,
    ChangeBatch,
    ChangedTable,
    N,
    found_sql,
    latest_sql,
    spelled,
    touched_sql,
)
from lakeward.domain.evidence import Pointer
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, TablePlan
from lakeward.domain.file_facts import FileSet, StagedFile, StorageAccess
from lakeward.domain.flatten_checks import quarantine_sql
from lakeward.domain.partition import order_terms
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.sql import text
from lakeward.errors import ConflictError, DataError
from lakeward.ports import ChangeStream, Finder, Input, KeyedChange, Ports, silent
from lakeward.steps.publish import show_changes
from lakeward.steps.set_aside import SetAside, set_aside

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Applied:
    """A batch that readers see: its rows by lake table, how many were set aside, and the data files that it made."""

    batch: ChangeBatch
    pointer: Pointer
    rows: dict[str, int]
    quarantined: int
    files: tuple[StagedFile, ...] = ()


def apply_batch(
    plan: Plan, pointer: Pointer, batch: ChangeBatch, stream: ChangeStream, ports: Ports, folder: Path, at: datetime
) -> Applied:
    """Apply a batch and move the group's pointer; a batch that has landed is only shown.

    :param pointer: of the group, as it is.
    :param folder: for what lies between; the caller empties it.
    :raises ConflictError: another run was quicker; nothing of this one was changed.
    :raises DataError: rows don't add up; nothing was changed.
    """
    group = plan.group(pointer.group)
    work = _Round(group, pointer, batch, stream, ports, folder)
    changes = work.changes()
    try:
        snapshots = ports.lake.apply(
            changes, batch.since, batch.until, group.cut_id, plan.migration.migration, _finder(ports)
        )
    except ConflictError:
        ports.lake.unstage([file for change in changes for file in change.files])
        raise
    moved = show_changes(plan, group.name, ports, snapshots, batch.until, at, batch.last_at or at)
    rows = {change.table: sum(file.rows for file in change.files) for change in changes}
    aside = rows.pop(group.quarantine)
    return Applied(batch, moved, rows, aside, tuple(file for change in changes for file in change.files))


def _finder(ports: Ports) -> Finder:
    def find(live: FileSet, change: KeyedChange) -> pa.Table:
        return ports.engine.table(found_sql(change.by), {"live": live, "keys": change.keys})

    return find


@dataclass(slots=True)
class _Table:
    """One table's part of a batch, as files."""

    plan: TablePlan
    changed: ChangedTable
    keys: FileSet
    latest: FileSet
    landed: FileSet
    rows: int
    refused: pa.Table | None = None
    fills: FileSet | None = None


class _Round:
    """One batch, turned into files of the lake."""

    def __init__(
        self, group: GroupPlan, pointer: Pointer, batch: ChangeBatch, stream: ChangeStream, ports: Ports, folder: Path
    ) -> None:
        self._group, self._pointer, self._batch = group, pointer, batch
        self._stream, self._ports, self._folder = stream, ports, folder
        self._attempt = f"changes-{batch.until:016x}"
        self._since = f" (changed before {spelled(batch.until)})"

    def changes(self) -> list[KeyedChange]:
        """What every table gets; the quarantine comes last, also when it gets nothing."""
        found: list[KeyedChange] = []
        try:
            for table in self._tables:
                for lake in table.plan.lake:
                    found.append(self._keyed(table, lake))  # noqa: PERF401 - one by one, so that a failure finds what was written
                self._add_up(table, found[-len(table.plan.lake)])
            found.append(self._aside())
        except BaseException:
            self._ports.lake.unstage([file for change in found for file in change.files])
            raise
        return found

    @cached_property
    def _tables(self) -> list[_Table]:
        return [
            self._typed(plan, self._batch.tables[plan.name])
            for plan in self._group.tables
            if plan.name in self._batch.tables
        ]

    def _typed(self, plan: TablePlan, changed: ChangedTable) -> _Table:
        """The last rows and the keys of a table, cast by the source."""
        name, columns = plan.name, tuple((c, "string") for c in changed.columns)
        events: dict[str, Input] = {EVENTS: changed.input}
        touched = self._keep(
            touched_sql(changed), events, f"{name}-touched", ((N, "long"), *((k, "string") for k in changed.key))
        )
        latest = self._keep(
            latest_sql(changed), events, f"{name}-latest", ((N, "long"), (FILL, "string"), (ROOT, "string"), *columns)
        )
        keys = self._stream.typed(plan, touched, self._sub(f"{name}-keys"), changed.key)
        refused = self._refused(plan, latest)
        good = latest
        if refused is not None:
            left = f'SELECT l.* FROM latest l ANTI JOIN bad b ON l."{N}" = b."{N}"'
            good = self._keep(left, {"latest": latest, "bad": refused}, f"{name}-good", latest.columns)
        typed = self._stream.typed(plan, good, self._sub(f"{name}-rows"))
        kinds = tuple(kind for kind in typed.columns if kind[0] != "#keep")
        landed = self._keep(sql.landed_sql(), {"typed": typed}, f"{name}-landed", kinds)
        rows = self._count(landed)
        table = _Table(plan, changed, keys, latest, landed, rows, refused)
        if changed.unfilled:
            table.fills = self._fills(table, good)
        return table

    def _refused(self, plan: TablePlan, latest: FileSet) -> pa.Table | None:
        import pyarrow as pa

        found = self._stream.refused(plan, latest)
        if not found:
            return None
        numbers, columns, reasons = zip(*found, strict=True)
        return pa.table(
            {N: pa.array(numbers, pa.int64()), "column_name": pa.array(columns), "reason": pa.array(reasons)}
        )

    def _fills(self, table: _Table, good: FileSet) -> FileSet | None:
        """Which values only the lake has; None when there are none."""
        plan, name = table.plan, table.plan.name
        kinds = ((N, "long"), (FILL, "string"), (sql.STAY, "boolean"), *((k, "string") for k in table.changed.key))
        roots = self._keep(sql.roots_sql(table.changed), {"latest": good}, f"{name}-roots", kinds)
        if not roots.urls:
            return None
        keys = self._stream.typed(plan, roots, self._sub(f"{name}-root-keys"), table.changed.key)
        inputs: dict[str, Input] = {"roots": roots, "keys": keys, "landed": table.landed}
        fills = self._keep(sql.fills_sql(plan), inputs, f"{name}-fills", sql.fills_kinds(plan))
        return fills if fills.urls else None

    @cached_property
    def _landing(self) -> SetAside:
        """The batch's rows as a landing, and which of them are set aside."""
        plans = tuple(table.plan for table in self._tables)
        names = {lake.name for plan in plans for lake in plan.lake}
        references = tuple(r for r in self._group.references if {r.table, r.to} <= names)
        group = replace(self._group, tables=plans, references=references, max_quarantine_share=1.0)
        landing = SetAside(group, {table.plan.name: table.landed for table in self._tables})
        set_aside(landing, {table.plan.name: table.rows for table in self._tables}, self._ports.engine, silent)
        for table in self._tables:
            self._set_lost_aside(table, landing)
        return landing

    def _set_lost_aside(self, table: _Table, landing: SetAside) -> None:
        import pyarrow as pa

        if table.fills is None:
            return
        plan, name = table.plan, table.plan.name
        inputs: dict[str, Input] = {name: table.landed, sql.FILLS: table.fills, sql.LAKE: self._lake(plan.lake[0])}
        lost = self._ports.engine.table(sql.lost_sql(plan), inputs)
        if lost.num_rows:
            before = [landing.bad[name]] if name in landing.bad else []
            landing.bad[name] = pa.concat_tables([*before, lost], promote_options="permissive")

    def _keyed(self, table: _Table, lake: LakeTable) -> KeyedChange:
        """What one lake table gets."""
        plan, landing, filled = table.plan, self._landing, table.fills is not None
        inputs: dict[str, Input] = landing.inputs(plan.name)
        if table.fills is not None:
            fills = table.fills
            if plan.name in landing.bad:
                fills = self._keep(
                    sql.good_fills_sql(plan), {**inputs, sql.FILLS: fills}, f"{lake.name}-good-fills", fills.columns
                )
            inputs |= {sql.FILLS: fills, sql.LAKE: self._lake(lake)}
        fresh = sql.fresh_sql(
            plan, lake, landing.rows(plan.name), sorted(landing.exact.get(plan.name, ())), filled=filled
        )
        files = self._write(lake, fresh, inputs, table.rows)
        parents = sql.parents_of(plan, lake)
        kinds = tuple((column, lake.column(column).type) for column in parents)
        gone = self._keep(
            sql.gone_sql(plan, lake, filled=filled), {**inputs, "keys": table.keys}, f"{lake.name}-gone", kinds
        )
        return KeyedChange(lake, files, gone, tuple(parents), table.changed.emptied)

    def _aside(self) -> KeyedChange:
        """What the quarantine gets: what was set aside comes, and whatever it holds of keys that were met goes."""
        quarantine = quarantine_table(self._group)
        files: list[StagedFile] = []
        kinds = (("table_name", "string"), ("row_key", "string"))
        parts: list[FileSet] = []
        for table in self._tables:
            plan = table.plan
            parts.append(self._keep(sql.aside_keys_sql(plan), {"keys": table.keys}, f"{plan.name}-aside", kinds))
            if plan.name in self._landing.bad:
                found = quarantine_sql(plan, self._group.cut_id, self._since)
                files += self._write(quarantine, found, self._landing.inputs(plan.name), table.rows)
            if table.refused is not None:
                files += self._write_refused(table, quarantine)
            if table.changed.emptied:
                held = f"SELECT table_name, row_key FROM lake WHERE table_name = {text(plan.name)}"
                parts.append(self._keep(held, {"lake": self._lake(quarantine)}, f"{plan.name}-held", kinds))
        urls = tuple(url for part in parts for url in part.urls)
        return KeyedChange(quarantine, tuple(files), FileSet(urls, StorageAccess(), kinds), ("table_name", "row_key"))

    def _write_refused(self, table: _Table, quarantine: LakeTable) -> tuple[StagedFile, ...]:
        plan, key = table.plan, table.changed.key
        bad: dict[str, Input] = {"latest": table.latest, "bad": table.refused}
        rows = self._keep(
            f'SELECT l.* FROM latest l SEMI JOIN bad b ON l."{N}" = b."{N}"',
            bad,
            f"{plan.name}-bad",
            table.latest.columns,
        )
        keys = self._stream.typed(plan, rows, self._sub(f"{plan.name}-bad-keys"), key)
        found = sql.refused_sql(plan, table.changed, self._group.cut_id, self._since)
        return self._write(quarantine, found, bad | {"keys": keys}, table.rows)

    def _add_up(self, table: _Table, change: KeyedChange) -> None:
        """Every row that came is in the lake's files or set aside."""
        bad = self._landing.bad.get(table.plan.name)
        staged, aside = sum(file.rows for file in change.files), bad.num_rows if bad is not None else 0
        if staged + aside != table.rows:
            raise DataError(
                f"{table.plan.label}: {table.rows} changed rows, {staged} staged and {aside} quarantined. Nothing was changed.",
                todo="Run it again; if it stays so, report it with the plan.",
            )

    def _lake(self, table: LakeTable) -> FileSet:
        """The table as readers see it, which is how it was before the batch."""
        return self._ports.lake.snapshot(table, self._pointer.tables[self._ports.lake.qualified(table.name)])

    def _write(self, table: LakeTable, found: str, inputs: Mapping[str, Input], about: int) -> tuple[StagedFile, ...]:
        with self._ports.engine.ordered(found, order_terms(table), inputs, about) as rows:
            return self._ports.lake.write(table, rows, self._attempt, silent)

    def _count(self, files: FileSet) -> int:
        return int(self._ports.engine.table("SELECT count(*) AS n FROM rows", {"rows": files}).to_pylist()[0]["n"])

    def _sub(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _keep(self, found: str, inputs: Mapping[str, Input], name: str, kinds: tuple[tuple[str, str], ...]) -> FileSet:
        """The result of SQL as a file here."""
        import pyarrow.parquet as pq

        path, rows = self._folder / f"{name}.parquet", 0
        with (
            self._ports.engine.stream(found, inputs) as reader,
            pq.ParquetWriter(path, reader.schema, compression="lz4") as out,
        ):
            for batch in reader:
                out.write_batch(batch)
                rows += batch.num_rows
        return FileSet((str(path),) if rows else (), StorageAccess(), kinds)
