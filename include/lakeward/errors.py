"""Every error that lakeward raises on purpose.

LakewardError
├── SpecError          the migration file is wrong: what, at which line, what was meant
├── SourceError        the source is unreachable, lacks a right, or changed under us
│   ├── SourceLostError  the connection broke; the same may be asked again
│   └── AlteredError     a table is not what the run was planned for; the next plan is
├── UnsupportedError   something the source has is refused by name, with what to write instead
├── DataError          rows break a declared rule: too many quarantined, NaN, a count that does not add up
├── LakeError          catalog, object store or ledger refuse or contradict what was written
│   ├── ConflictError  somebody else moved first; nothing was changed; trying again is safe
│   └── UnreadableError  something that lakeward stored is not what it wrote
└── GateError          a transition was asked for that the evidence does not permit
"""

from __future__ import annotations

from collections.abc import Iterable


class LakewardError(Exception):
    """Say what went wrong, where, and what to do.

    :param what: one sentence: what happened and where (file and line, table, column, key).
    :param todo: one sentence: what the reader can do about it.
    """

    def __init__(self, what: str, *, todo: str = "") -> None:
        super().__init__(what)
        self.what = visible(what)
        self.todo = visible(todo)

    def __str__(self) -> str:
        return f"{self.what}\n  What to do: {self.todo}" if self.todo else self.what


class SpecError(LakewardError):
    """The migration file is wrong."""


class SourceError(LakewardError):
    """The source is unreachable, lacks a right, or changed while it was read."""


class SourceLostError(SourceError):
    """The connection to the source broke while it was read; the same may be asked again."""


class AlteredError(SourceError):
    """A table of the source was altered since the run was planned; nothing was landed."""


class UnsupportedError(LakewardError):
    """The source holds something that is refused by name."""


class DataError(LakewardError):
    """Rows break a declared rule."""


class LakeError(LakewardError):
    """Catalog, object store or ledger refuse, or contradict what was written."""


class ConflictError(LakeError):
    """Somebody else moved first; nothing was changed."""


class UnreadableError(LakeError, ValueError):
    """Something that lakeward stored is not what it wrote."""


class GateError(LakewardError):
    """A transition was asked for that the evidence does not permit."""


def visible(text: str) -> str:
    """Escape what a terminal would obey instead of show: control characters, turned direction of text; line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def redact(text: str, secrets: Iterable[str | None]) -> str:
    """Take every secret out of ``text``, so that messages of drivers can be shown."""
    for secret in sorted((s for s in secrets if s), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
