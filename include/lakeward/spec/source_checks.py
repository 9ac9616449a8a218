"""What must hold of the source that a migration file names, and can be told without asking it."""

from __future__ import annotations

from collections.abc import Iterator

from lakeward.spec.files import MEMBERS
from lakeward.spec.models import Hybrid, Migration, Phased, SourceSpec
from lakeward.spec.problems import Trouble

PLACED = {
    "files": "`s3://bucket/prefix`, or a folder",
    "delta": "`s3://bucket/prefix`, or a folder",
    "iceberg": "the namespace",
}
"""Kinds of sources that need a `path`, and what it is."""


def check_source(spec: Migration) -> Iterator[Trouble]:
    """Parts that do not go with the kind of source, or are missing for it."""
    source = spec.source
    if source.path is None and (wanted := PLACED.get(source.kind)):
        yield Trouble(("source",), f"a source of kind `{source.kind}` needs a `path`", f"Write {wanted}.")
    if source.path is not None and source.kind not in PLACED:
        reason = f"a source of kind `{source.kind}` takes no `path`: its connection names what is read"
        yield Trouble(("source", "path"), reason, "Leave it out.")
    if source.files and source.kind != "files":
        yield Trouble(("source", "files"), f"a source of kind `{source.kind}` has no `files`", "Write `kind: files`.")
    yield from _files(source)
    if isinstance(spec, Phased | Hybrid) and source.kind != "postgres":
        for n, group in enumerate(spec.groups):
            if group.catch_up:
                reason = f"catching up is there for PostgreSQL, not for a source of kind `{source.kind}`"
                todo = "Leave it out; a window is read again by `lakeward run FILE --window W --again`."
                yield Trouble(("groups", n, "catch_up"), reason, todo)


def _files(source: SourceSpec) -> Iterator[Trouble]:
    for name, files in source.files.items():
        at = ("source", "files", name)
        if not files.csv.header and not files.csv.columns:
            yield Trouble(
                (*at, "csv"), f"the files of `{name}` have no header", "Name their columns under `csv.columns`."
            )
        for column, kind in files.columns.items():
            if kind not in MEMBERS:
                reason = f"a member of a record becomes a column as {', '.join(MEMBERS)}, not as {kind}"
                yield Trouble((*at, "columns", column), reason, "Leave it to `flatten`, which takes every type.")
