"""DuckDB behind the Engine port: each statement in a database of its own, in bounded memory, its inputs as views."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from lakeward.adapters.duck_ranges import (
    FEW,
    Order,
    Ranges,
    in_order,
    look,
    order_sql,
    part,
    ranged_sql,
    room,
    sample_clause,
)
from lakeward.adapters.duck_setup import alive, connect, use_storage
from lakeward.adapters.murmur import hashes
from lakeward.adapters.refusals import is_full
from lakeward.domain.duck import FILE, ROW, ROWS, duck_type
from lakeward.domain.file_facts import FileSet
from lakeward.domain.partition import HASHES
from lakeward.domain.sql import ident
from lakeward.errors import DataError, LakeError, redact
from lakeward.ports import Input

SPILL = "A disk is full: make room for spill files (LAKEWARD_HOME/tmp) or at the place that the message names, then run the step again."
BATCH_ROWS, BATCH_BYTES = 65_536, 16 * 2**20
VECTOR = 2_048
_MEMORY = "Out of Memory Error"
_DATA = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
    duckdb.ConstraintException,
)
_DATA_TEXT = re.compile(r"^(Conversion|Invalid Input|Out of Range|Constraint) Error", re.MULTILINE)


class DuckEngine:
    """Runs SQL over Parquet files, local or on an object store."""

    def __init__(self, threads: int = 2, memory_limit: str = "512MB", temp_dir: Path | str = ".lakeward/tmp") -> None:
        self._threads, self._memory_limit, self._temp_dir = threads, memory_limit, Path(temp_dir)

    @contextmanager
    def stream(self, sql: str, inputs: Mapping[str, Input]) -> Iterator[pa.RecordBatchReader]:
        """Run DuckDB SQL and hand out its rows in batches.

        :raises DataError: a value does not fit what the SQL asks of it.
        :raises LakeError: files are missing or unreadable, or memory or disk ran out.
        """
        with self._opened(sql, inputs) as con:
            yield _streamed(con, sql, inputs, BATCH_ROWS)

    @contextmanager
    def ordered(self, sql: str, order: Order, inputs: Mapping[str, Input], rows: int) -> Iterator[pa.RecordBatchReader]:
        """Run DuckDB SQL and hand out its rows in order, in memory that does not grow with them; errors as in ``stream``."""
        whole, ranges = f"SELECT * FROM ({sql}) {order_sql(order)}", Ranges()
        with self._opened(whole, inputs) as con:
            if rows >= FEW:
                with _explained(inputs):
                    _offer_all(con, whole, inputs, sample_clause(rows))
                    ranges = look(con, sql, order, rows)
                    _offer_all(con, whole, inputs)
            batch_rows = ranges.rows(BATCH_ROWS, BATCH_BYTES)
            if batch_rows < VECTOR:  # each thread holds so many rows, and more than once
                con.execute("SET threads = 1")
            if not ranges.starts:
                yield _streamed(con, whole, inputs, batch_rows)
                return
            with room(self._temp_dir) as folder:
                with _explained(inputs):
                    con.execute("SET preserve_insertion_order = false")
                    part(con.execute(ranged_sql(sql, order, ranges)).to_arrow_reader(batch_rows), folder)
                    con.execute("SET preserve_insertion_order = true")
                batches = _batches(in_order(con, folder, batch_rows), inputs)
                first = next(batches)
                yield pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))

    def table(self, sql: str, inputs: Mapping[str, Input]) -> pa.Table:
        """Run DuckDB SQL whose result is small; errors as in ``stream``."""
        with self._opened(sql, inputs) as con, _explained(inputs):
            return con.execute(sql).to_arrow_table()

    def timed(self, sql: str, inputs: Mapping[str, Input], limit: timedelta) -> float:
        """Seconds that SQL takes until its last row is fetched; LakeError when they are more than the limit."""
        began = time.monotonic()
        with self._opened(sql, inputs) as con:
            clock = threading.Timer(limit.total_seconds(), con.interrupt)
            clock.daemon = True
            clock.start()
            try:
                with _explained(inputs):
                    for _ in con.execute(sql).to_arrow_reader(BATCH_ROWS):
                        pass
            finally:
                clock.cancel()
        return time.monotonic() - began

    @contextmanager
    def _opened(self, sql: str, inputs: Mapping[str, Input]) -> Iterator[duckdb.DuckDBPyConnection]:
        self._temp_dir.mkdir(parents=True, exist_ok=True)
        con = connect(self._memory_limit, self._threads, self._temp_dir)
        try:
            with _explained(inputs):
                if "ORDER BY" in sql.upper():
                    con.execute("SET preserve_insertion_order = true")
                for function, kind in HASHES.items():
                    if function in sql:
                        con.create_function(function, hashes, [kind], "integer", type=PythonUDFType.ARROW)
                _offer_all(con, sql, inputs)
            yield con
        finally:
            con.close()


def _streamed(
    con: duckdb.DuckDBPyConnection, sql: str, inputs: Mapping[str, Input], batch_rows: int
) -> pa.RecordBatchReader:
    with _explained(inputs):
        reader = con.execute(sql).to_arrow_reader(batch_rows)
    return pa.RecordBatchReader.from_batches(reader.schema, _batches(reader, inputs))


def _offer_all(con: duckdb.DuckDBPyConnection, sql: str, inputs: Mapping[str, Input], sample: str = "") -> None:
    for name, files in inputs.items():
        _offer(con, name, files, rows=ident(name + ROWS) in sql, sample=sample)


def _offer(con: duckdb.DuckDBPyConnection, name: str, files: Input, *, rows: bool, sample: str) -> None:
    """Make an input a view; ``rows`` also the view of its rows with their ids. Of files, ``sample`` may take some rows only."""
    if isinstance(files, pa.Table):
        con.register(name, files)
        return
    if not files.urls:
        columns = [f"NULL::{duck_type(kind)} AS {ident(column)}" for column, kind in files.columns]
        ids = [f"NULL::BIGINT AS {ident(FILE)}", f"NULL::BIGINT AS {ident(ROW)}"]
        con.execute(f"CREATE OR REPLACE VIEW {ident(name)} AS SELECT {', '.join(columns)} WHERE false")
        con.execute(f"CREATE OR REPLACE VIEW {ident(name + ROWS)} AS SELECT {', '.join(columns + ids)} WHERE false")
        return
    for url in files.urls:
        use_storage(con, files.access, url)
    read = alive(con, name, files, sample)
    con.execute(f"CREATE OR REPLACE VIEW {ident(name)} AS SELECT r.* FROM {read}")
    if rows:
        row_id = f"r.file_index::BIGINT AS {ident(FILE)}, r.file_row_number::BIGINT AS {ident(ROW)}"
        con.execute(f"CREATE OR REPLACE VIEW {ident(name + ROWS)} AS SELECT r.*, {row_id} FROM {read}")


def _batches(reader: Iterable[pa.RecordBatch], inputs: Mapping[str, Input]) -> Iterator[pa.RecordBatch]:
    with _explained(inputs):
        yield from reader


@contextmanager
def _explained(inputs: Mapping[str, Input]) -> Iterator[None]:
    """DuckDB's errors as ours, without keys."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # Arrow's are DuckDB's own, told while rows are fetched
        access = [files.access for files in inputs.values() if isinstance(files, FileSet)]
        what = redact(str(error), (s for a in access for s in (a.secret_key, a.session_token, a.access_key)))
        if isinstance(error, _DATA) or _DATA_TEXT.search(what):
            raise DataError(
                f"A value does not fit what is asked of it: {what}",
                todo="Change the declared type, or repair the value at the source.",
            ) from None
        todo = SPILL if is_full(what) else _todo(error, what)
        raise LakeError(f"DuckDB could not run a step's SQL: {what}", todo=todo) from None


def _todo(error: BaseException, what: str) -> str:
    if _MEMORY in what:  # while rows are fetched, it is Arrow who tells
        return "Give the engine more memory, or fewer threads."
    match error:
        case duckdb.HTTPException() | duckdb.IOException():
            return "Check that the object store answers, that the files are there, and that the disk for temporary files has room; then run the step again."
        case _:
            return "Look at the message; if the SQL is at fault, report it as a bug of lakeward."
