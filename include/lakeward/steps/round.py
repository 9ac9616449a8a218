"""A round of a catch-up, step by step: read what may differ, write what does, land it in one commit, let the pointer show it.

Each step finds what was done before, and the cut's manifest, staged list and commit are made once, as in any other cut.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from lakeward import __version__
from lakeward.domain.catch_up import NUMBERS, TOUCHED, Keyed, fresh_sql, gone_sql, later_mark, tops_sql, touched_sql
from lakeward.domain.evidence import CaughtUp, Pointer
from lakeward.domain.facts import GroupPlan, Plan, TablePlan
from lakeward.domain.file_facts import (
    FileSet,
    LandedTable,
    Manifest,
    Mark,
    Round,
    Staged,
    StagedFile,
    StagedTable,
)
from lakeward.domain.flatten_checks import quarantine_sql
from lakeward.domain.identity import landing_prefix, pointer_key
from lakeward.domain.kpi_lake import lake_view
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.repair import Patch
from lakeward.domain.sql import ident
from lakeward.domain.stored import to_json
from lakeward.errors import ConflictError, LakeError
from lakeward.ports import CutReader, Input, Ports, Progress, silent
from lakeward.steps.artifacts import (
    check_landing,
    find_manifest,
    find_staged,
    read_manifest,
    read_staged,
    write_manifest,
    write_staged,
)
from lakeward.steps.claim import last_claim
from lakeward.steps.exchange import look_up, rewrite, write
from lakeward.steps.extract import begin_figures, check_tables, guarded
from lakeward.steps.figures import take_figures
from lakeward.steps.publish import find_pointer, later, require_legacy
from lakeward.steps.round_rows import NUMBER, Base, Search, bases_of
from lakeward.steps.set_aside import SetAside, landing_of, set_aside

_TRIES = 10


class MustBeWholeError(ConflictError):
    """A round that does not compare all rows met what only one can settle that does."""


def extract_round(
    plan: Plan,
    group_name: str,
    ports: Ports,
    attempt: str,
    before: Mark | None,
    *,
    whole: bool,
    deletes: bool,
    progress: Progress = silent,
) -> Manifest:
    """Land what may differ from the lake, in one snapshot of the source; a round that has landed is left as it is.

    :param before: the mark of the cut that readers see.
    :param whole: compare all rows, and take every figure of the source.
    :raises DataError: a value that the lake cannot hold.
    :raises LakeError: somebody else wrote to a table.
    """
    group = plan.group(group_name)
    if landed := find_manifest(ports.store, plan, group):
        return landed
    prefix = landing_prefix(plan.migration.migration, group.name, group.cut_id, attempt)
    started = time.monotonic()
    bases = bases_of(plan, group, ports, published_pointer(plan, group, ports))
    horizon = ports.source.horizon()
    with ports.source.cut(group.tables) as cut, ThreadPoolExecutor(1, "figures") as beside:
        check_tables(plan, group, cut)
        figures = begin_figures(plan, group, ports, cut, beside, prefix) if whole else {}
        search = Search(plan, group, ports, cut, bases, prefix, figures, progress)
        try:
            tables, numbers = [], {}
            for table in group.tables:
                found = None if whole or before is None else search.by_watermark(table, before, deletes=deletes)
                counts = guarded(cut, table) if found is None else {}
                files, numbers[table.name] = found or search.by_fingerprints(table)
                rows = counts.pop("") if whole else sum(file.rows for file in files)
                tables.append(LandedTable(table.name, files, rows, rows, counts if whole else {}))
            tops = _tops(group, cut)
            taken = tuple(f.result() for f in figures.values())
        finally:
            beside.shutdown(wait=False, cancel_futures=True)
    manifest = Manifest(
        migration=plan.migration.migration,
        group=group.name,
        cut_id=group.cut_id,
        run_key=plan.run_key,
        file_hash=plan.file_hash,
        version=__version__,
        snapshot=cut.snapshot,
        taken_at=cut.taken_at,
        source=ports.source.identity().label,
        tables=tuple(tables),
        figures=taken,
        seconds=round(time.monotonic() - started, 3),
        round=Round(
            later_mark(before, horizon.at, horizon.oldest, cut.taken_at, tops),
            whole,
            {n: b.snapshot for n, b in bases.items()},
            numbers,
        ),
    )
    return write_manifest(ports.store, plan, group, manifest)


def _tops(group: GroupPlan, cut: CutReader) -> dict[str, int]:
    found: dict[str, int] = {}
    for watermark in group.watermarks:
        if watermark.kind == "number":
            table = next(t for t in group.tables if t.name == watermark.table)
            top = cut.query(tops_sql(watermark, table)).to_pylist()[0]["top"]
            found |= {watermark.table: int(top)} if top is not None else {}
    return found


def published_pointer(plan: Plan, group: GroupPlan, ports: Ports) -> Pointer:
    """The group's pointer, in a state in which what it shows may change."""
    found = find_pointer(ports.store, plan, group)
    if found is None:
        raise LakeError(f"Group {group.name} is not published.", todo="Move its windows first.")
    require_legacy(found[0])
    claim = last_claim(ports.store, plan.migration.migration)
    if claim and claim.open:
        raise claim.busy()
    return found[0]


