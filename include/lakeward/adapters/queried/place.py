"""What another source that DuckDB queries must give: how it is opened, what is in it, and whether it has stayed as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

import duckdb

from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact
from lakeward.domain.source_facts import SourceTable


class Fixed(Protocol):
    """What is read, as it was when it was opened: a table ``schema.name`` can be selected from on every prepared connection."""

    snapshot: str
    """Names the state that is read; another state has another name."""
    version: str
    """Of the format or the system, for people."""
    alone: bool
    """Whether the connection that opened it is the only one that sees this state: then it is asked one thing at a time."""

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make a new connection see the tables."""

    def describe(self, con: duckdb.DuckDBPyConnection, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """As ``Source.describe``."""

    def files(self, table: TablePlan, /) -> tuple[FileFact, ...]:
        """The files that a table's rows are read from, where these are named one by one; ``rows`` may be 0: not known."""

    def opened(self, table: TablePlan, /) -> Iterator[BinaryIO]:
        """The bytes of the files of a table that is adopted."""

    def check(self) -> None:
        """SourceError when what was read is no longer what was opened."""


class Place(Protocol):
    """A system that DuckDB queries where it lies."""

    label: str
    secrets: tuple[str, ...]

    def fixed(self, con: duckdb.DuckDBPyConnection) -> AbstractContextManager[Fixed]:
        """Open it, read only, for as long as the block lasts."""
