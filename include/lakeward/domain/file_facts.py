"""What is known about files, cuts and batches: frozen facts that are stored as JSON and read back."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FileFact:
    """A Parquet file that was written: where, how many rows and bytes, and what its content is (sha256 or etag)."""

    url: str
    rows: int
    bytes: int
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class LandedTable:
    """What one table left in the landing. ``source_rows`` is the source's own count in the cut's snapshot."""

    table: str
    files: tuple[FileFact, ...]
    rows: int
    source_rows: int
    guards: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    inputs: tuple[
        FileFact, ...
    ] = ()  # the source's own files that it was read from, each once; their rows are not told


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a cut has read. All that it can't see was begun at ``since`` or later, by the source's own clock, which told ``at`` then.

    ``tops`` are the largest numbers of watermarks that are numbers, by table, each time with the instant at which they were taken.
    """

    at: datetime
    since: datetime
    tops: tuple[tuple[datetime, dict[str, int]], ...] = ()


@dataclass(frozen=True, slots=True)
class Round:
    """A cut that holds only what may have changed. ``whole``: all rows were compared, and all figures of the source taken.

    ``bases`` are the snapshots of lake tables that it was made for; ``numbers`` the files, by main table, of the key numbers whose
    rows differ.
    """

    mark: Mark
    whole: bool
    bases: dict[str, int]
    numbers: dict[str, FileFact]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The landing of one group at one cut. Written last and only if absent: without it a landing does not exist."""

    migration: str
    group: str
    cut_id: str
    run_key: str
    file_hash: str
    version: str
    snapshot: str
    taken_at: datetime
    source: str  # host, database, server version; never credentials
    tables: tuple[LandedTable, ...]
    figures: tuple[
        FileFact, ...
    ]  # figures/<kpi>.parquet of each KPI, rows/<lake table>.parquet of each table whose rows are proved, zone.parquet
    seconds: float = 0.0
    round: Round | None = (
        None  # of a catch-up: then ``files`` of tables hold what may have changed, and ``rows`` counts all
    )
    position: int = 0  # of the source's change log, where the cut is tied to it
    figures_only: bool = (
        False  # of a comparison at that position: nothing was landed, and ``rows`` are the source's own count
    )

    @property
    def landed(self) -> dict[str, int]:
        """Table to its landed rows."""
        return {table.table: table.rows for table in self.tables}


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A data file of a lake table that nobody can read yet. ``partition`` are the partition's values in Iceberg's own form.

    ``checksum`` tells its content from any other: the store's etag, or the sha256.
    """

    url: str
    rows: int
    bytes: int
    checksum: str
    partition: tuple[int | str | bool | None, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A data file of a table's current snapshot. ``partition`` tells its partition from others, and says nothing else.

    ``dead`` of its rows are hidden by the delete files ``deletes``.
    """

    url: str
    rows: int
    bytes: int
    partition: str
    dead: int = 0
    deletes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StagedTable:
    """The data files of one lake table for one cut, and what was set aside.

    At a round of a catch-up ``files`` take the place of ``old`` ones, ``kept`` stay, and ``rows`` counts all of the table.
    """

    table: str
    files: tuple[StagedFile, ...]
    rows: int
    read: int  # rows of the landing (main tables), list items or map entries (children)
    quarantined: int
    old: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    """The staged files of a group; written once per cut, the first wins. The quarantine table is among ``tables``."""

    group: str
    cut_id: str
    tables: tuple[StagedTable, ...]
    seconds: float = 0.0
    upserted: int = 0  # rows of main tables that a round writes anew, or for the first time
    deleted: int = 0

    def table(self, name: str) -> StagedTable:
        """The table of that name; KeyError when there is none."""
        for table in self.tables:
            if table.table == name:
                return table
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Committed:
    """A table's snapshot that holds the batch."""

    table: str
    batch_id: str
    snapshot_id: int
    rows: int
    already: bool  # the batch had landed before


@dataclass(frozen=True, slots=True)
class Appended:
    """A group whose batch is in the lake, and how it was committed: ``multi`` is one transaction over all tables."""

    group: str
    cut_id: str
    multi: bool
    tables: tuple[Committed, ...]

    @property
    def snapshots(self) -> dict[str, int]:
        """Table to snapshot id."""
        return {c.table: c.snapshot_id for c in self.tables}


@dataclass(frozen=True, slots=True)
class StorageAccess:
    """How files are reached; empty for local ones. Its repr never shows the keys."""

    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    path_style: bool = True


@dataclass(frozen=True, slots=True)
class FileSet:
    """Parquet files that are read as one table; ``columns`` (name, lake type) give the schema when there is no file.

    Rows that the delete files ``deletes`` name are not read; ``paths`` are what these call the files. ``ids`` are the columns' field
    ids, by which they are found where files were written with other columns or narrower types.
    """

    urls: tuple[str, ...]
    access: StorageAccess
    columns: tuple[tuple[str, str], ...]
    deletes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()

    def only(self, urls: Container[str]) -> FileSet:
        """Those of the files."""
        kept = [n for n, url in enumerate(self.urls) if url in urls]
        paths = tuple(self.paths[n] for n in kept) if self.paths else ()
        return replace(self, urls=tuple(self.urls[n] for n in kept), paths=paths)