# --- what is written ----------------------------------------------------------------------------------------------------


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
        set_aside(landing, self._manifest, self._ports.engine, self._progress)
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


def round_of(manifest: Manifest) -> Round:
    """What a manifest tells of its round."""
    if manifest.round is None:
        raise LakeError(f"Cut {manifest.cut_id} of group {manifest.group} is no round of a catch-up.")
    return manifest.round


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
        sql = f"SELECT count(*) AS n FROM {ident(r.table)} AS c ANTI JOIN {ident(r.to)} AS p ON {same} WHERE {named}"
        if lost := int(ports.engine.table(sql, sides).to_pylist()[0]["n"]):
            found.append(f"{lost} rows of {r.table} name rows of {r.to} that are not there")
    return tuple(found)


# --- landing ------------------------------------------------------------------------------------------------------------


def append_round(plan: Plan, group_name: str, ports: Ports, at: datetime) -> Pointer:
    """Land a staged round in one commit over all tables, once, and move the group's pointer to it.

    :raises ConflictError: a table was changed by others, or the pointer was; readers see what they saw.
    """
    group = plan.group(group_name)
    staged, manifest = read_staged(ports.store, plan, group), read_manifest(ports.store, plan, group)
    told = round_of(manifest)
    pointer = published_pointer(plan, group, ports)
    if pointer.cut_id == group.cut_id:
        return pointer
    if pointer.caught and pointer.caught.mark.at > told.mark.at:
        raise ConflictError(
            f"Group {group.name}: a newer round than {group.cut_id} is published.", todo="Nothing needs to be done."
        )
    patches = [
        Patch(t.table, told.bases[t.table], t.old, t.files)
        for t in staged.tables
        if t.files or t.old or _is_new(ports, t.table)
    ]
    snapshots = ports.lake.patch(patches, group.cut_id, group.cut_id, anew=True) if patches else {}
    if left := [p.table for p in patches if p.table not in snapshots]:
        raise ConflictError(
            f"Tables {', '.join(left)} were changed by others while round {group.cut_id} landed.",
            todo="Nothing needs to be done: the next round reads anew; readers still see the cut before.",
        )
    changed = {p.table for p in patches if p.old or p.new}
    pins = {name: snapshots[name] if name in changed else base for name, base in told.bases.items()}
    return _show(plan, group, ports, staged, told, pins, at)


def _is_new(ports: Ports, table: str) -> bool:
    """Whether no round has recorded the table as a cut of all its rows yet."""
    state = ports.lake.state(table)
    return state is not None and (state.sliced or not state.batches)


def _show(
    plan: Plan, group: GroupPlan, ports: Ports, staged: Staged, told: Round, pins: dict[str, int], at: datetime
) -> Pointer:
    key = pointer_key(plan.migration.migration, group.name)
    tables = {ports.lake.qualified(name): snapshot for name, snapshot in pins.items()}
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None:
            raise ConflictError(f"The pointer of group {group.name} is gone.", todo="See `lakeward status`.")
        there, etag = found
        if there.cut_id == group.cut_id:
            return there
        require_legacy(there)
        rounds = there.caught.rounds + 1 if there.caught else 1
        moved = replace(
            there,
            version=there.version + 1,
            cut_id=group.cut_id,
            tables=tables,
            origins={},
            evidence_hash="",
            moved_at=later(at, there),
            moved_by=plan.run_key,
            why=f"round {rounds} of catch-up, cut {group.cut_id}",
            caught=CaughtUp(group.cut_id, plan.run_key, rounds, told.mark, told.whole, staged.upserted, staged.deleted),
        )
        if ports.store.put_if(key, to_json(moved), etag):
            return moved
    raise ConflictError(f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Run it again.")


def judged_round(plan: Plan, group_name: str, ports: Ports, gate: str) -> None:
    """Keep what the gate said of the round, beside the pointer; nothing when another one has taken its place."""
    group = plan.group(group_name)
    for _ in range(_TRIES):
        found = find_pointer(ports.store, plan, group)
        if found is None or found[0].caught is None or found[0].cut_id != group.cut_id:
            return
        there, etag = found
        if there.caught is None or there.caught.gate == gate:
            return
        moved = replace(there, version=there.version + 1, caught=replace(there.caught, gate=gate))
        if ports.store.put_if(pointer_key(plan.migration.migration, group.name), to_json(moved), etag):
            return
    raise ConflictError(f"The pointer of group {group.name} was moved by others {_TRIES} times.", todo="Run it again.")
