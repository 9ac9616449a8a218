"""A KPI in the source's terms, carried through renames and flattening into the lake's, in which everything else is written."""

from __future__ import annotations

import re
from collections.abc import Callable

from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, ReferencePlan, TablePlan
from lakeward.domain.kpi_columns import Path, find_table, path_of, references_of, source_paths, words_for
from lakeward.domain.kpi_measure import KpiError, parse_measure
from lakeward.spec.models import KpiSpec
from lakeward.spec.paths import format_path
from lakeward.spec.problems import Trouble, meant
from lakeward.spec.scalars import Expression

_PLAIN = re.compile(r"[^\W\d]\w*")
_ONLY_LAKE = frozenset({"position", "key"})


def lake_terms(spec: KpiSpec, group: GroupPlan) -> tuple[KpiSpec, list[Trouble]]:
    """The KPI in the lake's terms, and what of it names nothing, at its place inside the KPI."""
    found = next(((plan, t) for plan in group.tables for t in plan.lake if t.name == spec.table), None)
    if spec.terms == "lake" or spec.sql or found is None:
        return spec, []
    troubles: list[Trouble] = []

    def named(name: str, *path: str | int, at: int | None = None, written: Callable[[Path], str] = _name) -> str:
        try:
            return written(_translate(group, *found, name))
        except KpiError as error:
            troubles.append(Trouble(path, f"KPI {spec.name}: {error}", at=at))
            return name

    measure = str(spec.measure)
    try:
        columns = parse_measure(spec.measure).columns
    except KpiError as error:
        return spec, [Trouble(("measure",), str(error), at=error.at)]
    for one in sorted(columns, key=lambda c: c.at, reverse=True):
        lake = named(one.name, "measure", at=one.at, written=_in_measure)
        measure = measure[: one.at] + lake + measure[one.end :]
    changed = {
        "terms": "lake",
        "measure": Expression(measure),
        "date": None if spec.date is None else named(spec.date, "date"),
        "dimensions": tuple(named(d, "dimensions", n) for n, d in enumerate(spec.dimensions)),
        "filter": tuple(
            f.model_copy(update={"column": named(f.column, "filter", n, "column")}) for n, f in enumerate(spec.filter)
        ),
    }
    return (spec if troubles else spec.model_copy(update=changed)), troubles


def has_paths(spec: KpiSpec) -> bool:
    """Whether a name of the KPI may lead along a reference."""
    if spec.sql:
        return False
    try:
        names = [c.name for c in parse_measure(spec.measure).columns]
    except KpiError:
        names = []
    names += [spec.date or "", *spec.dimensions, *(f.column for f in spec.filter)]
    return any(len(path_of(name)) > 1 for name in names)


def _translate(group: GroupPlan, plan: TablePlan, table: LakeTable, name: str) -> Path:
    """The words by which the lake calls what the source calls so."""
    wanted = path_of(name)
    column = _own(plan, table, name, wanted)
    if column:
        return (column.name,)
    for one in references_of(group, table) if len(wanted) > 1 else ():
        if wanted[0] in _source_words(group, plan, table, one):
            word = next(iter(words_for(one, references_of(group, table))), one.to)
            return (word, *_translate(group, *find_table(group, one.to), format_path(wanted[1:])))
    raise KpiError(_unknown(plan, table, name))


def _own(plan: TablePlan, table: LakeTable, name: str, wanted: Path) -> LakeColumn | None:
    """A column of the table: by its whole path, by its path in the list's item, or what only the lake has by its own name."""
    ways = [(source_paths(plan, table, c), c) for c in table.columns]
    for depth in (0, 1):
        for paths, column in ways:
            if paths[depth : depth + 1] in {(wanted,), ((name,),)}:
                return column
    return next((c for c in table.columns if c.role in _ONLY_LAKE and c.name == name), None)


def _source_words(group: GroupPlan, plan: TablePlan, table: LakeTable, one: ReferencePlan) -> set[str]:
    """What the source may call a reference: its table where only this one leads there, or a column that no other has."""
    known = references_of(group, table)
    to, words = find_table(group, one.to)[0], words_for(one, known)
    names = {one.to, to.table} if one.to in words else set()
    paths = [path for c in one.columns if c in words for path in source_paths(plan, table, table.column(c))]
    return names | {path[0] for path in paths if len(path) == 1}


def _unknown(plan: TablePlan, table: LakeTable, name: str) -> str:
    lake = next((c for c in table.columns if c.name == name), None)
    paths = source_paths(plan, table, lake) if lake else ()
    if paths:
        hint = f"That is the lake's name; the source calls it `{format_path(paths[0])}`."
    elif lake:
        hint = "It is made while flattening; the source has no such column."
    else:
        known = [format_path(path) for c in table.columns for path in source_paths(plan, table, c)]
        hint = f"{meant(name, known)} With `terms: source` its columns are {', '.join(known)}.".strip()
    return f"table {plan.label} has no column {name!r} that {table.name} is made of. {hint}"


def _name(words: Path) -> str:
    return words[0] if len(words) == 1 else format_path(words)


def _in_measure(words: Path) -> str:
    return ".".join(w if _PLAIN.fullmatch(w) else '"' + w.replace('"', '""') + '"' for w in words)
