"""The files of a window in a table that holds several; their names tell."""

from __future__ import annotations

from pyiceberg.manifest import ManifestEntry
from pyiceberg.table import Table

from lakeward.adapters.iceberg.read import WINDOWS, batches, live_entries
from lakeward.domain.identity import WHOLE
from lakeward.domain.windows import holds, is_marked, is_of
from lakeward.errors import LakeError
from lakeward.ports import TableCommit


def total_rows(table: Table) -> int:
    """Live rows, as the current snapshot tells."""
    current = table.current_snapshot()
    return int(current.summary["total-records"] or 0) if current and current.summary else 0


def sliced(table: Table, commit: TableCommit) -> list[ManifestEntry]:
    """The live files that make way for a window's; nothing is read for a window that has never landed.

    :raises LakeError: the window has landed before, and somebody has put rows of several windows into one file since.
    """
    if WHOLE in batches(table):
        raise LakeError(
            f"Table {'.'.join(table.name())} holds a cut of the whole table, and window {commit.window} would come beside it.",
            todo="Drop the table, or give the phased migration another name and table prefix; nothing was committed.",
        )
    if strange := [file.url for file in commit.files if not is_of(file.url, commit.window, *commit.beside)]:
        raise LakeError(
            f"Table {'.'.join(table.name())}: the name of {strange[0]} does not tell that it belongs to window {commit.window}.",
            todo="Report this: nobody could replace the window by itself. Nothing was committed.",
        )
    landed = holds(table.properties.get(WINDOWS, ""), commit.window) or commit.window in batches(table)
    if not landed and not commit.beside:
        return []
    live = live_entries(table, table.current_snapshot())
    if landed and (mixed := [e.data_file.file_path for e in live if not is_marked(e.data_file.file_path)]):
        raise LakeError(
            f"Table {'.'.join(table.name())}: window {commit.window} landed before, and {len(mixed)} files were rewritten since, as "
            f"{mixed[0]}: which of their rows are the window's can't be told. Nothing was committed.",
            todo="Switch the store's own compaction off as long as the migration runs; docs/phased.md tells how to go on.",
        )
    return [e for e in live if is_of(e.data_file.file_path, commit.window, *commit.beside)]
