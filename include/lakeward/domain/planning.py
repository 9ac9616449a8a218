"""A source table and what the file says of it, made into a plan: what is read how, and which lake tables it becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from lakeward.domain.facts import (
    LakeColumn,
    LakeTable,
    LandedColumn,
    SourceColumn,
    SourceTable,
    TablePlan,
)
from lakeward.domain.guards import announced
from lakeward.domain.nesting import Nested, child_table, nest
from lakeward.domain.postgres_numbers import UnboundedError, Widest, advice, widest, widest_sql
from lakeward.domain.postgres_types import land_column
from lakeward.domain.same_names import check_same_names, tell_apart
from lakeward.domain.shaping import partition_fields, sort_fields, suggest
from lakeward.errors import LakewardError, SpecError, UnsupportedError
from lakeward.spec.models import SpecialPolicy, TableSpec
from lakeward.spec.names import slug

Sample = Callable[[SourceTable, str], Sequence[str | None]]
"""Values of an expression of a source table, as text."""


def plan_table(spec: TableSpec, source: SourceTable, sample: Sample) -> TablePlan:
    """Resolve one table; every problem of its columns is named at once.

    :raises SpecError: the file names what is not there, or contradicts itself.
    :raises UnsupportedError: the source holds what is not carried yet.
    """
    _check_access(spec, source)
    kept = [c for c in source.columns if not any(fnmatchcase(c.name, pattern) for pattern in spec.drop)]
    _check_names(spec, source, kept)
    landed = _land(spec, source, kept, sample)
    key = source.primary_key if spec.key is None else spec.key
    keyed = bool(key) and all(any(c.source == k for c in landed) for k in key)
    nested = _nest(spec, source, kept, landed, keyed=keyed, sample=sample)
    lake = _lake_tables(spec, source, landed, nested, key if keyed else ())
    _check_clashes(source, lake)
    plain = source.kind == "table" and not source.has_children
    scan = (
        source.whole
        and all(c.native for c in landed)
        and not spec.filter
        and (plain or source.kind in {"view", "materialized view"})
    )
    plan = TablePlan(
        schema=source.schema,
        table=source.name,
        filter=spec.filter,
        columns=tuple(landed),
        nested=tuple(n.column for n in nested.values()),
        lake=lake,
        scan=scan,
        ctid=source.kind == "table" and source.whole,
        estimated_rows=source.estimated_rows,
        notes=(
            *(note for n in nested.values() for note in n.notes),
            *_notes(source, landed, lake[0]),
            *_unproven(spec),
        ),
        kind=source.kind,
        dropped=tuple(c.name for c in source.columns if c not in kept),
        prove_rows=spec.prove_rows,
    )
    return tell_apart(plan)


def _check_access(spec: TableSpec, source: SourceTable) -> None:
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
    if source.kind in {"foreign", "partly foreign"}:
        what = (
            "is a foreign table" if source.kind == "foreign" else "has a foreign table among its partitions or children"
        )
        raise UnsupportedError(
            f"{source.label} {what}, which has no snapshot", todo="migrate what is foreign from its own server."
        )


def _check_names(spec: TableSpec, source: SourceTable, kept: Sequence[SourceColumn]) -> None:
    names = {c.name for c in kept}
    said = {
        "key": spec.key or (),
        "filter": (f.column for f in spec.filter),
        "mask": spec.mask,
        "rename": spec.rename,
        "types": spec.types,
        "special": spec.special,
        "flatten": (f.column for f in spec.flatten),
    }
    glob = any(c in spec.table for c in "*?[")
    for where, columns in said.items():
        known = {c.name for c in source.columns} if where == "filter" else names
        for column in columns:
            if column not in known and not (glob and where != "key"):
                raise SpecError(
                    f"{where} of {source.label}: there is no column {column!r}", todo=suggest(column, known)
                )
    for where, pattern in [("drop", p) for p in spec.drop] + [("trim", p) for p in spec.trim]:
        if not glob and not any(fnmatchcase(c.name, pattern) for c in source.columns):
            raise SpecError(
                f"{where} of {source.label}: no column matches {pattern!r}",
                todo=suggest(pattern, (c.name for c in source.columns)),
            )
    check_same_names(spec, source, [c.name for c in kept])
    if not kept:
        raise UnsupportedError(f"{source.label} has no columns to migrate", todo="take it out of the file.")


def _land(spec: TableSpec, source: SourceTable, kept: Sequence[SourceColumn], sample: Sample) -> list[LandedColumn]:
    flattened = {f.column for f in spec.flatten}
    landed, refused = [], []
    for column in kept:
        try:
            landed.append(
                land_column(
                    column,
                    wanted=spec.types.get(column.name),
                    mask=spec.mask.get(column.name),
                    nested=column.name in flattened,
                    special=spec.special.get(column.name),
                    trim=_is_trimmed(spec, column),
                )
            )
        except UnboundedError as error:
            found = measure_numeric(source, column, sample)
            refused.append(f"{source.label}: {error.what}: {advice(column, found) if found else error.todo}")
        except LakewardError as error:
            refused.append(f"{source.label}: {error.what}: {error.todo}")
        if column.name in spec.mask and (column.name in flattened or column.name in spec.special):
            besides = "flattened" if column.name in flattened else "given a policy by `special`"
            refused.append(f"{source.label}: column {column.name!r} is both masked and {besides}: choose one.")
    refused += [
        f"{source.label}: the key column {c.column!r} cannot be made null by `special`: carry it as text, or name another key."
        for c in landed
        if c.policy == SpecialPolicy.NULL and c.source in (source.primary_key if spec.key is None else spec.key)
    ]
    if refused:
        raise UnsupportedError("\n  ".join(refused))
    return landed


def _is_trimmed(spec: TableSpec, column: SourceColumn) -> bool:
    """Named outright, or a char(n) that a pattern matches."""
    return column.name in spec.trim or (
        column.base == "bpchar" and any(fnmatchcase(column.name, pattern) for pattern in spec.trim)
    )


def measure_numeric(source: SourceTable, column: SourceColumn, sample: Sample) -> Widest | None:
    """The widest values of a numeric column, by reading all of them; None when nobody answers."""
    answer = next(iter(sample(source, widest_sql(column))), None)
    return widest(answer) if answer else None


def _nest(
    spec: TableSpec,
    source: SourceTable,
    kept: Sequence[SourceColumn],
    landed: Sequence[LandedColumn],
    *,
    keyed: bool,
    sample: Sample,
) -> dict[str, Nested]:
    bases = {c.name: c.base if c.base in {"json", "jsonb"} else "text" for c in kept}
    bases |= {c.name: "json" for c in kept if c.category in {"array", "composite"}}
    by_name = {c.source: c for c in landed}
    found = {}
    for flatten in spec.flatten:
        if flatten.column not in by_name:  # a glob's table that has no such column
            continue
        column = by_name[flatten.column]
        try:
            found[flatten.column] = nest(
                flatten,
                column,
                bases[flatten.column],
                spec.name or slug(source.name),
                keyed=keyed,
                sample=lambda c=column, most=flatten.max_value.bytes: sample(  # type: ignore[misc]
                    source, f"CASE WHEN octet_length(({c.expression})::text) <= {most} THEN {c.expression} END"
                ),
            )
        except ValueError as error:
            raise SpecError(f"flatten of {source.label}, column {flatten.column!r}: {error}") from None
    return found


def _lake_tables(
    spec: TableSpec, source: SourceTable, landed: Sequence[LandedColumn], nested: dict[str, Nested], key: Sequence[str]
) -> tuple[LakeTable, ...]:
    columns: list[LakeColumn] = []
    for column in landed:
        if column.source in nested:
            columns += nested[column.source].columns
        else:
            name = spec.rename.get(column.source, column.source)
            columns.append(LakeColumn(name, column.type, not column.nullable, "value", column.source))
    name = spec.name or slug(source.name)
    names = {c.source: c.name for c in columns if c.role == "value" and not c.path}
    main = LakeTable(
        name=name,
        columns=tuple(columns),
        key=tuple(names[k] for k in key),
        partition=partition_fields(spec.partition, columns, name),
        sort=sort_fields(spec.sort, columns, name),
        rules=spec.rules,
    )
    by_name = {c.source: c for c in landed}
    children = [
        child_table(child, main, by_name[n.column.source], n.columns[0].nested)
        for n in nested.values()
        for child in n.children
    ]
    return (main, *children)


def _check_clashes(source: SourceTable, tables: Sequence[LakeTable]) -> None:
    for table in tables:
        seen: dict[str, LakeColumn] = {}
        for column in table.columns:
            other = seen.setdefault(column.name.lower(), column)
            if other is not column:
                raise SpecError(
                    f"{source.label}: two columns of {table.name} would be called {column.name!r}: "
                    f"{_origin(other)} and {_origin(column)}",
                    todo="rename one of them (`rename`), or give the flattened column another `prefix`.",
                )


def _origin(column: LakeColumn) -> str:
    return ".".join((column.source, *column.path)) + ("" if column.role == "value" else f" ({column.role})")


def _notes(source: SourceTable, landed: Sequence[LandedColumn], lake: LakeTable) -> tuple[str, ...]:
    notes = []
    if not lake.key:
        notes.append("no key: duplicates cannot be told from rows, drill-down compares rows as a whole")
    if source.indexes and not (lake.partition or lake.sort):
        notes.append(
            f"{len(source.indexes)} indexes do not transfer, and neither partition nor sort is declared: "
            "sort by what is filtered on most"
        )
    kept_json = [c.name for c in lake.columns if c.type == "json" and c.role == "value"]
    if kept_json:
        notes.append(f"kept as JSON text, so that filters on it read every file: {', '.join(kept_json)}")
    notes += [f"column {c.source!r} is masked by {c.mask}" for c in landed if c.mask]
    notes += [announced(c) for c in landed if c.policy]
    return tuple(notes)


def _unproven(spec: TableSpec) -> tuple[str, ...]:
    return () if spec.prove_rows else ("its rows are not proved, by choice: what no KPI names may differ unseen",)
