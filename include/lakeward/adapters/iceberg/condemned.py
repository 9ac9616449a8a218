"""Files that the janitor is about to delete, marked in the table itself, so that nobody commits them any more.

The mark and the commit meet in the catalog's compare and swap: the mark moves main, so a commit that was built before it is
refused, and one that is built after it reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyiceberg.table import Table

from lakeward.errors import LakeError

CONDEMNED = "lakeward.condemned"
"""Table property: stems of files, separated by blanks."""
_NUMBER = re.compile(r"-\d{5}\.parquet$")


def stem(url: str) -> str:
    """What the files of one try have in common; a file of somebody else is told by its name."""
    return _NUMBER.sub("", url.rsplit("/", 1)[-1]).replace(" ", "%20")


def condemned(table: Table) -> frozenset[str]:
    """The stems that are marked in the table."""
    return frozenset(table.properties.get(CONDEMNED, "").split())


def refuse_condemned(table: Table, urls: Iterable[str]) -> None:
    """LakeError when one of the files is marked: it is gone, or will be in a moment."""
    marked = condemned(table)
    for url in urls if marked else ():
        if stem(url) in marked:
            raise LakeError(
                f"Table {'.'.join(table.name())}: the staged file {url} was given up: the janitor takes it.",
                todo="It lay uncommitted for longer than `maintenance.leftovers`: start a new run, and append it in time.",
            )
