"""IcebergLake: the lake port over any catalog that PyIceberg reaches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.table import Table
from sqlalchemy.exc import SQLAlchemyError

from lakeward.adapters.iceberg.adopt import adopt_files
from lakeward.adapters.iceberg.apply import Applying, Batch
from lakeward.adapters.iceberg.catalog import explained, open_catalog
from lakeward.adapters.iceberg.change import can_commit_together
from lakeward.adapters.iceberg.commit import Landing
from lakeward.adapters.iceberg.deletes import content_of
from lakeward.adapters.iceberg.evolve import evolve
from lakeward.adapters.iceberg.expire import forget, history_of
from lakeward.adapters.iceberg.leftovers import find_leftovers, remove_leftovers
from lakeward.adapters.iceberg.properties import MULTI_TABLE_COMMIT
from lakeward.adapters.iceberg.read import (
    file_set,
    listed,
    origin,
    pinned,
    state_of,
    statistics_of,
)
from lakeward.adapters.iceberg.repair import Advancing, Patching
from lakeward.adapters.iceberg.revert import delete_unreferenced, drop_cut
from lakeward.adapters.iceberg.rewrite import Rewriting, compacted
from lakeward.adapters.iceberg.schema import (
    MIGRATION,
    PROPERTIES,
    differences,
    live_columns,
    partition_spec,
    schema_of,
    sort_order,
)
from lakeward.adapters.iceberg.write import write_files
from lakeward.domain.changes import spelled
from lakeward.domain.facts import LakeTable, LiveTable
from lakeward.domain.file_facts import Committed, FileSet, LiveFile, StagedFile
from lakeward.domain.maintenance import Expiry, LakeFile, TableHistory
from lakeward.domain.repair import Patch
from lakeward.errors import LakeError, SpecError
from lakeward.ports import FileStatistics, Finder, KeyedChange, Progress, TableCommit, TableState

_MODES = ("auto", "required", "off")


class IcebergLake:
    """One namespace of one catalog.

    :param properties: of the catalog, as ``properties_from`` gives them; secrets in them are never shown.
    :param namespace: one level.
    :param prefix: put before every table's name.
    :param file_size: bytes that data files are rolled at.
    """

    def __init__(
        self, properties: Mapping[str, str], namespace: str, prefix: str = "", file_size: int = 128_000_000
    ) -> None:
        self._properties = dict(properties)
        self._namespace, self._prefix, self._file_size = namespace, prefix, file_size
        self._mode = self._properties.get(MULTI_TABLE_COMMIT, "auto")
        if self._mode not in _MODES:
            raise SpecError(
                f"The catalog's connection says multi_table_commit: {self._mode!r}.",
                todo=f"Write one of {', '.join(_MODES)}.",
            )

    def close(self) -> None:
        """Give up the connection, if there is one."""
        if "_catalog" in self.__dict__:
            self._catalog.close()
            del self.__dict__["_catalog"]

    def qualified(self, table: str) -> str:
        """``namespace.prefix_table``."""
        return f"{self._namespace}.{self._prefix}{table}"

    def check(self) -> dict[str, str]:
        """What the catalog can do; LakeError when it is unreachable or refuses."""
        with explained(self._properties, f"look at namespace {self._namespace}"):
            exists = self._catalog.namespace_exists(self._namespace)
            together = can_commit_together(self._catalog)
        return {
            "catalog": self._properties.get("type", "rest"),
            "namespace": "exists" if exists else "will be created",
            "multi_table_commit": "yes" if together else "no",
            "multi_table_commit_mode": self._mode,
        }

    def live(self, table: str) -> LiveTable | None:
        """The columns of a table, or None when there is none."""
        live = self._find(table)
        return LiveTable(live_columns(live), live.current_snapshot() is not None) if live else None

    def prepare(self, tables: Sequence[LakeTable], migration: str) -> tuple[str, ...]:
        """Create what is missing, evolve and check the rest; what was done, in words. LakeError lists every difference, and then nothing is done."""
        if found := self.differences(tables, migration):
            raise LakeError(
                f"{len(found)} differences between the plan and the lake:\n  - " + "\n  - ".join(found),
                todo="Change the migration file to what the lake has, drop the tables, or choose another namespace or prefix.",
            )
        with explained(self._properties, f"create namespace {self._namespace}"):
            self._create_namespace()
        created = tuple(table.name for table in tables if self._create(table, migration))
        if created and (found := self.differences(tables, migration)):
            raise LakeError(
                "The catalog made other tables than it was asked for:\n  - " + "\n  - ".join(found),
                todo="Check what the catalog supports; the tables are still empty and can be dropped.",
            )
        return (*created, *(told for table in tables if table.evolve for told in self._evolve(table)))

    def differences(self, tables: Sequence[LakeTable], migration: str) -> tuple[str, ...]:
        """What ``prepare`` would refuse; writes nothing."""
        found = []
        for table in tables:
            if live := self._find(table.name):
                told = differences(live, table, migration, evolving=True)
                found += [f"table {self.qualified(table.name)}: {d}" for d in told]
        return tuple(found)

    def write(
        self, table: LakeTable, batches: pa.RecordBatchReader, attempt: str, progress: Progress
    ) -> tuple[StagedFile, ...]:
        """Write rows, ordered by partition and sort order, as data files that nobody can read yet; on failure none stays."""
        live = self._load(table.name)
        with explained(self._properties, f"write files of table {self.qualified(table.name)}"):
            return write_files(live, batches, attempt, self._file_size, progress)

    def adopt(self, table: LakeTable, files: FileSet, attempt: str) -> tuple[StagedFile, ...]:
        """Copy files byte for byte that are as the table's own would be; on failure none stays."""
        live = self._load(table.name)
        with explained(self._properties, f"copy files of table {self.qualified(table.name)}"):
            return adopt_files(live, files, attempt)

    def staged(self, table: LakeTable, files: Sequence[StagedFile | LiveFile]) -> FileSet:
        """Files, staged ones too, as something to read."""
        deletes = {url for file in files if isinstance(file, LiveFile) for url in file.deletes}
        return file_set(self._load(table.name), table, [file.url for file in files], sorted(deletes))

    def commit(self, commits: Sequence[TableCommit], cut_id: str, migration: str) -> tuple[bool, tuple[Committed, ...]]:
        """Land each batch exactly once and tag the cut; True when it was one transaction over all tables."""
        with explained(self._properties, f"commit cut {cut_id} to namespace {self._namespace}"):
            return Landing(self._catalog, self._open, commits, cut_id, migration, together=self._together).run()

    def state(self, table: str) -> TableState | None:
        """The table now, or None when there is none."""
        live = self._find(table)
        if live is None:
            return None
        with explained(self._properties, f"read table {self.qualified(table)}"):
            return state_of(live, table)

    def snapshot(self, table: LakeTable, snapshot_id: int) -> FileSet:
        """The files of a pinned snapshot; LakeError when it is gone."""
        live = self._load(table.name)
        with explained(self._properties, f"read snapshot {snapshot_id} of table {self.qualified(table.name)}"):
            found = content_of(live, pinned(live, snapshot_id))
        urls, deletes = (
            sorted(entry.data_file.file_path for entry in entries) for entries in (found.data, found.deletes)
        )
        return file_set(live, table, urls, deletes)

    def statistics(self, table: str, small_file: int, snapshot_id: int | None = None) -> FileStatistics:
        """File statistics of a snapshot (default: the current one)."""
        live = self._load(table)
        with explained(self._properties, f"read table {self.qualified(table)}"):
            snapshot = live.current_snapshot() if snapshot_id is None else pinned(live, snapshot_id)
            return statistics_of(content_of(live, snapshot), small_file)

    def live_files(self, table: str) -> tuple[LiveFile, ...]:
        """The data files of the current snapshot that are partitioned as the table is."""
        live = self._load(table)
        with explained(self._properties, f"read table {self.qualified(table)}"):
            return listed(live)

    def replace_files(self, table: str, old: Sequence[LiveFile], new: Sequence[StagedFile], cut_id: str) -> int | None:
        """Put new files in the place of live ones by one ``replace`` snapshot; its id, or None when some are live no more."""
        with explained(self._properties, f"replace files of table {self.qualified(table)}"):
            return Rewriting(self._catalog, partial(self._open, table), old, new, cut_id).run()

    def compacted(self, table: str, cut_id: str) -> int | None:
        """The newest snapshot with the cut's rows in other files, tagged, whoever made it; None when there is none."""
        with explained(self._properties, f"look for the compacted snapshot of table {self.qualified(table)}"):
            return compacted(self._catalog, partial(self._open, table), cut_id)

    def origin(self, table: str, snapshot_id: int) -> int | None:
        """The snapshot whose rows a compacted one holds, itself when it is none; None when its history was expired."""
        live = self._load(table)
        found = origin(live, pinned(live, snapshot_id))
        return found.snapshot_id if found else None

    def patch(self, patches: Sequence[Patch], repair: str, cut_id: str, *, anew: bool = False) -> dict[str, int]:
        """Exchange files of live tables for others, rows and all; table to its new snapshot."""
        with explained(self._properties, f"commit repair {repair} to namespace {self._namespace}"):
            kind = Advancing if anew else Patching
            return kind(self._catalog, self._open, patches, repair, cut_id, together=self._together).run()

    def apply(
        self, changes: Sequence[KeyedChange], since: int, until: int, cut_id: str, migration: str, find: Finder
    ) -> dict[str, int]:
        """Bring the changes of one batch to their tables; table to its snapshot."""
        batch = Batch(since, until, cut_id, migration)
        with explained(self._properties, f"commit changes up to {spelled(until)} to namespace {self._namespace}"):
            return Applying(self._catalog, self._open, changes, batch, find, together=self._together).run()

    def drop_batch(self, table: str, cut_id: str) -> bool:
        """Take an unpublished cut back out in one commit; False when it is not the table's content."""
        with explained(self._properties, f"take cut {cut_id} out of table {self.qualified(table)}"):
            return drop_cut(self._catalog, partial(self._open, table), cut_id)

    def unstage(self, files: Sequence[StagedFile]) -> None:
        """Delete staged files that no snapshot names."""
        with explained(self._properties, f"delete staged files in namespace {self._namespace}"):
            tables = [self._catalog.load_table(n) for n in self._catalog.list_tables(self._namespace)] if files else []
            delete_unreferenced(tables, [file.url for file in files])

    def tables(self, migration: str) -> tuple[str, ...]:
        """The tables of a migration that are there, sorted."""
        mine = [n for n, t in self._neighbours.items() if t.properties.get(MIGRATION) == migration]
        return tuple(sorted(name.removeprefix(self._prefix) for name in mine if name.startswith(self._prefix)))

    def history(self, table: str) -> TableHistory:
        """The snapshots of a table and what names them."""
        return history_of(self._load(table), table)

    def expire(self, history: TableHistory, expiry: Expiry) -> None:
        """Forget snapshots and tags in one commit; ConflictError when a branch or tag has moved since ``history``."""
        with explained(self._properties, f"expire snapshots of table {self.qualified(history.table)}"):
            forget(self._catalog, partial(self._open, history.table), history, expiry)

    def leftovers(self, table: str, before: datetime, spared: Collection[str]) -> tuple[LakeFile, ...]:
        """Files below a table that nothing in its metadata names, written before an instant, ``spared`` URLs left out."""
        live = self._load(table)
        home = live.metadata.location.rstrip("/")
        for name, other in self._neighbours.items():
            if name != live.name()[-1] and f"{other.metadata.location}/".startswith(f"{home}/"):
                raise LakeError(
                    f"Table {self.qualified(table)} shares its folder {home} with {name}: whose files they are is not clear.",
                    todo="Move one of the tables; nothing was removed.",
                )
        with explained(self._properties, f"look for leftovers of table {self.qualified(table)}"):
            return find_leftovers(live, before, spared)

    def remove(self, table: str, files: Sequence[LakeFile]) -> tuple[LakeFile, ...]:
        """Delete leftovers so that no commit under way can name them afterwards; those that are gone now."""
        with explained(self._properties, f"remove leftovers of table {self.qualified(table)}"):
            return remove_leftovers(self._catalog, partial(self._open, table), files)

    @cached_property
    def _neighbours(self) -> dict[str, Table]:
        """Every table of the namespace, by its name there."""
        with explained(self._properties, f"list the tables of namespace {self._namespace}"):
            try:
                names = self._catalog.list_tables(self._namespace)
            except NoSuchNamespaceError:
                return {}
            return {name[-1]: self._catalog.load_table(name) for name in names}

    @cached_property
    def _catalog(self) -> Catalog:
        return open_catalog(self._properties)

    @cached_property
    def _together(self) -> bool:
        if self._mode == "off":
            return False
        able = can_commit_together(self._catalog)
        if self._mode == "required" and not able:
            raise LakeError(
                "The catalog has no multi-table commit, and its connection says multi_table_commit: required.",
                todo="Write `auto` (readers of one cut follow the pointer anyway), or use a catalog that has it.",
            )
        return able

    def _open(self, table: str) -> Table:
        return self._catalog.load_table(self.qualified(table))

    def _load(self, table: str) -> Table:
        with explained(self._properties, f"open table {self.qualified(table)}"):
            return self._open(table)

    def _find(self, table: str) -> Table | None:
        with explained(self._properties, f"open table {self.qualified(table)}"):
            try:
                return self._open(table)
            except (NoSuchTableError, NoSuchNamespaceError):
                return None

    def _create_namespace(self) -> None:
        """Another worker may be quicker at any moment; a SQL catalog then tells its database's error."""
        try:
            self._catalog.create_namespace_if_not_exists(self._namespace)
        except SQLAlchemyError:
            if not self._catalog.namespace_exists(self._namespace):
                raise

    def _evolve(self, table: LakeTable) -> tuple[str, ...]:
        with explained(self._properties, f"evolve the schema of table {self.qualified(table.name)}"):
            return evolve(partial(self._open, table.name), table)

    def _create(self, table: LakeTable, migration: str) -> bool:
        if self._find(table.name):
            return False
        schema = schema_of(table)
        with explained(self._properties, f"create table {self.qualified(table.name)}"):
            try:
                self._catalog.create_table(
                    self.qualified(table.name),
                    schema,
                    partition_spec=partition_spec(table, schema),
                    sort_order=sort_order(table, schema),
                    properties={
                        **PROPERTIES,
                        MIGRATION: migration,
                        "write.target-file-size-bytes": str(self._file_size),
                    },
                )
            except TableAlreadyExistsError:
                return False
        return True
