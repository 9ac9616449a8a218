"""Compaction, decided by file statistics: what is due, which files are rewritten into how many, and what a look tells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from lakeward.domain.facts import LakeTable
from lakeward.domain.file_facts import LiveFile
from lakeward.domain.sql import ident

DEAD = 10
"""A file is rewritten when one in so many of its rows is hidden by delete files."""


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Data files of one table: of the snapshot that readers had (before) and of the current one (now).

    ``due``: one partition holds at least as many small files, or delete files, as the migration file allows; ``deletes`` are the
    most delete files of one partition. ``rewritten`` are the URLs of the
    files that were (in a dry run: would be) rewritten ``into`` so many; ``note`` says what came in between.
    """

    table: str
    files_before: int
    bytes_before: int
    small_before: int
    files_now: int
    bytes_now: int
    small_now: int
    due: bool
    deletes: int = 0
    rewritten: tuple[str, ...] = ()
    into: int = 0
    note: str = ""


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
    """Judge: ``observe`` waits until no table is due, other modes wait for nothing."""
    due = any(table.due for table in tables)
    return CompactionReport(group, cut_id, mode, tables, due, settled=mode != "observe" or not due)


def rewriting(table: TableFiles, *, dry_run: bool = False) -> str:
    """What was (would be) rewritten of a table and what came in between, in words; empty when there is nothing to tell."""
    counted = f"{len(table.rewritten)} of {table.files_before} files {'would be ' if dry_run else ''}rewritten into {table.into}"
    told = ", ".join(filter(None, (counted if table.rewritten else "", table.note)))
    return f"{table.table}: {told}" if told else ""


def choose(
    files: Iterable[LiveFile], small_file: int, min_small_files: int, target: int
) -> tuple[tuple[LiveFile, ...], int]:
    """The files to rewrite, and into how many at least: all small ones of every partition that has enough of them and gets fewer, and
    files of whose rows too many are dead, with the small ones beside them.

    :param small_file: bytes below which a file is small.
    :param target: bytes that new files are rolled at.
    """
    homes: dict[str, list[LiveFile]] = defaultdict(list)
    for file in files:
        if file.bytes < small_file or _is_dying(file):
            homes[file.partition].append(file)
    chosen: list[LiveFile] = []
    into = 0
    for partition in sorted(homes):
        found = homes[partition]
        fewer = -(-sum(file.bytes for file in found if file.dead < file.rows) // target)
        if any(map(_is_dying, found)) or (len(found) >= min_small_files and fewer < len(found)):
            chosen += sorted(found, key=lambda file: file.url)
            into += fewer
    return tuple(chosen), into


def _is_dying(file: LiveFile) -> bool:
    return bool(file.dead) and file.dead * DEAD >= file.rows


def rewrite_sql(table: LakeTable, view: str) -> str:
    """Every row of the view, its columns as the table's files want them."""
    columns = ", ".join(ident(column.name) for column in table.columns)
    return f"SELECT {columns} FROM {ident(view)}"


def fingerprint_sql(table: LakeTable, view: str) -> str:
    """One row that is the same for the same rows in whatever order and files: their count and two sums over their hashes."""
    row = f"hash({', '.join(ident(column.name) for column in table.columns)})"
    return f"SELECT count(*) AS n, CAST(sum({row}) AS VARCHAR) AS s, bit_xor({row}) AS x FROM {ident(view)}"
