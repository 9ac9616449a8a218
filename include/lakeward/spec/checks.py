"""What must hold across the parts of a migration file, and can be told without asking the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from lakeward.spec.calendar_checks import check_calendar
from lakeward.spec.document import Path
from lakeward.spec.flatten_checks import again, flatten
from lakeward.spec.hybrid_checks import check_hybrid
from lakeward.spec.kpi_checks import check_kpi, filter_arity
from lakeward.spec.models import ChildSpec, GroupSpec, Metered, Migration, Reference, TableSpec
from lakeward.spec.names import is_glob, slug, split_table
from lakeward.spec.problems import Trouble, meant
from lakeward.spec.rules import Rule
from lakeward.spec.source_checks import check_source
from lakeward.spec.wave_checks import check_waves


def check(spec: Migration) -> Iterator[Trouble]:
    """Every contradiction, with the path of what is to be changed."""
    yield from _landing(spec)
    yield from check_source(spec)
    small, target = spec.compaction.small_file, spec.target.file_size
    if spec.compaction.mode == "rewrite" and small.bytes > target.bytes:
        yield Trouble(
            ("compaction", "mode"),
            f"`rewrite` makes files of `target.file_size` ({target}), which `small_file` ({small}) still calls small",
            "Give `small_file` a size that is not above `file_size`.",
            because=(("compaction", "small_file"), ("target", "file_size")),
        )
    if spec.maintenance.leftovers.delta <= spec.source.max_snapshot_age.delta:
        yield Trouble(
            ("maintenance", "leftovers"),
            f"`leftovers` ({spec.maintenance.leftovers}) is no longer than a cut may be read ({spec.source.max_snapshot_age})",
            "Files of a run under way would be taken for leftovers: write days.",
            because=(("source", "max_snapshot_age"),),
        )
    yield from _twice(("groups",), "name", "group", [g.name for g in spec.groups])
    yield from _twice(("kpis",), "name", "KPI", [k.name for k in spec.kpis])
    if isinstance(spec, Metered):
        yield from _twice(("reports",), "name", "report", [r.name for r in spec.reports])
    yield from _names(spec)
    for n, group in enumerate(spec.groups):
        for m, table in enumerate(group.tables):
            yield from _table(table, ("groups", n, "tables", m))
    yield from _references(spec)
    yield from _kpis(spec)
    yield from check_calendar(spec)
    yield from _unproved(spec)
    yield from check_waves(spec)
    yield from check_hybrid(spec)


def _landing(spec: Migration) -> Iterator[Trouble]:
    landing = spec.landing
    if landing.path.startswith("s3://") and landing.connection is None:
        yield Trouble(
            ("landing",),
            "`landing` is on s3:// and names no `connection`",
            "Add `connection:` with the id of an Airflow connection of type `aws`.",
        )
    if landing.connection is not None and not landing.path.startswith("s3://"):
        todo = "Leave `connection` out, or write `path: s3://bucket/prefix`."
        yield Trouble(("landing", "connection"), "a local landing takes no `connection`", todo)
    if ".." in PurePosixPath(landing.path).parts:
        yield Trouble(("landing", "path"), "`..` is not allowed in the landing's path", "Write the path out.")


def _twice(path: Path, field: str, what: str, names: Iterable[str]) -> Iterator[Trouble]:
    for n, name in again(names):
        yield Trouble((*path, n, field), f"there are two {what}s called `{name}`", "Give each a name of its own.")


def made_by(group: GroupSpec) -> Iterator[tuple[str, Path]]:
    """Every lake table that a group surely makes, with the path (inside the group) of what names it."""
    for n, table in enumerate(group.tables):
        at: Path = ("tables", n)
        if not is_glob(table.table) and (name := _main_name(table)):
            yield name, (*at, "name" if table.name else "table")
        for m, rule in enumerate(table.flatten):
            for k, child in enumerate(rule.children):
                yield child.table, (*at, "flatten", m, "children", k, "table")
            for k, one in enumerate(rule.maps):
                yield one.table, (*at, "flatten", m, "maps", k, "table")


def _naming(spec: Migration, *numbers: int) -> tuple[Path, ...]:
    """Where the tables are named that these groups make: while one of them can't be read, none is surely missing."""
    found: list[Path] = []
    for n in numbers:
        for m, table in enumerate(spec.groups[n].tables):
            at: Path = ("groups", n, "tables", m)
            found += [(*at, "table"), (*at, "name"), (*at, "flatten")]
            for k, rule in enumerate(table.flatten):
                here: Path = (*at, "flatten", k)
                found += [(*here, "fields"), (*here, "children"), (*here, "maps")]
                found += [(*here, "children", i, "table") for i in range(len(rule.children))]
                found += [(*here, "maps", i, "table") for i in range(len(rule.maps))]
    return tuple(found)


