"""Any place that DuckDB queries, behind the Source port."""

from __future__ import annotations

import getpass
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from lakeward.adapters.arrow_files import copied_as_is
from lakeward.adapters.duck_setup import connect, use_storage
from lakeward.adapters.landing import Tally, copied, of_store
from lakeward.adapters.queried.place import Fixed, Place
from lakeward.adapters.refusals import FULL, is_full
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact, StorageAccess
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.sql import ident
from lakeward.errors import SourceError, redact
from lakeward.ports import CutReader, Horizon, Progress, SourceIdentity, SourceLoad

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY = "768MB"
_ADVICE = (
    ("Could not set lock", "Another process has it open for writing: close it there, or name a copy."),
    ("Out of Memory", "Give the source fewer `readers`, or less to sort and group at once."),
    ("Cannot open file", "Check the path and the right to read it."),
    (
        "database is locked",
        "Somebody writes to it: let that finish, turn on its WAL mode, or name a copy; then run the step again.",
    ),
    ("Invalid unicode", "A text is not in UTF-8: mend it at the source, or leave its column out with a view."),
    ("does not exist", "Check the names in the migration file."),
)


class QueriedSource:
    """Read one place; nothing is ever written to it.

    :param readers: DuckDB's threads.
    :param max_snapshot_age: a cut that has been open for longer is given up.
    """

    def __init__(self, place: Place, *, readers: int = 2, max_snapshot_age: timedelta = timedelta(hours=2)) -> None:
        self._place = place
        self._readers = readers
        self._max_age = max_snapshot_age

    def identity(self) -> SourceIdentity:
        """What is there; SourceError when nothing can be read."""
        with self._opened() as (fixed, _):
            return SourceIdentity(self._place.label, fixed.version, _user(), datetime.now(UTC))

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """Every table or view that a ``schema.table`` glob matches, sorted by name."""
        with self._reading() as cut:
            return cut.describe(patterns)

    def sample(self, schema: str, table: str, expression: str, limit: int) -> tuple[str | None, ...]:
        """Up to ``limit`` values of an expression, as text."""
        sql = f"SELECT CAST(({expression}) AS VARCHAR) AS v FROM {ident(schema)}.{ident(table)} LIMIT {limit}"
        with self._reading() as cut:
            return tuple(cut.query(sql).column("v").to_pylist())

    def query(self, sql: str) -> pa.Table:
        """Run one SELECT."""
        with self._reading() as cut:
            return cut.query(sql)

    def load(self) -> SourceLoad:
        """Nobody else is at work in a file, as far as can be told."""
        return SourceLoad(0, None)

    def horizon(self) -> Horizon:
        """The clock; who else writes there, and since when, is not to be seen."""
        now = datetime.now(UTC)
        return Horizon(now, now, known=False)

    @contextmanager
    def cut(self, tables: Sequence[TablePlan] = ()) -> Iterator[CutReader]:  # noqa: ARG002 - all of the place is held
        """Hold what is there open, read only, and make sure at the end that it has stayed as it was."""
        with self._reading() as cut:
            yield cut

    @contextmanager
    def _reading(self) -> Iterator[QueriedCut]:
        with self._opened() as (fixed, con):
            try:
                yield QueriedCut(self._place, fixed, con, datetime.now(UTC) + self._max_age)
            except SourceError:
                fixed.check()  # what fails because it was changed is told as that
                raise
            fixed.check()

    @contextmanager
    def _opened(self) -> Iterator[tuple[Fixed, duckdb.DuckDBPyConnection]]:
        with ExitStack() as stack:
            spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="lakeward-"))
            con = stack.enter_context(closing(connect(MEMORY, self._readers, spill)))
            with told(self._place, "opening it"):
                fixed = stack.enter_context(self._place.fixed(con))
            yield fixed, con


class QueriedCut:
    """Lands tables and takes figures of what was opened."""

    def __init__(self, place: Place, fixed: Fixed, con: duckdb.DuckDBPyConnection, deadline: datetime) -> None:
        self._place, self._fixed, self._con, self._deadline = place, fixed, con, deadline
        self._turn = threading.Lock()
        self.snapshot = fixed.snapshot
        self.taken_at = datetime.now(UTC)
        self.position = 0

    def describe(self, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """What tables there are, by their names and columns."""
        with self._cursor() as con, told(self._place, "reading its tables"):
            return self._fixed.describe(con, patterns)

    def query(self, sql: str) -> pa.Table:
        """Run one SELECT of ours and hand out its (small) result."""
        with self._cursor() as con, told(self._place, "taking figures"):
            return con.execute(sql).to_arrow_table()

    def files(self, table: TablePlan) -> tuple[FileFact, ...]:
        """The files that a table's rows are read from."""
        return self._fixed.files(table)

    def land(
        self, table: TablePlan, url: str, access: StorageAccess, progress: Progress, only: str = ""
    ) -> tuple[FileFact, ...]:
        """Write the table's rows as Parquet files below ``url``; ``only`` those that fulfil a condition of ours."""
        if table.adopt and not only:
            return tuple(copied_as_is(self._fixed.opened(table), url, access))
        if "://" not in url:
            Path(url).mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f"{c.expression} AS {ident(c.source)}" for c in table.columns)
        sql = f"SELECT {columns} FROM {ident(table.schema)}.{ident(table.table)} {table.where(only)}"
        with self._cursor() as con:
            use_storage(con, access, url)
            watched = Tally(table, progress).watching(con)
            with told(self._place, f"reading {table.label}"), of_store(access, url), watched:
                return copied(con, sql, url)

    def export(self, sql: str, url: str, access: StorageAccess) -> tuple[FileFact, ...]:
        """Write the rows of one SELECT of ours as Parquet files below ``url``."""
        if "://" not in url:
            Path(url).mkdir(parents=True, exist_ok=True)
        with self._cursor() as con:
            use_storage(con, access, url)
            with told(self._place, "taking fingerprints"), of_store(access, url):
                return copied(con, sql, url)

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if datetime.now(UTC) >= self._deadline:
            raise SourceError(
                f"{self._place.label} has been held open for longer than source.max_snapshot_age; the cut was given up.",
                todo="Raise source.max_snapshot_age or source.readers, or split the group.",
            )
        if self._fixed.alone:
            with self._turn:
                yield self._con
            return
        with closing(self._con.cursor()) as con:
            con.execute("SET TimeZone = 'UTC'")
            self._fixed.prepare(con)
            yield con


@contextmanager
def told(place: Place, doing: str) -> Iterator[None]:
    """DuckDB's errors as ours, without keys; those of the landing's store pass."""
    try:
        yield
    except duckdb.Error as error:
        what = redact(str(error), place.secrets).strip()
        todo = FULL if is_full(what) else next((advice for sign, advice in _ADVICE if sign in what), "")
        raise SourceError(
            f"{place.label}, while {doing}: {what}",
            todo=todo or "Mend what the message names, then run the step again.",
        ) from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as somebody who has no name
        return "this user"
