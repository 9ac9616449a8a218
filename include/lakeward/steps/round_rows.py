"""What a round of a catch-up reads: rows that may differ from the lake's, found by watermarks or by fingerprints, in one snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from lakeward.domain.catch_up import (
    LISTED,
    Keyed,
    any_of_sql,
    apart_sql,
    keys_rows,
    numbered,
    numbers_sql,
    since,
)
from lakeward.domain.duck import Rows as Which
from lakeward.domain.evidence import Pointer
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, TablePlan
from lakeward.domain.file_facts import FileFact, FileSet, Mark
from lakeward.domain.flatten import table_sql
from lakeward.domain.identity import manifest_key
from lakeward.domain.kpi_lake import lake_view
from lakeward.domain.oversize import cut_short
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.rows import EXPECTED, FIGURES, FOUND, Rows, differing_sql, figures_sql
from lakeward.domain.sides import LAKE, whole
from lakeward.domain.sql import ident
from lakeward.errors import LakeError
from lakeward.ports import CutReader, Input, Ports, Progress
from lakeward.steps.extract import told_apart
from lakeward.steps.figures import take_figures, write_figures
from lakeward.steps.guards import count_guarded, refuse
from lakeward.steps.rows import rows_file

NUMBER = (("number", "long"), ("h", "long"))
"""Columns of exported key numbers with the hashes of their rows; stored numbers have the first alone."""


@dataclass(frozen=True, slots=True)
class Base:
    """A lake table as a round finds it: the snapshot whose rows it has, and its files."""

    table: LakeTable
    snapshot: int
    files: FileSet
    whole: bool  # whether it is recorded as a cut of the whole table already


def bases_of(plan: Plan, group: GroupPlan, ports: Ports, pointer: Pointer) -> dict[str, Base]:
    """Every lake table of the group, by name.

    :raises LakeError: somebody else wrote to one of them.
    """
    found = {}
    for table in (*group.lake_tables, quarantine_table(group)):
        state, name = ports.lake.state(table.name), ports.lake.qualified(table.name)
        current = state.snapshot_id if state else None
        snapshot = ports.lake.origin(table.name, current) if current is not None else None
        if state is None or current is None or snapshot is None:
            raise LakeError(f"Table {name} is gone, or its history is.", todo="Move the group's windows again.")
        if snapshot != pointer.content.get(name) and not _is_round(plan, group, ports, state.repair):
            raise LakeError(
                f"Table {name} holds other rows than those that are published (snapshot {pointer.content.get(name)}).",
                todo="Somebody else wrote to it: find out who, and take that back.",
            )
        files = ports.lake.snapshot(table, current)
        found[table.name] = Base(table, snapshot, files, not state.sliced)
    return found


def _is_round(plan: Plan, group: GroupPlan, ports: Ports, cut_id: str) -> bool:
    """Whether a round of this group has landed in the table, and died before all of it was published."""
    key = manifest_key(plan.migration.migration, group.name, cut_id)
    return bool(cut_id) and ports.store.etag(key) is not None


@dataclass(slots=True)
class Search:
    """One round's reading, in one snapshot of the source."""

    plan: Plan
    group: GroupPlan
    ports: Ports
    cut: CutReader
    bases: dict[str, Base]
    prefix: str
    figures: Mapping[str, Future[FileFact]]
    progress: Progress

    def by_fingerprints(self, table: TablePlan) -> tuple[tuple[FileFact, ...], FileFact]:
        """Land every row under whose key's number the lake has others; the files, and the numbers."""
        parts: list[FileFact] = []
        for lake in table.lake:
            subject = whole(table, lake, (), self.plan.migration.calendar)
            there: dict[str, Input] = {LAKE: self.bases[lake.name].files}
            keyed = self._keyed(table, lake)
            parts += self._apart(keyed, subject.source(), subject.lake(), there, self._taken(lake))
        numbers = self._numbers(table, parts)
        return self._land_numbers(table, numbers, "rows"), numbers

    def by_watermark(
        self, table: TablePlan, mark: Mark, *, deletes: bool
    ) -> tuple[tuple[FileFact, ...], FileFact] | None:
        """Land rows that are new or changed since a mark, and with ``deletes`` find keys that are gone; None: the mark tells nothing."""
        watermark = next((w for w in self.group.watermarks if w.table == table.name), None)
        only = since(watermark, mark) if watermark else None
        if only is None:
            return None
        fresh = replace(table, within=f"{table.within} AND ({only})" if table.within else f"({only})")
        refuse(table, count_guarded(self.cut, fresh))
        landed = self._land(table, only, "rows")
        parts: list[FileFact] = []
        main = table.lake[0]
        if deletes and main.key:
            keyed = self._keyed(table, main)
            source = whole(table, main, (), self.plan.migration.calendar).source()
            inputs: dict[str, Input] = {
                lake_view(main.name): self.bases[main.name].files,
                table.name: self._files(table, landed),
            }
            read = table_sql(table, main, Which.ALL, only=main.key)
            found = keys_rows(keyed, ident(lake_view(main.name)), f"({read})")
            parts += self._apart(keyed, replace(source, names=main.key), found, inputs)
        numbers = self._numbers(table, parts)
        missed = self._land_numbers(table, numbers, "missed", f"({only}) IS NOT TRUE")
        return (*landed, *missed), numbers

    def _keyed(self, table: TablePlan, lake: LakeTable) -> Keyed:
        return Keyed(table, lake, self.plan.migration.calendar)

    def _taken(self, lake: LakeTable) -> FileSet | None:
        """The source's fingerprints of a lake table, where they are taken for the proof anyway."""
        told = self.figures.get(rows_file(lake))
        return FileSet((told.result().url,), self.ports.store.access, FIGURES) if told else None

    def _apart(
        self, keyed: Keyed, source: Rows, found: Rows, inputs: dict[str, Input], figures: FileSet | None = None
    ) -> Iterator[FileFact]:
        """The numbers that differ in one lake table: buckets first, then what is in those that do."""
        engine, name = self.ports.engine, keyed.table.name
        self.progress(f"compare {name}", 0, 0)
        sides: dict[str, Input] = {
            EXPECTED: figures or self.cut.query(figures_sql(source)),
            FOUND: engine.table(figures_sql(found), inputs),
        }
        buckets = [int(one["bucket"]) for one in engine.table(differing_sql(), sides).to_pylist()]
        if not buckets:
            return
        url = self.ports.store.url(f"{self.prefix}/numbers/{name}")
        told = self.cut.export(numbers_sql(keyed, source, buckets), url, self.ports.store.access)
        exported = FileSet(tuple(f.url for f in told), self.ports.store.access, NUMBER)
        sql = apart_sql(numbers_sql(keyed, found, buckets))
        yield take_figures(self.ports, sql, {**inputs, EXPECTED: exported}, f"{self.prefix}/numbers/{name}.parquet")

    def _numbers(self, table: TablePlan, parts: Sequence[FileFact]) -> FileFact:
        inputs: dict[str, Input] = {f"#n{n}": self._as_numbers(part) for n, part in enumerate(parts)}
        key = f"{self.prefix}/apart/{table.name}.parquet"
        if inputs:
            return take_figures(self.ports, any_of_sql(inputs), inputs, key)
        import pyarrow as pa

        return write_figures(self.ports, key, pa.table({"number": pa.array([], pa.int64())}))

    def _as_numbers(self, file: FileFact) -> FileSet:
        return FileSet((file.url,), self.ports.store.access, NUMBER[:1])

    def _land_numbers(self, table: TablePlan, numbers: FileFact, folder: str, *terms: str) -> tuple[FileFact, ...]:
        if not numbers.rows:
            return ()
        listed = numbers.rows <= LISTED
        wanted = "number" if listed else "DISTINCT number & 1023 AS number"
        found = self.ports.engine.table(f"SELECT {wanted} FROM n", {"n": self._as_numbers(numbers)})
        only = numbered(self._keyed(table, table.lake[0]), found.column("number").to_pylist(), listed=listed)
        return self._land(table, " AND ".join(f"({term})" for term in (only, *terms)), folder)

    def _land(self, table: TablePlan, only: str, folder: str) -> tuple[FileFact, ...]:
        self.progress(f"extract {table.name}", 0, 0)
        url, access = self.ports.store.url(f"{self.prefix}/{table.name}/{folder}"), self.ports.store.access
        every = {nested.source: 1 for nested in table.nested}
        return told_apart(self.ports, self.cut.land(cut_short(table, every), url, access, self.progress, only))

    def _files(self, table: TablePlan, files: Sequence[FileFact]) -> FileSet:
        columns = tuple((c.source, c.type) for c in table.columns)
        return FileSet(tuple(f.url for f in files), self.ports.store.access, columns)
