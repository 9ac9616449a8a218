"""Text of the log as typed rows: the server that wrote it reads it back, and casts it by the very expressions of an extraction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lakeward.adapters.duck_setup import connect, load_extension
from lakeward.adapters.postgres.pgoutput import Relation
from lakeward.adapters.postgres.session import PATIENCE, Session
from lakeward.domain.changes import KEEP, N, spooled_columns
from lakeward.domain.facts import LandedColumn, TablePlan
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.guards import guard_condition, is_refused, reason
from lakeward.domain.oversize import cut_short
from lakeward.domain.sql import ident, text
from lakeward.errors import SourceError

_ROWS = 10_000
_BYTES = 4 * 2**20
"""What one statement carries."""
_BAD = "#bad"


class Typing:
    """Asks the server to read text as values; its connection is opened when it is first needed."""

    def __init__(self, session: Session, spill: Path) -> None:
        self._session, self._spill = session, spill
        self._con: duckdb.DuckDBPyConnection | None = None
        self._kinds: dict[str, dict[str, str]] = {}
        """Types of a table's columns by their names, as the log told last."""

    def close(self) -> None:
        """Let go of the connection."""
        if self._con:
            self._con.close()

    def check(self, plan: TablePlan, relation: Relation) -> None:
        """SourceError when the log's table is not the one that was planned."""
        terms = ", ".join(f"format_type({kind}, {modifier})" for _, kind, modifier, _ in relation.columns)
        with self._session.connect() as con, self._session.errors("reading the catalog"):
            types = con.execute(f"SELECT {terms}".encode()).fetchone() or ()
        there = {name: str(kind) for (name, *_), kind in zip(relation.columns, types, strict=True)}
        self._kinds[plan.name] = dict(there)
        changes = []
        for column in plan.columns:
            found = there.pop(column.column, None)
            if found != column.source_type:
                changes.append(f"column {column.column!r} was {column.source_type} and is {found or 'gone'}")
        filtered = {f.column for f in plan.filter}
        changes += [
            f"column {name!r} ({kind}) is new" for name, kind in there.items() if name not in {*plan.dropped, *filtered}
        ]
        if changes:
            raise SourceError(
                f"{plan.label} was changed at the source: {'; '.join(changes)}. Changes from there on are not applied.",
                todo="Give the table back what was planned, or write the migration file for what it is now and begin anew "
                "with `lakeward run --new`; nothing is lost meanwhile, the slot keeps it.",
            )

    def refused(self, table: TablePlan, rows: FileSet) -> Sequence[tuple[int, str, str]]:
        """Place, column and reason of each row that holds what a guard finds and no policy answers; once a row."""
        guards = [(c, g) for c in table.columns for g in c.guards if is_refused(c, g)]
        if not guards:
            return ()
        cases = " ".join(f"WHEN {guard_condition(c, g)} THEN {n}" for n, (c, g) in enumerate(guards))
        found: list[tuple[int, str, str]] = []
        for values in self._chunks(table, rows):
            sql = f"SELECT {ident(N)}, CASE {cases} END AS bad FROM ({values}) s"
            with self._session.errors(f"judging changes of {table.label}"):
                marked = self._open().execute(
                    f"SELECT * FROM postgres_query('src', {text(f'SELECT * FROM ({sql}) m WHERE bad IS NOT NULL')})"
                )
                for n, bad in marked.fetchall():
                    column, guard = guards[bad]
                    found.append((int(n), column.source, f"{column.source}: {reason(column, guard)}"))
        return found

    def typed(self, table: TablePlan, rows: FileSet, folder: Path, columns: Sequence[str] = ()) -> FileSet:
        """The rows as the landing has them."""
        wanted = [c for c in table.columns if not columns or c.column in columns]
        if not columns:
            wanted = list(self._shortened(table, rows).columns)
        keep = table.where().removeprefix("WHERE ") or "true"
        listed = [f"{c.expression} AS {ident(c.source)}" for c in wanted]
        listed += [] if columns else [f"coalesce({keep}, false) AS {ident(KEEP)}"]
        files = []
        for n, values in enumerate(self._chunks(table, rows, columns)):
            sql = f"SELECT {ident(N)}, {', '.join(listed)} FROM ({values}) s"
            files.append(str(folder / f"{'keys' if columns else 'rows'}-{table.name}-{n}.parquet"))
            with self._session.errors(f"casting changes of {table.label}"):
                query = f"SELECT * FROM postgres_query('src', {text(sql)})"
                self._open().execute(f"COPY ({query}) TO {text(files[-1])} (FORMAT parquet, COMPRESSION lz4)")
        kinds = tuple((c.source, c.type) for c in wanted)
        extra = () if columns else ((KEEP, "boolean"),)
        return FileSet(tuple(files), StorageAccess(), ((N, "long"), *kinds, *extra))

    def _shortened(self, table: TablePlan, rows: FileSet) -> TablePlan:
        """The plan, cutting short what may be too large."""
        if not table.nested or not rows.urls:
            return table
        longest = ", ".join(f"max(strlen({ident(_column(table, n.source).column)}))" for n in table.nested)
        found = self._open().execute(f"SELECT {longest} FROM {_read(rows)}").fetchone() or ()
        large = {n.source: 1 for n, size in zip(table.nested, found, strict=True) if (size or 0) * 4 > n.max_bytes}
        return cut_short(table, large)

    def _chunks(self, table: TablePlan, rows: FileSet, columns: Sequence[str] = ()) -> Iterator[str]:
        """Rows as SELECTs of the server, its own types read from its own text, a few megabytes each."""
        kinds = self._kinds[table.name]
        names = [c for c in spooled_columns(table) if not columns or c in columns]
        listed = ", ".join(f"c{n} := {ident(name)}" for n, name in enumerate(names))
        packed = (
            f"SELECT '[' || string_agg(to_json(struct_pack(n := {ident(N)}, {listed}))::VARCHAR, ',') || ']' FROM part"
        )
        declared = ", ".join(["n bigint", *(f"c{n} text" for n in range(len(names)))])
        read = ", ".join(f"(c{n})::{kinds[name]} AS {ident(name)}" for n, name in enumerate(names))
        with connect("128MB", 1, self._spill) as con:
            for part in _parts(rows, [N, *names]):
                con.register("part", part)
                (json,) = con.execute(packed).fetchone() or ("[]",)
                yield f"SELECT n AS {ident(N)}, {read} FROM json_to_recordset({text(json)}::json) AS t({declared})"

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            con = connect("512MB", 1, self._spill)
            load_extension(con, "postgres_scanner")
            with self._session.errors("connecting"):
                con.execute(f"ATTACH {text(self._session.limited(PATIENCE))} AS src (TYPE postgres, READ_ONLY)")
            self._con = con
        return self._con


def _column(table: TablePlan, source: str) -> LandedColumn:
    return next(c for c in table.columns if c.source == source)


def _read(rows: FileSet) -> str:
    return f"read_parquet([{', '.join(map(text, rows.urls))}])"


def _parts(rows: FileSet, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for url in rows.urls:
        with pq.ParquetFile(url) as file:
            for batch in file.iter_batches(_ROWS, columns=list(columns)):
                step = max(1, batch.num_rows * _BYTES // max(batch.nbytes, _BYTES))
                for first in range(0, batch.num_rows, step):
                    yield batch.slice(first, step)
