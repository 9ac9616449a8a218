"""The rows of a repair: which differ, what the lake has of them, and what the source gives by the same way as in a cut."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from lakeward.domain.evidence import Finding, Pointer
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.file_facts import FileFact, FileSet, LandedTable, Manifest, StagedFile
from lakeward.domain.flatten import table_sql
from lakeward.domain.flatten_checks import quarantine_sql
from lakeward.domain.identity import repair_prefix
from lakeward.domain.oversize import cut_short
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.repair import (
    Key,
    Mended,
    Patch,
    image_sql,
    lake_condition,
    main_key,
    narrowed,
    parents,
    source_condition,
)
from lakeward.domain.sides import LAKE
from lakeward.errors import ConflictError, DataError
from lakeward.ports import CutReader, Progress
from lakeward.steps.exchange import Exchange, look_up, refuse_referred, rewrite, write
from lakeward.steps.figures import take_figures
from lakeward.steps.guards import count_guarded, refuse
from lakeward.steps.locate import Side, local, locate
from lakeward.steps.measure import table_files
from lakeward.steps.rows import Proof, less_quarantine
from lakeward.steps.set_aside import SetAside, landing_of, set_aside

FilesOf = Callable[[LakeTable], FileSet]


@dataclass(slots=True)
class Work:
    """One repair, in one snapshot of the source."""

    proof: Proof
    cut: CutReader
    progress: Progress
    nonce: str = field(default_factory=lambda: uuid4().hex)
    _keys: dict[str, list[Key]] = field(default_factory=dict)
    _touched: list[Exchange] = field(default_factory=list)
    _after: dict[str, int] = field(default_factory=dict)

    def look(self, tables: Collection[str]) -> tuple[tuple[Finding, ...], bool]:
        """What differs in these lake tables (default: all), and whether that is all of it.

        :raises UnsupportedError: rows of a table without a key do.
        """
        found: list[Finding] = []
        complete = True
        keys: dict[str, dict[Key, None]] = {}
        for plan in self.proof.group.tables:
            wanted = [t for t in plan.lake if t.name in tables or (not tables and plan.prove_rows)]
            if wanted:
                refuse(plan, count_guarded(self.cut, plan))
            for table in wanted:
                self.progress(f"compare rows of {table.name}", 0, 0)
                files = table_files(self.proof.ports, table, self.proof.pointer.tables)
                findings, whole = self._differing(plan, table, files)
                found += findings
                complete &= whole
                if findings:
                    keys.setdefault(plan.name, {}).update(dict.fromkeys(main_key(plan, table, f) for f in findings))
        self._keys = {name: list(some) for name, some in keys.items()}
        self._touched = [self._touch(plan, table) for plan, table in self._tables()]
        return tuple(found), complete

    def mended(self) -> tuple[Mended, ...]:
        """What becomes of each table."""
        return tuple(
            Mended(t.table.name, len(self._keys[t.plan.name]), t.rows, self._after.get(t.table.name, 0), t.old)
            for t in self._touched
        )

    def images(self, repair: str) -> tuple[FileFact, ...]:
        """Keep the lake's rows as they are, one Parquet file a table, beside the landing."""
        ports = self.proof.ports
        return tuple(
            take_figures(
                ports, image_sql(t.condition), {LAKE: t.files}, f"{self._folder(repair)}/{t.table.name}.parquet"
            )
            for t in self._touched
            if t.rows
        )

    def staged(self, repair: str) -> tuple[Patch, ...]:
        """Read the rows again and write the files that hold them; they were compared with the source.

        :raises DataError: a row can't be carried as declared, or is not equal; no file is left behind.
        """
        landing = self._landing(repair)
        patches: list[Patch] = []
        try:
            for patch in self._patches(landing, repair):
                patches.append(patch)  # noqa: PERF402 - one by one, so that a failure finds what was written before it
            self._refuse_unequal({p.table: p.new for p in patches}, landing)
        except BaseException:
            self.proof.ports.lake.unstage([file for patch in patches for file in patch.new])
            raise
        return tuple(patches)

    def left(self, pointer: Pointer) -> tuple[Finding, ...]:
        """What still differs in the rows that were repaired, as readers see them now."""
        self.proof = replace(self.proof, pointer=pointer)
        return self._compared(lambda t: table_files(self.proof.ports, t, pointer.tables))

    # --- which --------------------------------------------------------------------------------------------------------

    def _differing(
        self, plan: TablePlan, table: LakeTable, files: FileSet, keys: Sequence[Key] = ()
    ) -> tuple[tuple[Finding, ...], bool]:
        """What differs between the source and files of a lake table; only in the rows of some keys, if there are any."""
        ports, subject = self.proof.ports, self.proof.subject(plan, table)
        rows = subject.source(), subject.lake()
        source, lake = (narrowed(r, plan, keys) for r in rows) if keys else rows
        sides = Side(source, self.cut.query), Side(lake, local(ports.engine, {LAKE: files}))
        blank = Finding(table.name, "source-lake", table=table.name)
        located = locate(*sides, ports.engine, plan, self.proof.known(table), blank)
        findings = less_quarantine(self.proof, plan, located.findings)
        return self.proof.named(findings, table), located.whole

    def _compared(self, files_of: FilesOf) -> tuple[Finding, ...]:
        return tuple(
            f
            for plan, table in self._tables()
            for f in self._differing(plan, table, files_of(table), self._keys[plan.name])[0]
        )

    def _tables(self) -> Iterator[tuple[TablePlan, LakeTable]]:
        for plan in self.proof.group.tables:
            if plan.name in self._keys:
                yield from ((plan, table) for table in plan.lake)

    def _refuse_unequal(self, new: Mapping[str, tuple[StagedFile, ...]], landing: SetAside) -> None:
        """DataError when a row in the new files is not what the source has; those that are set aside are in none."""
        aside = {t.name for plan in self.proof.group.tables if plan.name in landing.bad for t in plan.lake}
        found = self._compared(lambda t: self.proof.ports.lake.staged(t, new.get(t.name, ())))
        left = [f for f in found if f.kind != "missing" or f.table not in aside]
        if left:
            raise DataError(
                f"{len(left)} rows would not be what the source has, even when they are read again: {left[0].table} "
                f"{left[0].named_key}: {left[0].message}. Nothing was changed.",
                todo="Report this with the migration file; a new run lands the tables anew.",
            )

    def _touch(self, plan: TablePlan, table: LakeTable) -> Exchange:
        parents(plan, table)
        ports, name = self.proof.ports, self.proof.ports.lake.qualified(table.name)
        base, state = self.proof.pointer.content[name], ports.lake.state(table.name)
        if state is None or state.snapshot_id is None or ports.lake.origin(table.name, state.snapshot_id) != base:
            raise ConflictError(
                f"Table {name} holds other rows than those that are published (snapshot {base}).",
                todo="Somebody else wrote to it, or a newer cut waits to be published: finish or discard that, then look again.",
            )
        condition = lake_condition(plan, table, self._keys[plan.name], self.proof.plan.migration.calendar)
        files = ports.lake.snapshot(table, state.snapshot_id)
        return look_up(ports, plan, table, condition, files, base)

    # --- the source's rows --------------------------------------------------------------------------------------------

    def _folder(self, repair: str) -> str:
        group = self.proof.group
        return repair_prefix(self.proof.plan.migration.migration, group.name, group.cut_id, repair)

    def _landing(self, repair: str) -> SetAside:
        """The rows as the source has them, landed as in a cut; what does not fit is set aside."""
        group, ports, calendar = self.proof.group, self.proof.ports, self.proof.plan.migration.calendar
        landed = []
        for plan in group.tables:
            files: tuple[FileFact, ...] = ()
            if keys := self._keys.get(plan.name):
                only = source_condition(plan, keys, calendar)
                url = ports.store.url(f"{self._folder(repair)}/{plan.name}")
                every = {nested.source: 1 for nested in plan.nested}
                files = self.cut.land(cut_short(plan, every), url, ports.store.access, self.progress, only)
            rows = sum(file.rows for file in files)
            landed.append(LandedTable(plan.name, files, rows, rows))
        manifest = Manifest(
            migration=self.proof.plan.migration.migration,
            group=group.name,
            cut_id=group.cut_id,
            run_key=self.proof.plan.run_key,
            file_hash=self.proof.plan.file_hash,
            version=self.proof.plan.version,
            snapshot=self.cut.snapshot,
            taken_at=self.cut.taken_at,
            source="",
            tables=tuple(landed),
            figures=(),
        )
        landing = landing_of(replace(group, max_quarantine_share=1.0), manifest, ports)
        set_aside(landing, manifest.landed, ports.engine, self.progress)
        refuse_referred(landing)
        return landing

    # --- the lake's files ---------------------------------------------------------------------------------------------

    def _patches(self, landing: SetAside, repair: str) -> Iterator[Patch]:
        for touched in self._touched:
            plan, table = touched.plan, touched.table
            fresh = table_sql(plan, table, landing.rows(plan.name), exact=landing.exact.get(plan.name, ()))
            inputs = landing.inputs(plan.name)
            new, self._after[table.name] = rewrite(
                self.proof.ports, touched, fresh, inputs, f"repair-{repair}", self.progress
            )
            if new or touched.old:
                yield Patch(table.name, touched.base, touched.old, new)
        yield from self._aside(landing, repair)

    def _aside(self, landing: SetAside, repair: str) -> Iterator[Patch]:
        """What is set aside goes into the group's quarantine, in the same commit."""
        plans = [plan for plan in self.proof.group.tables if plan.name in landing.bad]
        if plans:
            table = quarantine_table(self.proof.group)
            sql = " UNION ALL ".join(quarantine_sql(plan, self.proof.group.cut_id) for plan in plans)
            inputs = landing.inputs(*(p.name for p in plans))
            new = write(self.proof.ports, table, sql, inputs, f"repair-{repair}", self.progress)
            yield Patch(table.name, self.proof.pointer.content[self.proof.ports.lake.qualified(table.name)], (), new)
