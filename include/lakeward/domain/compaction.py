"""What a look at a group's files tells about compaction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Data files of one table: of the cut's pinned snapshot (before) and of the current one (now).

    ``due``: one partition holds at least as many small files as the migration file allows.
    """

    table: str
    files_before: int
    bytes_before: int
    small_before: int
    files_now: int
    bytes_now: int
    small_now: int
    due: bool


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """One look at a group's files. ``settled``: there is nothing to wait for (any more)."""

    group: str
    cut_id: str
    mode: str
    tables: tuple[TableFiles, ...]
    due: bool
    settled: bool


def report(group: str, cut_id: str, mode: str, tables: tuple[TableFiles, ...]) -> CompactionReport:
    """Judge: mode ``none`` waits for nothing, ``observe`` until no table is due."""
    due = any(table.due for table in tables)
    return CompactionReport(group, cut_id, mode, tables, due, settled=mode == "none" or not due)
