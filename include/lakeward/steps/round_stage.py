"""A round of a catch-up is written: the files that hold rows which differ, made anew, and what of it nobody may read."""

from __future__ import annotations

import time
from dataclasses import replace

from lakeward.domain.catch_up import NUMBERS, TOUCHED, Keyed, fresh_sql, gone_sql, touched_sql
from lakeward.domain.facts import GroupPlan, Plan, TablePlan
from lakeward.domain.file_facts import (
    FileSet,
    Manifest,
    Staged,
    StagedFile,
    StagedTable,
)
from lakeward.domain.flatten_checks import quarantine_sql
from lakeward.domain.identity import landing_prefix
from lakeward.domain.kpi_lake import lake_view
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.sql import ident, text
from lakeward.errors import ConflictError
from lakeward.ports import Input, Ports, Progress, silent
from lakeward.steps.artifacts import (
    check_landing,
    find_staged,
    read_manifest,
    read_staged,
    write_staged,
)
from lakeward.steps.exchange import look_up, rewrite, write
from lakeward.steps.figures import take_figures
from lakeward.steps.round_publish import published_pointer, round_of
from lakeward.steps.round_rows import NUMBER, Base, bases_of
from lakeward.steps.set_aside import SetAside, landing_of, set_aside

_SHOWN = 3
"""Rows that are named of a reference that would break."""


class MustBeWholeError(ConflictError):
    """A round that does not compare all rows met what only one can settle that does."""


def stage_round(plan: Plan, group_name: str, ports: Ports, attempt: str, progress: Progress = silent) -> Staged:
    """Write anew the files that hold rows which differ; a round that is staged is left as it is.

    :raises MustBeWholeError: something does not fit what is declared, and not all rows were compared.
    :raises DataError: too much would be quarantined.
    :raises ConflictError: a table has other rows than when the round was read.
    """
    group = plan.group(group_name)
    if staged := find_staged(ports.store, plan, group):
        return staged
    started = time.monotonic()
    manifest = read_manifest(ports.store, plan, group)
    check_landing(ports.store, manifest)
    work = _Staging(plan, group, ports, manifest, f"round-{attempt}", progress)
    try:
        tables = work.stage()
        ours = Staged(
            group.name,
            group.cut_id,
            tables,
            round(time.monotonic() - started, 3),
            upserted=work.upserted,
            deleted=work.deleted,
        )
        stored = write_staged(ports.store, plan, group, ours)
    except BaseException:
        ports.lake.unstage(work.written)
        raise
    if stored.tables != ours.tables:
        ports.lake.unstage(work.written)
    return stored


