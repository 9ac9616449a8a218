"""A first migration file, written from a source's catalog: everything in it was planned once, so that it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from lakeward.domain import kpi
from lakeward.domain.facts import GroupPlan, TablePlan
from lakeward.domain.planning import Sample, measure_numeric, plan_table
from lakeward.domain.postgres_numbers import UnboundedError, advice
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.domain.sql import ident
from lakeward.domain.systems import SYSTEMS
from lakeward.domain.text_types import type_of_texts
from lakeward.errors import LakewardError
from lakeward.spec.models import CalendarSpec, FlattenSpec, KpiSpec, TableSpec
from lakeward.spec.names import slug
from lakeward.spec.scalars import Expression, LakeType

LARGE = 1_000_000
"""Rows from which a table is partitioned by month."""
_MONEY = re.compile(r"amount|total|price|cost|fee|tax|balance|revenue|paid|value|sum", re.IGNORECASE)
_WHEN = re.compile(r"order|creat|book|date|paid|time|_at$|_on$", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_NESTED = frozenset({"json", "jsonb", "struct", "list", "map"})
_DATED = ("timestamptz", "timestamp", "date")
_SUMS = 3


@dataclass(slots=True)
class Drafted:
    """A table that can be migrated as it is written, or why it can't."""

    source: SourceTable
    spec: TableSpec | None = None
    plan: TablePlan | None = None
    refused: str = ""
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a drafted file says at its top."""

    migration: str
    connection: str
    target: str
    landing: str
    landing_connection: str
    time_zone: str
    kind: str = "postgres"
    path: str = ""


def draft_table(source: SourceTable, name: str | None, sample: Sample) -> Drafted:
    """Find out how a table can be migrated, by planning it."""
    types, drop, remarks = _carry(source, sample)
    flattened = [c for c in source.columns if c.base in _NESTED and c.name not in drop and c.name not in types]
    when = None
    for flatten in ([FlattenSpec(column=c.name) for c in flattened], []):
        spec = TableSpec(table=_qualified(source), name=name, types=types, drop=tuple(drop), flatten=tuple(flatten))
        try:
            plan = plan_table(spec, source, sample)
        except LakewardError as error:
            when = error
            continue
        if flattened and not flatten and when:
            remarks.append(f"JSON is kept as text: {when.what}")
        return Drafted(source, spec, plan, "", remarks)
    return Drafted(source, refused=str(when.what if when else ""))


def _carry(source: SourceTable, sample: Sample) -> tuple[dict[str, LakeType], list[str], list[str]]:
    """Types that must be declared, columns that can't be carried, and what to say about both."""
    types: dict[str, LakeType] = {}
    drop: list[str] = []
    remarks: list[str] = []
    for column in source.columns:
        if source.kind == "csv" and (kind := type_of_texts(sample(source, ident(column.name)))):
            types[column.name] = kind
        try:
            SYSTEMS[source.system].land(column)
        except UnboundedError as error:
            types[column.name], remark = _bounded(source, column, sample)
            remarks.append(f"{error.what}{remark}")
        except LakewardError as error:
            drop.append(column.name)
            remarks.append(f"{error.what}; it is left behind")
    return types, drop, remarks


def _bounded(source: SourceTable, column: SourceColumn, sample: Sample) -> tuple[LakeType, str]:
    """A type for a numeric without bounds that holds what there is and leaves room; why the table can't be read is told later."""
    try:
        found = measure_numeric(source, column, sample)
    except LakewardError:
        found = None
    if found is None:
        return LakeType("decimal(38,9)"), ""
    return found.roomy or LakeType("string"), f": {advice(column, found)}"


def _qualified(source: SourceTable) -> str:
    return ".".join(
        p if re.fullmatch(r"[^.\"*?\[\]]+", p) else '"' + p.replace('"', '""') + '"'
        for p in (source.schema, source.name)
    )


def unique_names(tables: Sequence[SourceTable]) -> dict[str, str | None]:
    """``schema.table`` to the lake's name where the default one is taken by another table already."""
    taken: set[str] = set()
    names: dict[str, str | None] = {}
    for table in sorted(tables, key=lambda t: t.schema not in {"public", "main"}):  # whose tables keep the plain names
        short, name = slug(table.name), None
        if short in taken:
            stem = name = slug(f"{table.schema}_{table.name}")
            n = 1
            while name in taken:
                n += 1
                name = f"{stem}_{n}"
        names[table.label] = name
        taken.add(name or short)
    return names


def groups_of(tables: Sequence[Drafted]) -> dict[str, list[Drafted]]:
    """Tables that refer to each other belong together; those that nothing ties are one group of their own."""
    home = {t.source.label: t.source.label for t in tables}

    def root(label: str) -> str:
        while home[label] != label:
            label = home[label]
        return label

    named: dict[str, int] = {}
    for table in tables:
        for key in table.source.foreign_keys:
            other = f"{key.to_schema}.{key.to_table}"
            if other in home and other != table.source.label:
                named[other] = named.get(other, 0) + 1
                home[root(table.source.label)] = root(other)
    parts: dict[str, list[Drafted]] = {}
    for table in tables:
        parts.setdefault(root(table.source.label), []).append(table)
    groups: dict[str, list[Drafted]] = {}
    single: list[Drafted] = []
    for part in parts.values():
        if len(part) == 1:
            single += part
            continue
        head = max(part, key=lambda t: named.get(t.source.label, 0))
        groups[_free(slug(head.source.name), groups)] = part
    if single:
        groups[_free("main" if not groups else "others", groups)] = single
    return groups


def _free(name: str, taken: dict[str, list[Drafted]]) -> str:
    while name in taken:
        name += "_2"
    return name


def when_column(table: TablePlan) -> str | None:
    """The lake column that most likely says when a row happened."""
    found = [c for c in table.lake[0].columns if c.type in _DATED and c.role == "value" and not c.path]
    if not found:
        return None
    return max(found, key=lambda c: (c.required, bool(_WHEN.search(c.name)), -_DATED.index(c.type))).name


def kpis_of(group: str, tables: Sequence[Drafted], calendar: CalendarSpec) -> list[KpiSpec]:
    """For each table its count and the sums of what looks like money, as far as they can be computed."""
    plans = tuple(t.plan for t in tables if t.plan)
    whole = GroupPlan(group, "", plans, (), 1.0)
    found: list[KpiSpec] = []
    for plan in plans:
        date = when_column(plan)
        money = [
            c.name
            for c in plan.lake[0].columns
            if c.type.startswith("decimal")
            and c.role == "value"
            and not c.path
            and (not c.type.endswith(",0)") or _MONEY.search(c.name))
        ]
        money.sort(key=lambda name: not _MONEY.search(name))
        measures = [("count", "count()"), *((slug(name), f"sum({_measured(name)})") for name in money[:_SUMS])]
        for word, measure in measures:
            spec = KpiSpec(name=f"{plan.name}_{word}", table=plan.name, measure=Expression(measure), date=date)
            if _computable(spec, whole, calendar):
                found.append(spec)
    return found


def _computable(spec: KpiSpec, group: GroupPlan, calendar: CalendarSpec) -> bool:
    try:
        kpi.resolve(spec, group, calendar)
    except (LakewardError, ValueError):
        return False
    return True


def _measured(column: str) -> str:
    return column if _PLAIN.fullmatch(column) else '"' + column.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """A text as YAML, in quotes only where it needs them."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./ ()\-]*(?<! )", text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
