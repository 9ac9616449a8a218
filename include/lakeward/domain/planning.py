"""A source table and what the file says of it, made into a plan: what is read how, and which lake tables it becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from lakeward.domain.facts import LakeColumn, LakeTable, LandedColumn, TablePlan
from lakeward.domain.faults import Faults
from lakeward.domain.guards import announced
from lakeward.domain.nesting import Nested, child_table, nest
from lakeward.domain.oversize import bytes_of
from lakeward.domain.planning_checks import check_access, check_adoption, check_names
from lakeward.domain.postgres_numbers import UnboundedError, Widest, advice, widest, widest_sql
from lakeward.domain.same_names import tell_apart
from lakeward.domain.shaping import layout
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.domain.systems import SYSTEMS, holding
from lakeward.domain.unread import unread_column
from lakeward.domain.words import counted
from lakeward.errors import LakewardError, SpecError
from lakeward.spec.document import Path
from lakeward.spec.models import SpecialPolicy, TableSpec
from lakeward.spec.names import slug
from lakeward.spec.scalars import LakeType

Sample = Callable[[SourceTable, str], Sequence[str | None]]
"""Values of an expression of a source table, as text."""

_BESIDE = frozenset({"key", "filter", "drop", "trim", "mask", "partition", "sort"})
"""Parts of a table that say nothing of its columns' names and types."""


def plan_table(
    spec: TableSpec, source: SourceTable, sample: Sample, fitted: Mapping[str, LakeType] = MappingProxyType({})
) -> TablePlan:
    """Resolve one table; every problem of it is named at once.

    :param fitted: columns of the source that are carried as another type; rows that don't fit it are quarantined.
    :raises FaultsError: the file names what is not there or contradicts itself, or the source holds what is not carried.
    """
    faults = Faults()
    with faults.at("table"):
        check_access(spec, source)
    faults.check()
    kept = [c for c in source.columns if not any(fnmatchcase(c.name, pattern) for pattern in spec.drop)]
    check_names(spec, source, kept, faults)
    landed = _land(spec, source, kept, sample, fitted, faults)
    key = source.primary_key if spec.key is None else spec.key
    # What is told already is not held against the key, nor against what rests on it.
    there = {c.name for c in kept} if faults else {c.source for c in landed}
    told = {k for k in spec.key or () if all(k != c.name for c in kept)}
    keyed = bool(key) and all(k in there or k in told for k in key)
    nested = _nest(spec, source, kept, landed, faults, keyed=keyed, sample=sample)
    lake = _lake_tables(spec, source, kept, landed, nested, key if keyed else (), faults)
    _check_clashes(spec, source, lake, faults)
    plain = source.kind == "table" and not source.has_children
    scan = (
        source.whole
        and all(c.native for c in landed)
        and not spec.filter
        and (plain or source.kind in {"view", "materialized view"})
    )
    if source.adopt:
        with faults.at("table"):
            check_adoption(spec, source, landed, lake)
    system = SYSTEMS[source.system]
    unread = unread_column(landed, system.dialect, system.origin)
    plan = TablePlan(
        schema=source.schema,
        table=source.name,
        filter=spec.filter,
        columns=(*landed, *([unread] if unread else [])),
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
        dialect=system.dialect,
        adopt=source.adopt,
    )
    certain = len(landed) == len(kept) and all(_is_beside(trouble.path) for trouble in faults.troubles)
    faults.check(plan if certain else None)
    return tell_apart(plan)


def _is_beside(path: Path) -> bool:
    """Whether a problem, one of a child table too, leaves the columns as they are."""
    return (path[4] if path[0] == "flatten" and len(path) > 4 else path[0]) in _BESIDE


