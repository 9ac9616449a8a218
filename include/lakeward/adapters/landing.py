"""How DuckDB writes a landing's files, whatever it reads them from: form, progress, and whose fault a failure is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact, StorageAccess
from lakeward.domain.sql import text
from lakeward.errors import LakeError, redact
from lakeward.ports import Progress

_COPY = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880, ROW_GROUP_SIZE_BYTES '16MB', FILE_SIZE_BYTES '128MB', RETURN_STATS true"


class Tally:
    """Adds up what the readers of one table have done, for progress."""

    def __init__(self, table: TablePlan, progress: Progress) -> None:
        self._what = f"extract {table.name}"
        self._total = table.estimated_rows
        self._progress = progress

    @contextmanager
    def watching(self, con: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Report DuckDB's own estimate twice a second while the block runs."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.5):
                share = max(con.query_progress(), 0.0) / 100
                self._progress(self._what, int(share * self._total), self._total)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


@contextmanager
def of_store(access: StorageAccess, url: str) -> Iterator[None]:
    """What the landing's store does not take is no fault of the source."""
    try:
        yield
    except duckdb.IOException as error:
        if "HTTP" not in str(error):
            raise
        said = redact(str(error), (access.secret_key, access.session_token, access.access_key))
        raise LakeError(
            f"The object store did not take files below {url}: {said}",
            todo="Check that it answers and has room; then run the step again.",
        ) from None


def copied(con: duckdb.DuckDBPyConnection, sql: str, url: str) -> tuple[FileFact, ...]:
    """Write what a SELECT gives as Parquet files below ``url``; those that hold rows."""
    rows = con.execute(f"COPY ({sql}) TO {text(url)} ({_COPY})").fetchall()
    return tuple(FileFact(str(name), int(count), int(size)) for name, count, size, *_ in rows if count)
