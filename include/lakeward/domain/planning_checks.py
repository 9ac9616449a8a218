"""Whether a source table may be read, and has the columns that the file names."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from lakeward.domain.facts import LakeTable, LandedColumn
from lakeward.domain.faults import Faults
from lakeward.domain.same_names import check_same_names
from lakeward.domain.shaping import suggest
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.errors import SpecError, UnsupportedError
from lakeward.spec.document import Path
from lakeward.spec.models import TableSpec


def check_access(spec: TableSpec, source: SourceTable) -> None:
    """Rights, row security, and what has no snapshot."""
    if not source.readable:
        raise SpecError(
            f"{source.label}: no right to read it", todo=f"grant SELECT on {source.label} to the connection's role."
        )
    hidden = [c for c in source.unreadable_columns if not any(fnmatchcase(c, pattern) for pattern in spec.drop)]
    if hidden:
        raise SpecError(
            f"{source.label}: no right to read the columns {', '.join(hidden)}",
            todo="grant SELECT on them, or list them under `drop`.",
        )
    if source.row_security:
        raise UnsupportedError(
            f"{source.label}: row-level security applies to the connection's role, so that it may not see every row",
            todo="use a role with BYPASSRLS, or one that owns the table.",
        )
    if source.system == "mariadb" and source.kind != "table":
        raise UnsupportedError(
            f"{source.label} is a {source.kind}, of which there is no snapshot that is surely that of the cut",
            todo="migrate the tables that a view reads; ALTER TABLE ... ENGINE = InnoDB mends an engine.",
        )
    if source.kind in {"foreign", "partly foreign"}:
        what = (
            "is a foreign table" if source.kind == "foreign" else "has a foreign table among its partitions or children"
        )
        raise UnsupportedError(
            f"{source.label} {what}, which has no snapshot", todo="migrate what is foreign from its own server."
        )


def check_adoption(
    spec: TableSpec, source: SourceTable, landed: Sequence[LandedColumn], lake: Sequence[LakeTable]
) -> None:
    """Refuse what files that are copied as they are could not be."""
    parts = ("filter", "drop", "mask", "rename", "special", "flatten", "partition", "sort")
    asked = [part for part in parts if getattr(spec, part)]
    kept = {"int": "integer", "long": "bigint", "string": "varchar", "binary": "blob"}
    bases = {c.name: c.base for c in source.columns}
    other = [c.source for c in landed if bases[c.source] != kept.get(c.type, c.type.partition("(")[0])]
    if asked or other or len(lake) > 1:
        what = [
            *(f"`{part}`" for part in asked),
            *(f"column {name!r}, which is of another type there" for name in other),
        ]
        raise SpecError(
            f"{source.label} is to be adopted as it is, which does not go with {', '.join(what)}",
            todo="leave these out, or `adopt`: then its rows are written anew.",
        )


def check_names(spec: TableSpec, source: SourceTable, kept: Sequence[SourceColumn], faults: Faults) -> None:
    """Every column that the file names is there; a glob's table needs to have none but the key."""
    names = {c.name for c in kept}
    glob = any(c in spec.table for c in "*?[")
    for path, column in _named(spec):
        known = {c.name for c in source.columns} if path[0] == "filter" else names
        if column not in known and not (glob and path[0] != "key"):
            reason = f"{path[0]} of {source.label}: there is no column {column!r}"
            faults.add(path, reason, suggest(column, known), key=path[-1] == column)
    for where, patterns in (("drop", spec.drop), ("trim", spec.trim)):
        for n, pattern in enumerate(patterns):
            if not glob and not any(fnmatchcase(c.name, pattern) for c in source.columns):
                reason = f"{where} of {source.label}: no column matches {pattern!r}"
                faults.add((where, n), reason, suggest(pattern, (c.name for c in source.columns)))
    with faults.at("table"):
        check_same_names(spec, source, [c.name for c in kept])
    if not kept:
        faults.add(("table",), f"{source.label} has no columns to migrate", "take it out of the file.")


def _named(spec: TableSpec) -> list[tuple[Path, str]]:
    """Every place that names a column of the source."""
    found: list[tuple[Path, str]] = [(("key", n), column) for n, column in enumerate(spec.key or ())]
    found += [(("filter", n, "column"), one.column) for n, one in enumerate(spec.filter)]
    for part in ("mask", "rename", "types", "special"):
        found += [((part, column), column) for column in getattr(spec, part)]
    return found + [(("flatten", n, "column"), rule.column) for n, rule in enumerate(spec.flatten)]
