"""The source: a system that is migrated, and one snapshot of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact, StorageAccess
from lakeward.domain.source_facts import SourceTable

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[str, int, int], None]
"""Called with what is being worked on, how much is done and how much there is (0: not known)."""


def silent(what: str, done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """Who we are there, for manifests and doctor: never credentials."""

    label: str  # host:port/database
    server_version: str
    user: str
    clock: datetime


@dataclass(frozen=True, slots=True)
class Horizon:
    """The source's clock, and an instant: what no cut can see that is opened from now on was begun at it or later.

    ``known``: whether other people's transactions could be seen; else ``oldest`` is the clock's instant, and says nothing of them.
    """

    at: datetime
    oldest: datetime
    known: bool = True


@dataclass(frozen=True, slots=True)
class SourceLoad:
    """How busy a source is: sessions of others at work, and how far its replicas are behind; None where there is none, or nobody may know."""

    sessions: int
    replication_lag: timedelta | None


class CutReader(Protocol):
    """One snapshot of the source; everything that it gives is of that one instant.

    ``position``: of the change log, before which everything that was committed is in the snapshot, and nothing else; 0: not known.
    """

    snapshot: str
    taken_at: datetime
    position: int

    def land(
        self, table: TablePlan, url: str, access: StorageAccess, progress: Progress, only: str = ""
    ) -> tuple[FileFact, ...]:
        """Write the table's rows as Parquet files below ``url`` (a folder), columns named and typed as the plan says.

        ``only`` is a condition of ours over the source's own columns; empty takes all rows.
        """

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """As Source.describe, in the snapshot."""

    def files(self, table: TablePlan, /) -> tuple[FileFact, ...]:
        """The source's files that a table is read from, with their checksums, where there are such; their rows are not told."""

    def query(self, sql: str) -> pa.Table:
        """Run one SELECT of ours; numerics come as decimal128(38, s) by their declared scale, never as floats."""

    def export(self, sql: str, url: str, access: StorageAccess) -> tuple[FileFact, ...]:
        """Write the rows of one SELECT of ours as Parquet files below ``url``, however many there are; types as of ``query``."""


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

    def horizon(self) -> Horizon:
        """What cuts that are opened from now on can't see."""

    def load(self) -> SourceLoad:
        """How busy it is."""

    def cut(self, tables: Sequence[TablePlan] = ()) -> AbstractContextManager[CutReader]:
        """Open one exported snapshot for a group, whose tables nobody can alter, empty or drop while it is open."""
