"""Tables of a format that keeps its own history: each is read at the version that it had when the cut began."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import BinaryIO

import duckdb

from lakeward.adapters.queried.columns import columns_of
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact
from lakeward.domain.identity import digest
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.sql import ident


@dataclass(frozen=True, slots=True)
class Pin:
    """A table at one version; ``relation`` is DuckDB's SQL of it."""

    name: str
    url: str
    version: str
    relation: str
    key: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()


class Pinned:
    """Tables of the schema ``main``, each a view over one version."""

    alone = False

    def __init__(self, con: duckdb.DuckDBPyConnection, kind: str, pins: Iterable[Pin]) -> None:
        self._kind, self._pins = kind, {pin.name: pin for pin in pins}
        for pin in self._pins.values():
            con.execute(f"CREATE VIEW main.{ident(pin.name)} AS SELECT * FROM {pin.relation}")
        self.version = kind
        self.snapshot = digest(*(f"{pin.url} {pin.version}" for pin in self._pins.values()), length=24)

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Views are seen by every connection."""

    def files(self, table: TablePlan) -> tuple[FileFact, ...]:
        """The table itself, its version in the place of a checksum."""
        pin = self._pins[table.table]
        return (FileFact(pin.url, 0, 0, pin.version),)

    def opened(self, _: TablePlan) -> Iterator[BinaryIO]:
        """There are no files to adopt."""
        return iter(())

    def check(self) -> None:
        """A version does not change; one whose files were taken away can't be read to its end."""

    def describe(self, con: duckdb.DuckDBPyConnection, patterns: Sequence[str]) -> tuple[SourceTable, ...]:
        """The tables that match."""
        return tuple(
            SourceTable(
                schema="main",
                name=pin.name,
                kind=self._kind,
                columns=columns_of(con, f"main.{ident(pin.name)}", pin.required),
                primary_key=pin.key,
                foreign_keys=(),
                has_children=False,
                row_security=False,
                readable=True,
                estimated_rows=0,
                bytes=0,
                system="duckdb",
            )
            for pin in self._pins.values()
            if any(fnmatchcase(f"main.{pin.name}", pattern) for pattern in patterns)
        )
