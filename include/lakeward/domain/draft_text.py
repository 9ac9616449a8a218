"""The text of a drafted migration file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lakeward.domain.draft import LARGE, Draft, Drafted, kpis_of, quoted, when_column
from lakeward.domain.facts import TablePlan
from lakeward.spec.models import CalendarSpec, KpiSpec, TableSpec
from lakeward.spec.scalars import ZoneName


def write(draft: Draft, groups: Mapping[str, Sequence[Drafted]], refused: Sequence[Drafted]) -> str:
    """The whole file: top, groups with their tables, KPIs, calendar, gate."""
    calendar = CalendarSpec(time_zone=ZoneName(draft.time_zone))
    kpis = [kpi for name, tables in groups.items() for kpi in kpis_of(name, tables, calendar)]
    lines = [*_top(draft)]
    for name, tables in groups.items():
        lines += ["", f"  - name: {name:<26} # read at one cut, published at one instant", "    tables:"]
        for table in tables:
            lines += _table(table)
    if refused:
        lines += ["", "# Not migrated:"]
        lines += [f"#   {one.source.label}: {' '.join(one.refused.split())}" for one in refused]
    lines += [
        "",
        "kpis:                              # the figures that must be equal; add those that your business reports",
    ]
    for kpi in kpis:
        lines += _kpi(kpi)
    lines += [
        "",
        "calendar:",
        f"  time_zone: {draft.time_zone:<21} # where a day of a timestamp with time zone begins: set your business's",
        "  week_starts: monday",
        "",
        "gate:",
        "  warnings: show                   # `hold` makes every warning block",
        "  quarantine: accept               # quarantined rows need a signer's named acceptance",
    ]
    return "\n".join(lines) + "\n"


def _top(draft: Draft) -> Iterator[str]:
    yield f"# Written by `lakeward init {draft.connection}` from the source's catalog. It runs as it is; read it, and change"
    yield "# what your readers need: partitions, sort orders, KPIs. docs/migration-file.md explains every key."
    yield "# Next: lakeward check FILE, lakeward plan FILE, lakeward run FILE"
    yield "version: 1"
    yield f"migration: {draft.migration}"
    yield "pattern: lift_and_shift            # one cut, everything at once"
    yield ""
    yield "source:"
    if draft.kind != "postgres":
        yield f"  kind: {draft.kind}"
    if draft.path:
        yield f"  path: {quoted(draft.path)}"
    yield f"  connection: {draft.connection:<20} # an Airflow connection; rights to read are all that it needs (`lakeward doctor`)"
    yield ""
    yield "target:"
    yield f"  connection: {draft.target:<20} # an Airflow connection of type `iceberg`"
    yield f"  namespace: {draft.migration}"
    yield ""
    yield "landing:                           # raw Parquet of the cut, evidence, pointers"
    yield f"  path: {draft.landing}"
    if draft.landing_connection:
        yield f"  connection: {draft.landing_connection:<20} # an Airflow connection of type `aws`"
    yield ""
    yield "groups:"


def _table(table: Drafted) -> Iterator[str]:
    spec, plan = table.spec, table.plan
    if spec is None or plan is None:
        return
    size = f"about {table.source.estimated_rows:,} rows" if table.source.estimated_rows else "no statistics yet"
    yield f"      - table: {quoted(spec.table)}    # {table.source.kind}, {size}"
    if spec.name:
        yield f"        name: {spec.name}    # another table has the plain name"
    if not plan.lake[0].key:
        yield "        # no primary key: declare `key: [...]` if there is one, so that differing rows can be named"
    for remark in table.remarks:
        yield f"        # {' '.join(remark.split())}"
    if spec.types:
        yield "        types:"
        yield from (f"          {quoted(column)}: {kind}" for column, kind in spec.types.items())
    if spec.drop:
        yield f"        drop: [{', '.join(quoted(c) for c in spec.drop)}]"
    yield from _flatten(spec, plan)
    date = when_column(plan)
    if table.source.estimated_rows >= LARGE and date:
        yield f"        partition: [{quoted(f'month({date})')}]"


def _flatten(spec: TableSpec, plan: TablePlan) -> Iterator[str]:
    if spec.flatten:
        yield "        flatten:                   # nested records become columns and child tables; `lakeward plan` shows them"
        for rule in spec.flatten:
            children = ", ".join(t.name for t in plan.lake[1:] if t.source == rule.column)
            found = f"    # child tables: {children}" if children else ""
            yield f"          - column: {quoted(rule.column)}{found}"
            yield "            fields: infer          # or give types: {a.b: string, c: 'decimal(12,2)'}"


def _kpi(kpi: KpiSpec) -> Iterator[str]:
    yield f"  - name: {kpi.name}"
    yield f"    table: {kpi.table}"
    yield f"    measure: {quoted(kpi.measure)}"
    if kpi.date:
        yield f"    date: {quoted(kpi.date)}"
