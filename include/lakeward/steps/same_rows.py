"""Whether two sets of files hold the same rows, by content and not by count."""

from __future__ import annotations

from dataclasses import replace

from lakeward.domain.compaction import fingerprint_sql
from lakeward.domain.facts import LakeTable
from lakeward.domain.file_facts import FileSet
from lakeward.ports import Engine, Lake


def differing(table: LakeTable, one: int, other: int, lake: Lake) -> tuple[FileSet, FileSet]:
    """The files that only one of two snapshots has."""
    before, after = lake.snapshot(table, one), lake.snapshot(table, other)
    shared = {*before.urls} & {*after.urls}
    left, right = (replace(f, urls=tuple(u for u in f.urls if u not in shared)) for f in (before, after))
    return left, right


def same_rows(table: LakeTable, before: FileSet, after: FileSet, engine: Engine) -> bool:
    """Compare the fingerprints of all rows, in bounded memory."""
    one, other = (
        engine.table(fingerprint_sql(table, "files"), {"files": files}).to_pylist() for files in (before, after)
    )
    return bool(one == other)
