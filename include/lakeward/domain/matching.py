"""Which tables of the source the groups of a file take, by name or by glob, none of them twice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase

from lakeward.domain.faults import Faults
from lakeward.domain.shaping import suggest
from lakeward.domain.source_facts import SourceTable
from lakeward.spec.document import Path
from lakeward.spec.models import GroupSpec, TableSpec
from lakeward.spec.paths import parse_path

Match = tuple[TableSpec, SourceTable]
_GLOB = frozenset("*?[")


def wanted_tables(groups: Sequence[GroupSpec], home: str = "public") -> list[str]:
    """Globs of what must be known of the source: everything, where a name may be mistyped or a parent be meant, and what is named."""
    patterns = [_pattern(t.table, home) for g in groups for t in g.tables]
    named = [p for p in patterns if not _is_glob(p)]
    return ["*", *named] if named else patterns


def match_tables(
    groups: Sequence[GroupSpec], listed: Sequence[SourceTable], faults: Faults, home: str = "public"
) -> list[tuple[GroupSpec, list[Match]]]:
    """Tables of each group in the file's order; what matches nothing is added to the faults.

    What is named outright is not taken by a glob again, nor is a table whose rows a parent brings along.
    """
    found = [(group, _match(group, ("groups", n), listed, faults, home)) for n, group in enumerate(groups)]
    labels = {table.label for _, matches in found for _, table in matches}
    return [
        (group, [(s, t) for s, t in matches if not (_is_glob(s.table) and labels.intersection(t.parents))])
        for group, matches in found
    ]


def inheritance_notes(matches: Sequence[Match], labels: Collection[str]) -> Iterator[str]:
    """What is to be known of tables whose rows are read with a parent: those left out, and those read twice on purpose.

    :param labels: of every table that is migrated.
    """
    for _, table in matches:
        for parent in (label for label in table.parents if label in labels):
            yield f"the rows of {table.label} are also among those of {parent}, from which it inherits"
        if table.has_children and table.kind == "table":
            yield f"{table.label} brings along the rows of the tables that inherit from it, without the columns that they add"


def _is_glob(written: str) -> bool:
    return bool(_GLOB & set(written))


def _pattern(written: str, home: str) -> str:
    """``schema.table`` without quotes; a table alone is looked for in ``home``."""
    parts = parse_path(written)
    return ".".join(parts) if len(parts) > 1 else f"{home}.{written}"


def _match(group: GroupSpec, at: Path, listed: Sequence[SourceTable], faults: Faults, home: str) -> list[Match]:
    named = {_pattern(t.table, home) for t in group.tables if not _is_glob(t.table)}
    found: list[Match] = []
    for n, spec in enumerate(group.tables):
        pattern = _pattern(spec.table, home)
        glob = _is_glob(spec.table)
        hits = [
            t
            for t in listed
            if (fnmatchcase(t.label, pattern) and t.label not in named if glob else t.label == pattern)
        ]
        hits = [t for t in hits if all(t is not other for _, other in found)]
        if not hits:
            todo = "no table matches it" if glob else suggest(pattern, (t.label for t in listed))
            reason = f"group {group.name}: there is no table {pattern!r} at the source, or it may not be seen"
            faults.add((*at, "tables", n, "table"), reason, todo)
        found += [(spec, t) for t in hits]
    return found
