"""Rows in order, however many they are: parted into ranges of their order on disk, which are sorted one after the other in memory.

DuckDB's own sort of many wide rows outgrows its memory limit, or fails, when the runs that it merges are many.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lakeward.domain.sql import ident, text

Order = Sequence[tuple[str, str]]
"""SQL of what rows are ordered by, each with its direction, such as ``ASC NULLS FIRST``."""

FEW = 256
"""Rows that are not worth a look."""
RANGE_BYTES = 32 * 2**20
AT_ONCE = 128 * 2**20
"""Bytes that are sorted as they come."""
WIDE = 96 * 2**20
"""Bytes of a range that DuckDB sorts, which spills: there may be many rows of one key."""
MOST = 256
_PREFIX = "ranges-"
_SAMPLED = 50_000
_MANY = 20 * _SAMPLED
_SHARE = 10
_VALUE_BYTES = 16
_KEY_BYTES = 64
_KEY, _RANGE = "#key", "#range"
Key = int | bytes
"""What is compared in place of a row: short ones are numbers."""


def order_sql(order: Order) -> str:
    """The clause."""
    return "ORDER BY " + ", ".join(f"{value} {direction}" for value, direction in order) if order else ""


def sample_clause(rows: int) -> str:
    """What takes a sample of an input that gives so many rows: single rows, or of many inputs' vectors, which is quicker."""
    share = min(_SHARE, 100 * _SAMPLED / rows)
    return f"TABLESAMPLE {'system' if rows >= _MANY else 'bernoulli'}({share:.6f} PERCENT) REPEATABLE (1)"


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where ranges of rows begin, but for the first, in the form of ``create_sort_key``; and about how many bytes a row has."""

    starts: tuple[Key, ...] = ()
    width: float = 0

    def rows(self, most: int, size: int) -> int:
        """As many rows as fit a size."""
        return max(1, min(most, int(size / self.width))) if self.width else most


@contextmanager
def room(temp: Path) -> Iterator[Path]:
    """A folder of one's own in ``temp``; those that killed processes have left there are removed.

    Whose process lives holds a lock of its folder; another lock keeps folders from being looked at before they have theirs.
    """
    with ExitStack() as held:
        with _locked(temp, wait=True):
            for left in temp.glob(f"{_PREFIX}*"):
                with suppress(OSError), _locked(left):
                    shutil.rmtree(left)
            folder = Path(held.enter_context(TemporaryDirectory(prefix=_PREFIX, dir=temp)))
            held.enter_context(_locked(folder))
        yield folder


@contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a folder; BlockingIOError when somebody else does."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(opened)


def look(con: duckdb.DuckDBPyConnection, sql: str, order: Order, rows: int) -> Ranges:
    """Ranges of about ``RANGE_BYTES``.

    :param con: a connection that sees a sample of the inputs.
    :param rows: that the SQL has over all of them.
    """
    keyed = f"SELECT *, {_key_of(order)} AS {ident(_KEY)} FROM ({sql})"
    columns = [(ident(name), kind) for name, kind, *_ in con.execute(f"DESCRIBE {keyed}").fetchall()]
    sizes = {"VARCHAR": "strlen", "JSON": "strlen", "BLOB": "octet_length"}
    long = "".join(f" + coalesce({sizes[kind]}({name}), 0)" for name, kind in columns if kind in sizes)
    short = f"[1:{_KEY_BYTES}]" if columns[-1][1] == "BLOB" else ""
    sampled = f"SELECT {ident(_KEY)}{short} AS k, {_VALUE_BYTES * len(columns)}{long} AS width FROM ({keyed})"
    found = con.execute(f"SELECT k, width FROM ({sampled}) ORDER BY k").fetchall()
    if not found:
        return Ranges()
    width = sum(width for _, width in found) / len(found)
    size = rows * width
    count = min(MOST, int(size / RANGE_BYTES) + 1) if order and size > AT_ONCE else 1
    starts = {found[len(found) * n // count][0] for n in range(1, count)}
    return Ranges(tuple(sorted(starts)), width)


def ranged_sql(sql: str, order: Order, ranges: Ranges) -> str:
    """The rows of the SQL with what they are sorted by, and the number of their range."""
    number = _range_of(ranges.starts, 0, len(ranges.starts))
    return f"SELECT *, ({number})::UTINYINT AS {ident(_RANGE)} FROM (SELECT *, {_key_of(order)} AS {ident(_KEY)} FROM ({sql}))"


def part(batches: Iterable[pa.RecordBatch], folder: Path) -> None:
    """Write rows with the number of their range into ``folder``, a file for each range."""
    with ExitStack() as opened:
        writers: dict[int, pa.ipc.RecordBatchFileWriter] = {}
        for batch in batches:
            numbers, rows = batch.column(_RANGE), batch.drop_columns([_RANGE])
            order = pc.sort_indices(numbers)
            rows, runs = rows.take(order), pc.run_end_encode(numbers.take(order))
            start = 0
            for end, number in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
                if number not in writers:
                    sink = opened.enter_context(pa.OSFile(str(folder / f"{number:03d}.arrow"), "wb"))
                    writers[number] = opened.enter_context(pa.ipc.new_file(sink, rows.schema))
                writers[number].write_batch(rows.slice(start, end - start))
                start = end


def in_order(con: duckdb.DuckDBPyConnection, folder: Path, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of all ranges, one range after the other; each one's file is gone when it has been read."""
    for path in sorted(folder.iterdir()):
        with pa.OSFile(str(path)) as file:
            rows = pa.ipc.open_file(file).read_all()
        path.unlink()
        if rows.nbytes > WIDE:
            con.register(_RANGE, rows)
            wanted = f"SELECT * EXCLUDE ({ident(_KEY)}) FROM {ident(_RANGE)} ORDER BY {ident(_KEY)}"
            yield from con.execute(wanted).to_arrow_reader(batch_rows)
            con.unregister(_RANGE)
        else:
            order = pc.sort_indices(rows.column(_KEY))
            yield from rows.drop_columns([_KEY]).take(order).to_batches(batch_rows)


def _key_of(order: Order) -> str:
    """What compares as the rows are ordered."""
    if not order:
        return "0"
    return f"create_sort_key({', '.join(f'{value}, {text(direction)}' for value, direction in order)})"


def _range_of(starts: Sequence[Key], first: int, last: int) -> str:
    """The number of the range that the key is in, found by halves."""
    if first == last:
        return f"{first}"
    middle = (first + last) // 2
    below, above = _range_of(starts, first, middle), _range_of(starts, middle + 1, last)
    return f"CASE WHEN {ident(_KEY)} < {_literal(starts[middle])} THEN {below} ELSE {above} END"


def _literal(key: Key) -> str:
    return f"{key}::BIGINT" if isinstance(key, int) else "".join(("'", *(f"\\x{b:02X}" for b in key), "'::BLOB"))
