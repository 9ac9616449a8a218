"""The engine: rows, set-based."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias

from lakeward.domain.file_facts import FileSet

if TYPE_CHECKING:
    import pyarrow as pa

Input: TypeAlias = "FileSet | pa.Table"
"""What SQL can read: Parquet files, or a small table in memory."""


class Engine(Protocol):
    """Reads, transforms and sorts rows set-based, in bounded memory. Inputs are seen by SQL as views of their name.

    ``<name>#rows`` is the same input with the columns ``#file`` and ``#row``, which identify a row of its files.
    """

    def stream(self, sql: str, inputs: Mapping[str, Input]) -> AbstractContextManager[pa.RecordBatchReader]:
        """Run DuckDB SQL and hand out its rows in batches."""

    def ordered(
        self, sql: str, order: Sequence[tuple[str, str]], inputs: Mapping[str, Input], rows: int
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Run DuckDB SQL and hand out its rows in order, in memory that does not grow with them.

        :param order: SQL of what they are ordered by, each with its direction; in any order when there is none.
        :param rows: that are expected.
        """

    def table(self, sql: str, inputs: Mapping[str, Input]) -> pa.Table:
        """Run DuckDB SQL whose result is small."""

    def timed(self, sql: str, inputs: Mapping[str, Input], limit: timedelta) -> float:
        """Seconds that DuckDB SQL takes until its last row is fetched; LakeError when they are more than the limit."""
