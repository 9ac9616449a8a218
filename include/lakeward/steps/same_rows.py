"""Whether two sets of files hold the same rows, by content and not by count."""

from __future__ import annotations

from lakeward.domain.compaction import fingerprint_sql
from lakeward.domain.facts import LakeTable
from lakeward.domain.file_facts import FileSet
from lakeward.ports import Engine, Lake


def differing(table: LakeTable, one: int, other: int, lake: Lake) -> tuple[FileSet, FileSet]:
    """The files that only one of two snapshots has; all of both where they hide other rows of their files."""
    before, after = lake.snapshot(table, one), lake.snapshot(table, other)
    shared = {*before.urls} & {*after.urls} if before.deletes == after.deletes else set()
    return before.only({*before.urls} - shared), after.only({*after.urls} - shared)


def same_rows(table: LakeTable, before: FileSet, after: FileSet, engine: Engine) -> bool:
    """Compare the fingerprints of all rows, in bounded memory."""
    one, other = (
        engine.table(fingerprint_sql(table, "files"), {"files": files}).to_pylist() for files in (before, after)
    )
    return bool(one == other)
