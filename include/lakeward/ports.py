"""What the steps need of the world, as Protocols. Adapters implement them; in-memory twins ship beside the real ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from lakeward.domain.acceptance import Acceptance
from lakeward.domain.evidence import Transition, Verdict
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.file_facts import Committed, FileFact, FileSet, LiveFile, StagedFile, StorageAccess
from lakeward.domain.maintenance import Expiry, LakeFile, TableHistory
from lakeward.domain.repair import Patch
from lakeward.domain.signing import UNSIGNED, Signer
from lakeward.domain.source_facts import SourceTable
from lakeward.spec.rules import Rule

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[str, int, int], None]
"""Called with what is being worked on, how much is done and how much there is (0: not known)."""


def silent(what: str, done: int, total: int) -> None:
    """Report to nobody."""


# --- the source -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """Who we are there, for manifests and doctor: never credentials."""

    label: str  # host:port/database
    server_version: str
    user: str
    clock: datetime


class CutReader(Protocol):
    """One snapshot of the source; everything that it gives is of that one instant."""

    snapshot: str
    taken_at: datetime

    def land(
        self, table: TablePlan, url: str, access: StorageAccess, progress: Progress, only: str = ""
    ) -> tuple[FileFact, ...]:
        """Write the table's rows as Parquet files below ``url`` (a folder), columns named and typed as the plan says.

        ``only`` is a condition of ours over the source's own columns; empty takes all rows.
        """

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """As Source.describe, in the snapshot."""

    def query(self, sql: str) -> pa.Table:
        """Run one SELECT of ours; numerics come as decimal128(38, s) by their declared scale, never as floats."""


class Source(Protocol):
    """A system that is migrated."""

    def identity(self) -> SourceIdentity:
        """Who and what answers; SourceError when nobody does."""

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """Every table or view that a ``schema.table`` glob matches, sorted by name; system schemas never match."""

    def sample(self, schema: str, table: str, expression: str, limit: int) -> tuple[str | None, ...]:
        """Up to ``limit`` values of an expression as text, for type inference."""

    def query(self, sql: str) -> pa.Table:
        """As CutReader.query, in a read-only transaction of its own (figures of a frozen source, `now` figures)."""

    def cut(self, tables: Sequence[TablePlan] = ()) -> AbstractContextManager[CutReader]:
        """Open one exported snapshot for a group, whose tables nobody can alter, empty or drop while it is open."""


# --- object store -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """An object of a store, as a listing shows it; ``modified`` is told by the store's own clock."""

    key: str
    bytes: int
    modified: datetime


class ObjectStore(Protocol):
    """Landing, evidence and pointers: keys below one root. Conditional writes are atomic."""

    root: str
    access: StorageAccess

    def url(self, key: str) -> str:
        """The full URL (s3://... or an absolute path) of a key, as DuckDB and pyarrow read it."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and etag, or None when there is no such object."""

    def etag(self, key: str) -> str | None:
        """The etag alone, without the content; None when there is no such object."""

    def put(self, key: str, data: bytes) -> str:
        """Write, whatever was there; the etag."""

    def put_new(self, key: str, data: bytes) -> bool:
        """Write only if absent; False when something is there already."""

    def put_if(self, key: str, data: bytes, etag: str) -> bool:
        """Write only if the object still has that etag; False when it has not."""

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        """Keys and sizes below a prefix."""

    def entries(self, prefix: str) -> Sequence[Entry]:
        """As ``list``, with the instant at which each was written."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete; absent ones are no error."""


# --- rows -------------------------------------------------------------------------------------------------------------

Input: TypeAlias = "FileSet | pa.Table"
"""What SQL can read: Parquet files, or a small table in memory."""


class Engine(Protocol):
    """Reads, transforms and sorts rows set-based, in bounded memory. Inputs are seen by SQL as views of their name.

    ``<name>#rows`` is the same input with the columns ``#file`` and ``#row``, which identify a row of its files.
    """

    def stream(self, sql: str, inputs: Mapping[str, Input]) -> AbstractContextManager[pa.RecordBatchReader]:
        """Run DuckDB SQL and hand out its rows in batches."""

    def table(self, sql: str, inputs: Mapping[str, Input]) -> pa.Table:
        """Run DuckDB SQL whose result is small."""


@dataclass(frozen=True, slots=True)
class TableState:
    """A lake table as it is. ``batches`` maps a window to the batch that landed last in it; ``repair`` is the last one that it took."""

    table: str
    snapshot_id: int | None
    rows: int
    files: int
    bytes: int
    batches: Mapping[str, str]
    repair: str = ""


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

    @property
    def table(self) -> str:
        """The plan's name."""
        return self.plan.name


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """Data files of a snapshot; ``largest_small_run`` is the largest count of small files in one partition."""

    files: int
    bytes: int
    small_files: int
    largest_small_run: int


