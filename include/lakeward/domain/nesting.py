"""What a flattened column becomes: columns of its table, child tables, and how its records are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lakeward.domain.facts import LakeColumn, LakeTable, LandedColumn, NestedColumn
from lakeward.domain.infer import Inferred, Path, infer_fields
from lakeward.errors import SpecError
from lakeward.spec.models import ChildSpec, FlattenSpec
from lakeward.spec.names import slug
from lakeward.spec.paths import format_path, parse_path
from lakeward.spec.rules import Rule
from lakeward.spec.scalars import LakeType, SortTerm, Transform

Sampler = Callable[[], Sequence[str | None]]
_NO_JSON_FORM = frozenset({"binary"})


@dataclass(frozen=True, slots=True)
class Child:
    """A list or map that becomes a table, declared or found."""

    kind: str  # list, map
    path: Path
    table: str
    fields: tuple[tuple[Path, LakeType], ...]
    rename: Mapping[Path, str]
    partition: tuple[Transform, ...] = ()
    sort: tuple[SortTerm, ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Nested:
    """Everything that one flatten rule adds to a table's plan."""

    column: NestedColumn
    columns: tuple[LakeColumn, ...]
    children: tuple[Child, ...]
    notes: tuple[str, ...]


def nest(
    flatten: FlattenSpec, landed: LandedColumn, nested: str, table: str, *, keyed: bool, sample: Sampler
) -> Nested:
    """Resolve a flatten rule, looking at a sample where the file says ``infer``.

    :param nested: how the source holds the records: json, jsonb or text.
    :param keyed: the table has a key, so that child tables can name their parent.
    """
    inferred, notes = _look(flatten, sample)
    declared = tuple(_declared(c, inferred) for c in flatten.children)
    maps = tuple(Child("map", parse_path(m.path), m.table, (((), m.value),), {}) for m in flatten.maps)
    taken = {c.path for c in (*declared, *maps)}
    found: tuple[Child, ...] = ()
    if inferred and flatten.fields == "infer":
        fields, found, more = _split(flatten, inferred, taken, table, keyed=keyed)
        notes += more
    else:
        fields = tuple((parse_path(p), t) for p, t in flatten.fields.items()) if flatten.fields != "infer" else ()
    children = (*declared, *maps, *found)
    _check(flatten, fields, children, keyed=keyed)
    record = NestedColumn(
        source=flatten.column,
        fields=tuple((path, str(kind)) for path, kind in fields),
        lists=tuple((c.path, tuple((p, str(t)) for p, t in c.fields)) for c in children if c.kind == "list"),
        maps=tuple((c.path, str(c.fields[0][1])) for c in children if c.kind == "map"),
        undeclared=flatten.undeclared,
        nullable=landed.nullable,
        max_bytes=flatten.max_value.bytes,
    )
    return Nested(record, _columns(flatten, fields, nested), children, notes)


def _look(flatten: FlattenSpec, sample: Sampler) -> tuple[Inferred | None, tuple[str, ...]]:
    wanted = flatten.fields == "infer" or any(c.fields == "infer" for c in flatten.children)
    if not wanted:
        return None, ()
    inferred = infer_fields(sample())
    about = f"{flatten.column}: types inferred from {inferred.sampled} records"
    return inferred, (about, *(f"{flatten.column}: {note}" for note in inferred.notes))


def _declared(child: ChildSpec, inferred: Inferred | None) -> Child:
    path = parse_path(child.path)
    if child.fields != "infer":
        fields = tuple((parse_path(p), t) for p, t in child.fields.items())
    else:
        fields = next((items for at, items in inferred.lists if at == path), ()) if inferred else ()
        if not fields:
            raise SpecError(
                f"the child table {child.table!r}: no list with items was found at {child.path!r} in the sample",
                todo="declare its `fields`, or check the path.",
            )
    rename = {parse_path(p): name for p, name in child.rename.items()}
    if unknown := set(rename) - {p for p, _ in fields}:
        raise SpecError(
            f"the child table {child.table!r} renames {format_path(min(unknown))}, which is none of its fields"
        )
    return Child("list", path, child.table, fields, rename, child.partition, child.sort, child.rules)