class _Staging:
    """The files of one round."""

    def __init__(
        self, plan: Plan, group: GroupPlan, ports: Ports, manifest: Manifest, attempt: str, progress: Progress
    ) -> None:
        self._plan, self._group, self._ports, self._manifest = plan, group, ports, manifest
        self._attempt, self._progress = attempt, progress
        self.written: list[StagedFile] = []
        self.upserted = self.deleted = 0

    def stage(self) -> tuple[StagedTable, ...]:
        """Every lake table and the quarantine."""
        told = round_of(self._manifest)
        bases = bases_of(self._plan, self._group, self._ports, published_pointer(self._plan, self._group, self._ports))
        moved = [name for name, base in bases.items() if base.snapshot != told.bases.get(name)]
        if moved:
            raise ConflictError(
                f"Tables {', '.join(moved)} have other rows than when the round was read.",
                todo="Nothing needs to be done: the next round reads anew.",
            )
        landing = self._set_aside(whole=told.whole)
        tables = [one for plan in self._group.tables for one in self._table(plan, landing, bases)]
        return (*tables, self._quarantine(landing, bases, whole=told.whole))

    def _set_aside(self, *, whole: bool) -> SetAside:
        group = self._group if whole else replace(self._group, max_quarantine_share=1.0)
        landing = landing_of(group, self._manifest, self._ports)
        set_aside(landing, self._manifest.landed, self._ports.engine, self._progress)
        if landing.bad and not whole:
            raise MustBeWholeError(
                f"Rows of {', '.join(landing.bad)} don't fit what is declared.",
                todo="Nothing needs to be done: the next round compares all rows, and sets them aside.",
            )
        return landing

    def _table(self, plan: TablePlan, landing: SetAside, bases: dict[str, Base]) -> list[StagedTable]:
        ports, calendar = self._ports, self._plan.migration.calendar
        which, exact = landing.rows(plan.name), landing.exact.get(plan.name, frozenset())
        keyed = [Keyed(plan, table, calendar) for table in plan.lake]
        numbers = round_of(self._manifest).numbers[plan.name]
        views: dict[str, Input] = {lake_view(table.name): bases[table.name].files for table in plan.lake}
        views[NUMBERS] = FileSet((numbers.url,), ports.store.access, NUMBER[:1])
        inputs = landing.inputs(plan.name)
        self._progress(f"compare {plan.name}", 0, 0)
        cut = self._group.name, self._group.cut_id, self._attempt
        key = f"{landing_prefix(self._plan.migration.migration, *cut)}/touched/{plan.name}.parquet"
        touched = take_figures(ports, touched_sql(keyed, which, exact), {**views, **inputs}, key)
        columns = tuple((f"#k{n}", "string") for n in range(len(keyed[0].key)))
        inputs[TOUCHED] = FileSet((touched.url,), ports.store.access, columns)
        gone = int(ports.engine.table(gone_sql(keyed[0], exact), inputs).to_pylist()[0]["n"]) if touched.rows else 0
        self.deleted += gone
        self.upserted += touched.rows - gone
        counts = landing.counts(plan, ports.engine)
        staged = []
        for one in keyed:
            base = bases[one.table.name]
            total = self._count(base)
            if touched.rows:
                asked = {TOUCHED: inputs[TOUCHED]}
                exchange = look_up(ports, plan, one.table, one.touched, base.files, base.snapshot, asked)
                fresh = fresh_sql(one, which, exact)
                new, more = rewrite(ports, exchange, fresh, inputs, self._attempt, self._progress)
                self.written += new
                total += more - exchange.rows
                old = exchange.old
            else:
                new, old = (), ()
            kept = tuple(url for url in base.files.urls if url not in old)
            aside = counts[one.table.name][1]
            staged.append(StagedTable(one.table.name, new, total, total + aside, aside, old, kept))
        return staged

    def _quarantine(self, landing: SetAside, bases: dict[str, Base], *, whole: bool) -> StagedTable:
        """All that is set aside at this cut; a round that has not compared all rows leaves it as it is."""
        table = quarantine_table(self._group)
        base = bases[table.name]
        if not whole:
            total = self._count(base)
            return StagedTable(table.name, (), total, total, 0, (), base.files.urls)
        plans = [plan for plan in self._group.tables if plan.name in landing.bad]
        new: tuple[StagedFile, ...] = ()
        if plans:
            sql = " UNION ALL ".join(quarantine_sql(plan, self._group.cut_id) for plan in plans)
            inputs = landing.inputs(*(p.name for p in plans))
            new = write(self._ports, table, sql, inputs, self._attempt, self._progress)
            self.written += new
        total = sum(file.rows for file in new)
        return StagedTable(table.name, new, total, total, 0, base.files.urls)

    def _count(self, base: Base) -> int:
        rows = self._ports.engine.table("SELECT count(*) AS n FROM t", {"t": base.files}).to_pylist()
        return int(rows[0]["n"])


def as_it_will_be(staged: Staged) -> Staged:
    """The files of every table as they are once the round has landed, for record rules."""
    tables = tuple(
        replace(t, files=(*(StagedFile(url, 0, 0, "") for url in t.kept), *t.files), old=(), kept=())
        for t in staged.tables
    )
    return replace(staged, tables=tables)


def orphans(plan: Plan, group_name: str, ports: Ports) -> tuple[str, ...]:
    """References, in words, that rows of a staged round would break."""
    group = plan.group(group_name)
    files = {t.table: t for t in as_it_will_be(read_staged(ports.store, plan, group)).tables}
    found = []
    for r in group.references:
        if r.origin == "parent":
            continue
        sides = {
            t.name: ports.lake.staged(t, files[t.name].files) for t in group.lake_tables if t.name in {r.table, r.to}
        }
        named = " AND ".join(f"c.{ident(c)} IS NOT NULL" for c in r.columns)
        same = " AND ".join(f"p.{ident(to)} = c.{ident(c)}" for c, to in zip(r.columns, r.to_columns, strict=True))
        names = ", ".join(f"{text(c)}: c.{ident(c)}" for c in r.columns)
        sql = f"SELECT count(*) AS n, min(CAST({{{names}}} AS VARCHAR), {_SHOWN}) AS first FROM {ident(r.table)} AS c ANTI JOIN {ident(r.to)} AS p ON {same} WHERE {named}"
        (row,) = ports.engine.table(sql, sides).to_pylist()
        if lost := int(row["n"]):
            first = ", ".join(dict.fromkeys(row["first"]))
            found.append(f"{lost} rows of {r.table} name rows of {r.to} that are not there: {first}")
    return tuple(found)