def _land(
    spec: TableSpec,
    source: SourceTable,
    kept: Sequence[SourceColumn],
    sample: Sample,
    fitted: Mapping[str, LakeType],
    faults: Faults,
) -> list[LandedColumn]:
    flattened = {f.column: n for n, f in enumerate(spec.flatten)}
    landed = []
    for column in kept:
        path: Path = ("table",)
        for part in ("types", "mask", "special"):
            path = (part, column.name) if column.name in getattr(spec, part) else path
        if column.name in flattened:
            path = ("flatten", flattened[column.name], "column")
        try:
            if column.name in fitted:
                landed.append(SYSTEMS[source.system].fit(column, fitted[column.name]))
                continue
            landed.append(
                SYSTEMS[source.system].land(
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
            faults.add(path, f"{source.label}: {error.what}", advice(column, found) if found else error.todo)
        except LakewardError as error:
            faults.add(path, f"{source.label}: {error.what}", error.todo)
        if column.name in spec.mask and (column.name in flattened or column.name in spec.special):
            besides = "flattened" if column.name in flattened else "given a policy by `special`"
            reason = f"{source.label}: column {column.name!r} is both masked and {besides}"
            faults.add(("mask", column.name), reason, "choose one.", key=True)
    for one in landed:
        if one.policy == SpecialPolicy.NULL and one.source in (source.primary_key if spec.key is None else spec.key):
            reason = f"{source.label}: the key column {one.column!r} cannot be made null by `special`"
            faults.add(("special", one.source), reason, "carry it as text, or name another key.")
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
    faults: Faults,
    *,
    keyed: bool,
    sample: Sample,
) -> dict[str, Nested]:
    dialect = SYSTEMS[source.system].dialect
    held = {c.name: holding(c, dialect) for c in kept}
    by_name = {c.source: c for c in landed}
    found = {}
    for n, flatten in enumerate(spec.flatten):
        if flatten.column not in by_name:  # a glob's table that has no such column
            continue
        column = by_name[flatten.column]
        with faults.at("flatten", n), _about(f"flatten of {source.label}, column {flatten.column!r}"):
            found[flatten.column] = nest(
                flatten,
                column,
                held[flatten.column],
                spec.name or slug(source.name),
                keyed=keyed,
                sample=lambda c=column, most=flatten.max_value.bytes: sample(  # type: ignore[misc]
                    source, f"CASE WHEN {bytes_of(c.expression, dialect)} <= {most} THEN {c.expression} END"
                ),
            )
    return found


@contextmanager
def _about(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise SpecError(f"{what}: {error}") from None


def child_path(spec: TableSpec, table: LakeTable) -> Path:
    """Where the file declares a lake table of a source's table; of one that was found by inference, its flatten rule."""
    for n, rule in enumerate(spec.flatten):
        children = [(child.table, ("children", m)) for m, child in enumerate(rule.children)]
        children += [(one.table, ("maps", m)) for m, one in enumerate(rule.maps)]
        for name, at in children:
            if name == table.name:
                return ("flatten", n, *at)
        if rule.column == table.source and table.kind != "main":
            return ("flatten", n)
    return ()


def _lake_tables(
    spec: TableSpec,
    source: SourceTable,
    kept: Sequence[SourceColumn],
    landed: Sequence[LandedColumn],
    nested: dict[str, Nested],
    key: Sequence[str],
    faults: Faults,
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
    by_name = {c.source: c for c in landed}
    lost = {word for c in kept if c.name not in by_name for word in (c.name, spec.rename.get(c.name, c.name))}
    open_end = any(f.column in by_name and f.column not in nested for f in spec.flatten)  # what it makes is not known

    def unsure(wanted: str) -> bool:
        return wanted in lost or (open_end and all(wanted != c.name for c in columns))

    main = LakeTable(name, tuple(columns), tuple(names[k] for k in key if k in names), rules=spec.rules)
    with faults.at():
        partition, sort = layout(spec.partition, spec.sort, columns, name, unsure)
        main = replace(main, partition=partition, sort=sort)
    tables = [main]
    for n in nested.values():
        for child in n.children:
            made = child_table(child, main, by_name[n.column.source], n.columns[0].nested)
            with faults.at(*child_path(spec, made)):
                partition, sort = layout(child.partition, child.sort, made.columns, made.name)
                made = replace(made, partition=partition, sort=sort)
            tables.append(made)
    return tuple(tables)


def _check_clashes(spec: TableSpec, source: SourceTable, tables: Sequence[LakeTable], faults: Faults) -> None:
    for table in tables:
        seen: dict[str, LakeColumn] = {}
        for column in table.columns:
            other = seen.setdefault(column.name.lower(), column)
            if other is not column:
                renamed = next((c.source for c in (column, other) if c.source in spec.rename), None)
                faults.add(
                    ("rename", renamed) if renamed else child_path(spec, table) or ("table",),
                    f"{source.label}: two columns of {table.name} would be called {column.name!r}: "
                    f"{_origin(other)} and {_origin(column)}",
                    "rename one of them (`rename`), or give the flattened column another `prefix`.",
                )


def _origin(column: LakeColumn) -> str:
    return ".".join((column.source, *column.path)) + ("" if column.role == "value" else f" ({column.role})")


def _notes(source: SourceTable, landed: Sequence[LandedColumn], lake: LakeTable) -> tuple[str, ...]:
    notes = []
    if not lake.key:
        notes.append("no key: duplicates cannot be told from rows, drill-down compares rows as a whole")
    if source.indexes and not (lake.partition or lake.sort):
        indexes = counted(len(source.indexes), "index does", "indexes do")
        notes.append(
            f"{indexes} not transfer, and neither partition nor sort is declared: sort by what is filtered on most"
        )
    kept_json = [c.name for c in lake.columns if c.type == "json" and c.role == "value"]
    if kept_json:
        notes.append(f"kept as JSON text, so that filters on it read every file: {', '.join(kept_json)}")
    notes += [f"column {c.source!r} is masked by {c.mask}" for c in landed if c.mask]
    notes += [announced(c) for c in landed if c.policy]
    return tuple(notes)


def _unproven(spec: TableSpec) -> tuple[str, ...]:
    return () if spec.prove_rows else ("its rows are not proved, by choice: what no KPI names may differ unseen",)