def _split(
    flatten: FlattenSpec, inferred: Inferred, taken: set[Path], table: str, *, keyed: bool
) -> tuple[tuple[tuple[Path, LakeType], ...], tuple[Child, ...], tuple[str, ...]]:
    """Inferred fields less what children take; lists that nobody declared become child tables where there is a key."""

    def free(path: Path) -> bool:
        return not any(path[: len(t)] == t for t in taken)

    fields = [(p, t) for p, t in inferred.fields if free(p) and p]
    fields += [(p, LakeType("json")) for p, _ in inferred.maps if free(p) and p]
    children, notes = [], []
    for path, items in inferred.lists:
        if not free(path):
            continue
        if keyed and items:
            name = slug("_".join((table, *(path or (flatten.column,)))))
            children.append(Child("list", path, name, items, {}))
            notes.append(f"{flatten.column}: the list at {format_path(path)} becomes the child table {name}")
        elif path:
            fields.append((path, LakeType("json")))
            notes.append(f"{flatten.column}: the list at {format_path(path)} is kept as JSON text")
    return tuple(fields), tuple(children), tuple(notes)


def _check(
    flatten: FlattenSpec, fields: Sequence[tuple[Path, LakeType]], children: Sequence[Child], *, keyed: bool
) -> None:
    if children and not keyed:
        raise SpecError(
            f"column {flatten.column!r} has child tables, but its table has no key that their rows could name",
            todo="declare `key`, or keep the lists as fields of type json.",
        )
    paths = [p for p, _ in fields] + [c.path for c in children]
    for kind in (t for c in children for _, t in c.fields), (t for _, t in fields):
        if refused := next((t for t in kind if t in _NO_JSON_FORM), None):
            raise SpecError(f"column {flatten.column!r}: JSON has no form of {refused}", todo="declare string.")
    for n, path in enumerate(paths):
        for other in paths[:n]:
            short, long = sorted((path, other), key=len)
            if long[: len(short)] == short:
                raise SpecError(
                    f"column {flatten.column!r}: the paths {format_path(other)} and {format_path(path)} overlap",
                    todo="declare either the whole or its parts.",
                )
    if unknown := {parse_path(p) for p in flatten.rename} - {p for p, _ in fields}:
        raise SpecError(f"column {flatten.column!r} renames {format_path(min(unknown))}, which is none of its fields")


def _columns(flatten: FlattenSpec, fields: Sequence[tuple[Path, LakeType]], nested: str) -> tuple[LakeColumn, ...]:
    prefix = f"{slug(flatten.column)}_" if flatten.prefix is None else flatten.prefix
    rename = {parse_path(p): name for p, name in flatten.rename.items()}

    def column(name: str, kind: str, role: str, path: Path = ()) -> LakeColumn:
        return LakeColumn(name, kind, required=False, role=role, source=flatten.column, path=path, nested=nested)

    made = [column(slug(flatten.column), "json", "value")] if flatten.keep_json else []
    made += [
        column(
            rename.get(path, f"{prefix}{slug('_'.join(path))}" if path else slug(flatten.column)),
            str(kind),
            "value",
            path,
        )
        for path, kind in fields
    ]
    made.append(column(f"{slug(flatten.column)}_shape", "string", "shape"))
    if flatten.undeclared == "keep" and not flatten.keep_json:
        made.append(column(f"{slug(flatten.column)}_undeclared", "json", "undeclared"))
    return tuple(made)


def child_table(child: Child, parent: LakeTable, landed: LandedColumn, nested: str) -> LakeTable:
    """The lake table of a list or map: the parent's key, the position or key, then the fields; not laid out yet."""

    def column(name: str, kind: str, role: str, path: Path = (), *, required: bool = False) -> LakeColumn:
        return LakeColumn(name, kind, required, role, landed.source, path, nested)

    columns = [
        LakeColumn(f"{parent.name}_{name}", (of := parent.column(name)).type, of.required, "parent", of.source)
        for name in parent.key
    ]
    if child.kind == "map":
        columns += [column("key", "string", "key", required=True), column("value", str(child.fields[0][1]), "value")]
    else:
        columns.append(column("position", "long", "position", required=True))
        columns += [
            column(child.rename.get(path, slug("_".join(path)) if path else "value"), str(kind), "value", path)
            for path, kind in child.fields
        ]
        columns.append(column("shape", "string", "shape"))
    return LakeTable(
        name=child.table,
        columns=tuple(columns),
        key=(*(c.name for c in columns if c.role == "parent"), "key" if child.kind == "map" else "position"),
        rules=child.rules,
        source=landed.source,
        path=child.path,
        kind=child.kind,
    )