def _may_make(group: GroupSpec, name: str) -> bool:
    """Whether a glob, or a list found by inference, could make a table of that name; only the source knows."""
    for table in group.tables:
        if is_glob(table.table):
            return True
        inferred = any(f.fields == "infer" for f in table.flatten)
        if inferred and name.startswith(f"{_main_name(table)}_"):
            return True
    return False


def _main_name(table: TableSpec) -> str:
    try:
        return table.name or slug(split_table(table.table)[1])
    except ValueError:  # said elsewhere
        return ""


def _names(spec: Migration) -> Iterator[Trouble]:
    quarantines = {f"{g.name}_quarantine": g.name for g in spec.groups}
    seen: dict[str, str] = {}
    sources: dict[str, str] = {}
    for n, group in enumerate(spec.groups):
        for name, path in made_by(group):
            if name in quarantines:
                reason = f"`{name}` is the quarantine table of the group `{quarantines[name]}`"
                yield Trouble(("groups", n, *path), reason, "Choose another name.")
            elif name in seen:
                reason = f"two tables of the lake would be called `{name}`, the other in the group `{seen[name]}`"
                yield Trouble(("groups", n, *path), reason, "Set `name` (or the child's `table`) to another.")
            seen.setdefault(name, group.name)
        for m, table in enumerate(group.tables):
            if table.table in sources:
                yield Trouble(
                    ("groups", n, "tables", m, "table"),
                    f"`{table.table}` is listed twice, first in the group `{sources[table.table]}`",
                    "A table belongs to one group; list it once.",
                )
            sources.setdefault(table.table, group.name)


def _table(table: TableSpec, at: Path) -> Iterator[Trouble]:
    try:
        split_table(table.table)
    except ValueError as error:
        yield Trouble((*at, "table"), str(error))
    if is_glob(table.table) and table.name:
        todo = "Leave `name` out, or list the table by itself."
        yield Trouble((*at, "name"), f"`{table.table}` may match several tables, which can't share one name", todo)
    for n, one in enumerate(table.filter):
        yield from filter_arity(one, (*at, "filter", n))
    yield from _columns(table, at)
    yield from _layout(table, at)
    yield from flatten(table, at)
    for n, rule in enumerate(table.flatten):
        for k, child in enumerate(rule.children):
            yield from _layout(child, (*at, "flatten", n, "children", k))


def _layout(part: TableSpec | ChildSpec, at: Path) -> Iterator[Trouble]:
    """Partition, sort order and rules, of a table or a child."""
    for n, transform in again(part.partition):
        yield Trouble((*at, "partition", n), f"`{transform}` stands twice", "Leave one out.")
    for n, column in again(term.column for term in part.sort):
        yield Trouble((*at, "sort", n), f"`{column}` is sorted by twice", "Leave one out.")
    for n, rule in enumerate(part.rules):
        yield from _rule(rule, (*at, "rules", n))


def _columns(table: TableSpec, at: Path) -> Iterator[Trouble]:
    """A column that is dropped can't be asked for something else; a lake's name is given once."""
    dropped = {column for column in table.drop if not is_glob(column)}
    for part in ("rename", "types", "mask", "special"):
        for column in getattr(table, part):
            if column in dropped:
                reason = f"`{column}` is both dropped and listed under `{part}`"
                yield Trouble((*at, part, column), reason, "Choose one.", key=True)
    for n, column in enumerate(table.key or ()):
        if column in dropped:
            yield Trouble((*at, "key", n), f"the key column `{column}` is dropped", "Keep it; `mask` can hide it.")
    targets: dict[str, str] = {}
    for column, name in table.rename.items():
        if not name.strip():
            yield Trouble((*at, "rename", column), f"`{column}` is renamed to nothing", "Give the lake's name.")
        elif (other := targets.setdefault(name.lower(), column)) != column:
            reason = f"`{other}` and `{column}` are both renamed to `{name}`"
            yield Trouble((*at, "rename", column), reason, "Give each a name of its own.")


