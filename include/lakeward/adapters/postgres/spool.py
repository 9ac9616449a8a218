"""Events of one table on their way from the log to a file: columnar as soon as some thousands are there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakeward.adapters.postgres.pgoutput import UNCHANGED, Relation, Value
from lakeward.domain.changes import GONE, LIFE, ROOT, SEQ, ChangedTable, key_text
from lakeward.domain.changes import UNCHANGED as MARKS
from lakeward.errors import SourceError

_ROWS = 8192
_BYTES = 16 * 2**20


class Spool:
    """The events of one table in one batch, written below ``stem``."""

    def __init__(self, table: str, columns: Sequence[str], key: Sequence[str], stem: Path) -> None:
        self._table, self._columns, self._key, self._stem = table, tuple(columns), tuple(key), stem
        self._schema = pa.schema(
            [
                (SEQ, pa.int64()),
                (GONE, pa.bool_()),
                (MARKS, pa.string()),
                (LIFE, pa.string()),
                (ROOT, pa.string()),
                *((name, pa.string()) for name in columns),
            ]
        )
        self._places: list[int] = []
        self._keys: list[int] = []
        self._full = False
        self._files = 0
        self._lives: dict[str, tuple[str, str | None]] = {}
        self._handed: tuple[str, ...] = ()
        self._written: list[str] = []
        self._start(emptied=False)

    def _start(self, *, emptied: bool) -> None:
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[tuple[object, ...]] = []
        self._size = self.events = self._unfilled = 0
        self._emptied = emptied
        self._written = []

    def describe(self, relation: Relation) -> None:
        """From here on rows look like this. SourceError when a key can't be told from what the log carries."""
        names = [name for name, *_ in relation.columns]
        self._places = [names.index(name) for name in self._columns]
        self._keys = [names.index(name) for name in self._key]
        self._full = relation.full
        if missing := [names[n] for n in self._keys if not relation.columns[n][3]]:
            raise SourceError(
                f"{relation.schema}.{relation.table}: its replica identity lacks {', '.join(missing)}, which the lake knows rows by.",
                todo=f"ALTER TABLE {relation.schema}.{relation.table} REPLICA IDENTITY FULL, or make that key its primary key.",
            )

    def insert(self, seq: int, new: list[Value]) -> None:
        """A new row."""
        self._put(seq, new)

    def update(self, seq: int, old: list[Value] | None, new: list[Value]) -> None:
        """A row's new values; ``old`` has its old key, or all of it, where the log tells."""
        moved = False
        if old is not None:
            if self._full:
                new = [o if n is UNCHANGED else n for o, n in zip(old, new, strict=True)]
            new = [old[n] if value is UNCHANGED and n in self._keys else value for n, value in enumerate(new)]
            moved = any(old[n] != new[n] for n in self._keys)
        if moved and old is not None:
            self._move(seq, self._key_of(old), self._key_of(new))
            self._put(seq, old, gone=True)
            seq += 1
        self._put(seq, new)

    def delete(self, seq: int, old: list[Value]) -> None:
        """A row is gone."""
        if self._lives:
            text = key_text(self._key_of(old))
            if text in self._lives:
                self._lives[text] = (f"{text} {seq}", None)
        self._put(seq, old, gone=True)

    def truncate(self) -> None:
        """All that was there is gone."""
        self._give_up()
        self._lives.clear()
        self._start(emptied=True)

    def _move(self, seq: int, old: list[str], new: list[str]) -> None:
        """A row goes on under another key: its unchanged values are those of the old one."""
        before = key_text(old)
        self._lives[key_text(new)] = self._lives.get(before, (before, json.dumps(old, ensure_ascii=False)))
        self._lives[before] = (f"{before} {seq}", None)

    def _key_of(self, values: list[Value]) -> list[str]:
        return [value.decode() if isinstance(value, bytes) else "" for value in (values[n] for n in self._keys)]

    def _put(self, seq: int, values: list[Value], *, gone: bool = False) -> None:
        marks = life = root = None
        if not gone:
            if UNCHANGED in values:
                self._unfilled += 1
                marks = "".join("1" if values[n] is UNCHANGED else "0" for n in self._places)
                values = [None if value is UNCHANGED else value for value in values]
            if self._lives:
                life, root = self._lives.get(key_text(self._key_of(values)), (None, None))
        self._rows.append((seq, gone, marks, life, root, *[values[n] for n in self._places]))
        self.events += 1
        if len(self._rows) >= _ROWS or self._size >= _BYTES:
            self._flush()

    def weigh(self, size: int) -> None:
        """So many bytes came in."""
        self._size += size

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self._files += 1
            self._written.append(f"{self._stem}-{self._files}.parquet")
            self._writer = pq.ParquetWriter(self._written[-1], self._schema, compression="lz4", use_dictionary=False)
        columns = zip(*self._rows, strict=True)
        arrays = [
            pa.array(values, pa.binary()).cast(field.type) if n > 4 else pa.array(values, field.type)
            for n, (values, field) in enumerate(zip(columns, self._schema, strict=True))
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._rows, self._size = [], 0

    def finish(self) -> ChangedTable:
        """The events of the batch, whose files stay until that of the next one; which begins."""
        self._flush()
        if self._writer:
            self._writer.close()
        _remove(self._handed)
        self._handed = tuple(self._written)
        found = ChangedTable(
            self._table,
            self._columns,
            self._key,
            tuple(self._written),
            self.events,
            self._emptied,
            self._unfilled,
        )
        self._lives.clear()
        self._start(emptied=False)
        return found

    def discard(self) -> None:
        """Leave no file behind."""
        self._give_up()
        _remove(self._handed)

    def _give_up(self) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None
        _remove(self._written)


def _remove(names: Sequence[str]) -> None:
    for name in names:
        Path(name).unlink(missing_ok=True)
