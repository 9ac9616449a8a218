"""The lake: an Iceberg catalog and one namespace in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from lakeward.domain.facts import LakeTable, LiveTable
from lakeward.domain.file_facts import Committed, FileSet, LiveFile, StagedFile
from lakeward.domain.maintenance import Expiry, LakeFile, TableHistory
from lakeward.domain.repair import Patch
from lakeward.ports.source import Progress

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class TableState:
    """A lake table as it is. ``batches`` maps a window to the batch that landed last in it; ``repair`` is the last one that it took.

    ``sliced``: it holds windows, each recorded by itself.
    ``position`` is where the source's change log was read up to when the table was last changed by it.
    """

    table: str
    snapshot_id: int | None
    rows: int
    files: int
    bytes: int
    batches: Mapping[str, str]
    repair: str = ""
    sliced: bool = False
    position: int = 0


@dataclass(frozen=True, slots=True)
class TableCommit:
    """What one table gets in a group's commit: files that replace the window's rows. ``plan`` is the table as it must be.

    A window but ``WHOLE`` replaces the files whose names begin with its mark (``domain/windows.py``), and those of ``beside``.
    """

    plan: LakeTable
    batch_id: str
    window: str
    files: tuple[StagedFile, ...]
    beside: tuple[str, ...] = ()
    position: int = 0

    @property
    def table(self) -> str:
        """The plan's name."""
        return self.plan.name


@dataclass(frozen=True, slots=True)
class KeyedChange:
    """What one table gets of a batch of changes: rows of these keys give way, and new files come.

    ``keys`` has a column for each of ``by``, of the same name: a row of the table goes when it has the values of one of its rows.
    ``emptied``: all rows go.
    """

    plan: LakeTable
    files: tuple[StagedFile, ...]
    keys: FileSet
    by: tuple[str, ...]
    emptied: bool = False

    @property
    def table(self) -> str:
        """The plan's name."""
        return self.plan.name


Finder = Callable[[FileSet, KeyedChange], "pa.Table"]
"""Where the rows are that give way: ``file``, the number of the file among the set's, and ``pos`` in it."""


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """Data files of a snapshot; the runs are the largest counts of small files and of delete files in one partition."""

    files: int
    bytes: int
    small_files: int
    largest_small_run: int
    largest_delete_run: int = 0


class Lake(Protocol):
    """An Iceberg catalog and one namespace in it. Table names are the plan's; the adapter puts the prefix before them."""

    def qualified(self, table: str) -> str:
        """``namespace.prefix_table``."""

    def check(self) -> dict[str, str]:
        """What catalog and store can do (multi_table_commit: yes or no, ...), for doctor; LakeError when unreachable."""

    def live(self, table: str) -> LiveTable | None:
        """The columns of a table, or None when there is none."""

    def prepare(self, tables: Sequence[LakeTable], migration: str) -> tuple[str, ...]:
        """Create namespace and missing tables, evolve the others as far as their plans let them be, and check them; what was done, in words.

        LakeError lists every difference, and then nothing is done.
        """

    def differences(self, tables: Sequence[LakeTable], migration: str) -> tuple[str, ...]:
        """What ``prepare`` would refuse; writes nothing."""

    def write(
        self, table: LakeTable, batches: pa.RecordBatchReader, attempt: str, progress: Progress
    ) -> tuple[StagedFile, ...]:
        """Write rows, already ordered by partition and sort order, as data files that nobody can read yet."""

    def adopt(self, table: LakeTable, files: FileSet, attempt: str) -> tuple[StagedFile, ...]:
        """Copy files byte for byte that are as the table's own would be; UnsupportedError says what does not fit."""

    def staged(self, table: LakeTable, files: Sequence[StagedFile | LiveFile]) -> FileSet:
        """Files, staged ones too, as something to read."""

    def commit(self, commits: Sequence[TableCommit], cut_id: str, migration: str) -> tuple[bool, tuple[Committed, ...]]:
        """Land each batch exactly once and tag the cut; True when it was one transaction over all tables.

        LakeError, and nothing is landed, when a table or a file is not what was planned and staged.
        """

    def state(self, table: str) -> TableState | None:
        """The table now, or None when there is none."""

    def snapshot(self, table: LakeTable, snapshot_id: int) -> FileSet:
        """The files of a pinned snapshot; LakeError when it is gone."""

    def statistics(self, table: str, small_file: int, snapshot_id: int | None = None) -> FileStatistics:
        """File statistics of a snapshot (default: the current one)."""

    def live_files(self, table: str) -> tuple[LiveFile, ...]:
        """The data files of the current snapshot that are partitioned as the table is."""

    def replace_files(self, table: str, old: Sequence[LiveFile], new: Sequence[StagedFile], cut_id: str) -> int | None:
        """Put new files with the rows that live in the place of old ones, by one ``replace`` snapshot; its id.

        Delete files are rewritten too: one for each partition, or none where nothing is hidden any more.
        None: some of the old files are live no more, or others of their rows are dead; nothing was changed and the new files are
        deleted. When the snapshot holds exactly the cut's rows, it is tagged as the cut's compacted one.
        :raises LakeError: others keep moving the table (the new files are deleted); or the outcome is not known (they are left:
            they may be live).
        """

    def compacted(self, table: str, cut_id: str) -> int | None:
        """The newest snapshot with the cut's rows in other files, tagged, whoever made it; None when there is none."""

    def origin(self, table: str, snapshot_id: int) -> int | None:
        """The snapshot whose rows a compacted one holds, itself when it is none; None when its history was expired."""

    def patch(self, patches: Sequence[Patch], repair: str, cut_id: str, *, anew: bool = False) -> dict[str, int]:
        """Exchange files of live tables for others, rows and all, in one commit over all tables where the catalog has it.

        Each table lands once for a repair's id, and takes record and tag of the cut along. Table to its new snapshot.
        :param anew: it is a cut of its own, over the whole of each table; else a repair of the cut that is there.
        :raises ConflictError: a table has other rows or other files than the patch was made for; none was changed.
        """

    def apply(
        self, changes: Sequence[KeyedChange], since: int, until: int, cut_id: str, migration: str, find: Finder
    ) -> dict[str, int]:
        """Bring the changes of one batch to their tables, in one commit over all of them where the catalog has it.

        Each table is changed once for a batch, whatever is asked how often; where rows are is looked up anew whenever somebody
        else has moved a table. The last of the tables tells how far the group is, and is changed last. Record and tag of the
        cut are taken along. Table to its snapshot.
        :raises ConflictError: a table is past the batch already, or others kept moving the tables.
        """

    def drop_batch(self, table: str, cut_id: str) -> bool:
        """Take an unpublished cut back out in one commit; False when it is not the table's content."""

    def unstage(self, files: Sequence[StagedFile]) -> None:
        """Delete staged files that no snapshot names."""

    def tables(self, migration: str) -> tuple[str, ...]:
        """The tables of a migration that are there, sorted."""

    def history(self, table: str) -> TableHistory:
        """The snapshots of a table and what names them."""

    def expire(self, history: TableHistory, expiry: Expiry) -> None:
        """Forget snapshots and tags in one commit; ConflictError when a branch or tag has moved since ``history``."""

    def leftovers(self, table: str, before: datetime, spared: Collection[str]) -> tuple[LakeFile, ...]:
        """Files below a table that nothing in its metadata names, written before an instant, ``spared`` URLs left out."""

    def remove(self, table: str, files: Sequence[LakeFile]) -> tuple[LakeFile, ...]:
        """Delete leftovers so that no commit under way can name them afterwards; those that are gone now."""