def runs_sql(rule: Rule) -> bool:
    """Whether an expectation is one of those that run SQL or code of its own."""
    return any(word in rule.expect for word in ("unexpected_rows", "custom", "query"))


def _rule(rule: Rule, at: Path) -> Iterator[Trouble]:
    if runs_sql(rule):
        yield Trouble(
            (*at, "expect"),
            f"`{rule.expect}` runs SQL of its own, which a migration file may not",
            "Declare a reference, a filtered KPI, or another expectation.",
        )


def _references(spec: Migration) -> Iterator[Trouble]:
    made = [dict.fromkeys(name for name, _ in made_by(group)) for group in spec.groups]
    for n, group in enumerate(spec.groups):
        for m, reference in enumerate(group.references):
            at: Path = ("groups", n, "references", m)
            if len(reference.columns) != len(reference.to_columns):
                reason = f"{len(reference.columns)} `columns` can't name {len(reference.to_columns)} `to_columns`"
                yield Trouble(at, reason, "List them in pairs.")
            yield from _reference(spec, n, reference, at, made)


def _reference(
    spec: Migration, number: int, reference: Reference, at: Path, made: Sequence[dict[str, None]]
) -> Iterator[Trouble]:
    group, own = spec.groups[number], made[number]
    for field, name in (("table", reference.table), ("to", reference.to)):
        if name in own:
            continue
        owner = next((g.name for g, names in zip(spec.groups, made, strict=True) if name in names), None)
        if owner:
            yield Trouble(
                (*at, field),
                f"`{name}` is made by {'another' if owner == group.name else 'the'} group `{owner}`, "
                f"not by {'this one' if owner == group.name else f'`{group.name}`'}: groups are read at different cuts, "
                "so that rows of one could name rows that the other does not have yet",
                "Put both tables into one group, or leave this reference out if they need not agree.",
                because=_naming(spec, number),
            )
        elif not _may_make(group, name):
            todo = meant(name, own) or (f"It makes: {', '.join(own)}." if own else "")
            reason = f"no table of the group `{group.name}` is called `{name}`"
            yield Trouble((*at, field), reason, todo, because=_naming(spec, number))


def _kpis(spec: Migration) -> Iterator[Trouble]:
    made = dict.fromkeys(name for group in spec.groups for name, _ in made_by(group) if name)
    everywhere = range(len(spec.groups))
    for n, kpi in enumerate(spec.kpis):
        at: Path = ("kpis", n)
        if kpi.table not in made and not any(_may_make(group, kpi.table) for group in spec.groups):
            todo = meant(kpi.table, made) or (f"The groups make: {', '.join(made)}." if made else "")
            reason = f"no group makes a table called `{kpi.table}`"
            yield Trouble((*at, "table"), reason, todo, because=_naming(spec, *everywhere))
        yield from check_kpi(kpi, at)


def _unproved(spec: Migration) -> Iterator[Trouble]:
    measured = {kpi.table for kpi in spec.kpis}
    tables: list[Path] = [("kpis", n, "table") for n in range(len(spec.kpis))]
    made = [{name for name, _ in made_by(group)} for group in spec.groups]
    unknown = measured.difference(*made)
    for n, group in enumerate(spec.groups):
        proved = measured & made[n] or any(meant(name, made[n]) for name in unknown)  # a misspelt one is told already
        if not proved and not any(_may_make(group, table) for table in measured):
            reason = f"no KPI proves the group `{group.name}`; counts of rows prove nothing"
            todo = "Declare at least one KPI over its tables."
            yield Trouble(("groups", n, "name"), reason, todo, because=(*_naming(spec, n), *tables))