class Lake(Protocol):
    """An Iceberg catalog and one namespace in it. Table names are the plan's; the adapter puts the prefix before them."""

    def qualified(self, table: str) -> str:
        """``namespace.prefix_table``."""

    def check(self) -> dict[str, str]:
        """What catalog and store can do (multi_table_commit: yes or no, ...), for doctor; LakeError when unreachable."""

    def prepare(self, tables: Sequence[LakeTable], migration: str) -> tuple[str, ...]:
        """Create namespace and missing tables, check the others; names created. LakeError lists every difference."""

    def differences(self, tables: Sequence[LakeTable], migration: str) -> tuple[str, ...]:
        """What ``prepare`` would refuse; writes nothing."""

    def write(
        self, table: LakeTable, batches: pa.RecordBatchReader, attempt: str, progress: Progress
    ) -> tuple[StagedFile, ...]:
        """Write rows, already ordered by partition and sort order, as data files that nobody can read yet."""

    def staged(self, table: LakeTable, files: Sequence[StagedFile | LiveFile]) -> FileSet:
        """Files, staged ones too, as something to read."""

    def commit(self, commits: Sequence[TableCommit], cut_id: str, migration: str) -> tuple[bool, tuple[Committed, ...]]:
        """Land each batch exactly once and tag the cut; True when it was one transaction over all tables.

        LakeError, and nothing is landed, when a table or a file is not what was planned and staged.
        """

    def state(self, table: str) -> TableState | None:
        """The table now, or None when there is none."""

    def snapshot(self, table: LakeTable, snapshot_id: int) -> FileSet:
        """The files of a pinned snapshot; LakeError when it is gone or has delete files."""

    def statistics(self, table: str, small_file: int, snapshot_id: int | None = None) -> FileStatistics:
        """File statistics of a snapshot (default: the current one)."""

    def live_files(self, table: str) -> tuple[LiveFile, ...]:
        """The data files of the current snapshot that are partitioned as the table is; LakeError when delete files hide rows."""

    def replace_files(self, table: str, old: Sequence[LiveFile], new: Sequence[StagedFile], cut_id: str) -> int | None:
        """Put new files with the same rows in the place of live ones, by one ``replace`` snapshot; its id.

        None: some of the old files are live no more; nothing was changed and the new files are deleted. When the snapshot holds
        exactly the cut's rows, it is tagged as the cut's compacted one.
        :raises LakeError: delete files, or others who keep moving the table (the new files are deleted); or the outcome is not
            known (they are left: they may be live).
        """

    def compacted(self, table: str, cut_id: str) -> int | None:
        """The newest snapshot with the cut's rows in other files, tagged, whoever made it; None when there is none."""

    def origin(self, table: str, snapshot_id: int) -> int | None:
        """The snapshot whose rows a compacted one holds, itself when it is none; None when its history was expired."""

    def patch(self, patches: Sequence[Patch], repair: str, cut_id: str) -> dict[str, int]:
        """Exchange files of live tables for others, rows and all, in one commit over all tables where the catalog has it.

        Each table lands once for a repair's id, and takes record and tag of the cut along. Table to its new snapshot.
        :raises ConflictError: a table has other rows or other files than the patch was made for; none was changed.
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


# --- record rules -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of one lake table and the files that they are put to; ``others`` are the tables its references name."""

    table: LakeTable
    rules: tuple[Rule, ...]
    references: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...]  # columns, other table, its columns


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule found. ``error`` is set when it could not be evaluated. ``keys`` are the first failing keys or values.

    A rule on a figure of the whole table has checked one; ``keys`` then tell what was found. ``keys_file`` holds the keys of
    all failing rows.
    """

    table: str
    rule: str
    severity: str
    passed: bool
    checked: int
    failed: int
    error: str = ""
    keys: tuple[str, ...] = ()
    keys_file: FileFact | None = None


class Validator(Protocol):
    """Puts record rules to files."""

    def validate(
        self,
        sets: Sequence[RuleSet],
        inputs: Mapping[str, FileSet],
        keep: str,
        access: StorageAccess,
        progress: Progress,
    ) -> tuple[RuleResult, ...]:
        """Per set the results of its rules, then of its references, each in their order.

        The keys of all rows that fail go to Parquet files below ``keep`` (a folder's URL). Failing rules never raise, unknown
        ones do (SpecError).
        """


# --- memory -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One execution of a step, for status and history."""

    migration: str
    run_key: str
    group: str
    step: str
    outcome: str  # running, done, failed, held
    started_at: datetime
    seconds: float
    rows: int
    message: str = ""


class Ledger(Protocol):
    """Operational history. The pointer is the truth on the state; the ledger follows it."""

    def record_step(self, record: StepRecord) -> None:
        """Keep a step's execution (the last one of a run, group and step is shown)."""

    def record_verdict(self, verdict: Verdict) -> None:
        """Keep a verdict; the same inputs hash again changes nothing."""

    def verdict(self, migration: str, group: str, kind: str, subject: str, inputs_hash: str) -> Verdict | None:
        """The verdict for exactly these inputs, if it was ever reached; errors are never returned."""

    def verdicts(self, migration: str, cut_id: str | None = None) -> tuple[Verdict, ...]:
        """The newest verdict of every group, kind and subject (of one cut)."""

    def record_transition(self, transition: Transition) -> None:
        """Keep who moved what, when and why."""

    def transitions(self, migration: str) -> tuple[Transition, ...]:
        """All transitions, oldest first."""

    def record_acceptances(self, migration: str, standing: Sequence[Acceptance]) -> None:
        """Keep these as the acceptances of a migration that stand, and no others."""

    def acceptances(self, migration: str) -> tuple[Acceptance, ...]:
        """The acceptances that stand, expired ones too, oldest first."""

    def steps(self, migration: str | None = None, run_key: str | None = None) -> tuple[StepRecord, ...]:
        """The newest record of every migration, run, group and step, oldest first."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that a step may need, opened for one migration. ``signer`` signs what is recorded, if it has a key."""

    source: Source
    store: ObjectStore
    engine: Engine
    lake: Lake
    ledger: Ledger
    validator: Validator
    signer: Signer = UNSIGNED
