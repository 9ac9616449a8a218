"""The change log of a source: what was committed there since an instant, in the order of the commits."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from lakeward.domain.changes import ChangeBatch, Limits, SlotState
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileSet
from lakeward.ports.source import Source


class ChangeStream(Protocol):
    """The log, read from a position on. A batch holds whole transactions, all tables of the group."""

    def read(self, limits: Limits, until: int = 0) -> ChangeBatch:
        """The next batch; it ends at a commit, or where the log ends once ``limits.wait`` is over.

        :param until: nothing that was committed at or after this position is read; 0: no bound.
        :raises SourceError: a table is no longer what was planned, or the log was lost.
        """

    def confirm(self, position: int) -> None:
        """Tell the source that what was committed before is kept, so that it may forget it."""

    def typed(self, table: TablePlan, rows: FileSet, folder: Path, columns: Sequence[str] = ()) -> FileSet:
        """Rows whose values are the source's own text, with ``#n``, cast by the source itself as ``CutReader.land`` lands them.

        :param columns: of the source, default all that are landed. Beside them come ``#n`` and ``#keep``: whether the row is
            one that is read at all; with ``columns`` that is not asked.
        :return: without the rows that ``refused`` tells of.
        """

    def refused(self, table: TablePlan, rows: FileSet) -> Sequence[tuple[int, str, str]]:
        """``#n``, column and reason of the rows that hold a value which a guard finds and no policy answers."""


class ChangeLog(Protocol):
    """The log of one group: a slot at the source, which keeps what was not confirmed."""

    def source(self, *, lasting: bool) -> Source:
        """The source, whose cuts are tied to a position of the log (``CutReader.position``).

        :param lasting: the slot is made anew with the cut, and keeps everything from there; else nothing stays behind.
        """

    def state(self) -> SlotState | None:
        """The slot as it is; None when there is none."""

    def stream(self, tables: Sequence[TablePlan], since: int) -> AbstractContextManager[ChangeStream]:
        """Read on from a position.

        :raises SourceError: the slot is gone, in use, or past that position already.
        """
