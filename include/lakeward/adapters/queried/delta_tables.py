"""Delta Lake tables in a folder or bucket, each at its latest version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from lakeward.adapters.duck_setup import load_extension, use_storage
from lakeward.adapters.queried.listing import Listing, S3Listing
from lakeward.adapters.queried.pinned import Pin, Pinned
from lakeward.domain.sql import text
from lakeward.errors import SourceError

_COMMIT = re.compile(r"([^/]+)/_delta_log/0*(\d+)\.json")


class DeltaTables:
    """The folders directly below a place that have a log of Delta's."""

    def __init__(self, listing: Listing, secrets: tuple[str, ...] = ()) -> None:
        self._listing = listing
        self.label = listing.root
        self.secrets = secrets

    @contextmanager
    def fixed(self, con: duckdb.DuckDBPyConnection) -> Iterator[Pinned]:
        """Every table at its latest version."""
        load_extension(con, "delta")
        if isinstance(self._listing, S3Listing):
            use_storage(con, self._listing.access, self.label)
        latest: dict[str, int] = {}
        for key in self._listing.keys("_delta_log"):
            if found := _COMMIT.fullmatch(key):
                latest[found[1]] = max(int(found[2]), latest.get(found[1], 0))
        if not latest:
            raise SourceError(
                f"There is no Delta table in {self.label}.",
                todo="Write the folder that holds the tables' folders as `source.path`.",
            )
        yield Pinned(con, "delta", (self._pin(name, version) for name, version in sorted(latest.items())))

    def _pin(self, name: str, version: int) -> Pin:
        url = f"{self.label}/{name}"
        return Pin(name, url, f"version {version}", f"delta_scan({text(url)}, version = {version})")
