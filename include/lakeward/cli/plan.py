"""`lakeward plan`: what would be done and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakeward.cli.console import exits, progressing, say, table

if TYPE_CHECKING:
    from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, Plan, TablePlan
    from lakeward.spec.models import AnyMigration


@exits(2)
def plan(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")],
    sql: Annotated[
        str,
        typer.Option(
            metavar="ENGINE",
            help="Print each KPI as a SELECT instead, to reckon it without lakeward: postgres, mysql or sqlite over the source's tables, "
            "duckdb or spark over the lake's.",
        ),
    ] = "",
) -> None:
    """Show what would be done and why: tables, columns and types (inferred ones too), references, KPIs. Writes nothing.

    Exits 0 when it can be done, 2 when the file contradicts source or lake, or one of them is not there.

    Example: `lakeward plan dags/migrations/retail.yaml`
    """
    from lakeward.cli.session import now, open_run, opened
    from lakeward.cli.windows import measure, show_plan
    from lakeward.domain.parts import parts_of
    from lakeward.spec.models import Phased
    from lakeward.steps.plan import preview
    from lakeward.steps.propose import propose

    with opened(file) as (loaded, ports), progressing() as progress:
        made = preview(loaded, ports, open_run(ports.store, loaded), now(), progress)
        names = {t.name: ports.lake.qualified(t.name) for g in made.groups for t in g.lake_tables}
        parts = [part for part in parts_of(made) or (made,) if isinstance(part.migration, Phased) and not sql]
        found = [(part, measure(part, ports)) for part in parts]
        proposed = [line for part in parts for line in propose(part, ports)]
    if sql:
        for text in _selects(made, names, sql):
            say(text)
    else:
        _show(made, names)
        for part, listings in found:
            show_plan(part, listings)
        for line in proposed:
            say(line)


def _selects(made: Plan, names: dict[str, str], engine: str) -> Iterator[str]:
    """Each KPI as a SELECT, or why that engine cannot reckon it."""
    from lakeward.domain.kpi import KpiError
    from lakeward.domain.kpi_portable import Engine, portable_sql
    from lakeward.domain.kpi_resolve import resolve_all
    from lakeward.errors import SpecError

    if engine not in list(Engine):
        raise SpecError(f"--sql {engine}: no such engine is known.", todo=f"Name one of {', '.join(Engine)}.")

    def place(table: LakeTable) -> tuple[str, str]:
        namespace, _, name = names[table.name].rpartition(".")
        return namespace, name

    for r in (r for group in made.groups for r in resolve_all(made, group)):
        try:
            yield f"-- {r.spec.name}: {r.spec.measure}\n{portable_sql(r, Engine(engine), place)};\n"
        except KpiError as error:
            yield f"-- {error}\n"


def _show(made: Plan, names: dict[str, str]) -> None:
    spec = made.migration
    say(f"Migration {spec.migration} ({spec.pattern}): {spec.source.connection} to {spec.target.connection}")
    say(f"Landing and evidence: {spec.landing.path}/{spec.migration}")
    for group in made.groups:
        say()
        say(f"Group {group.name}: {_how(spec, group.name)}; quarantine in {group.quarantine}")
        for part in group.tables:
            _table(part, names)
        _references(group)
    say()
    rows = [
        (
            k.name,
            k.table,
            str(k.measure),
            k.date or "total",
            ", ".join(k.grains) if k.date else "",
            ", ".join(k.dimensions),
        )
        for k in spec.kpis
    ]
    table(
        ("KPI", "table", "measure", "date", "grains", "by"),
        rows,
        title=f"Figures that must be equal ({spec.calendar.time_zone})",
    )
    loose = [
        note
        for note in made.notes
        if not any(note.endswith(own) for g in made.groups for t in g.tables for own in t.notes)
    ]
    for note in loose:
        say(f"Note: {note}")


def _how(spec: AnyMigration, group: str) -> str:
    """How a group is moved."""
    from lakeward.spec.models import Hybrid

    if not isinstance(spec, Hybrid):
        return "read at one cut, published at one instant"
    written = next(one for one in spec.groups if one.name == group)
    after = f", after {', '.join(written.after)}" if written.after else ""
    return f"{written.pattern.replace('_', ' ')}{after}"


def _table(part: TablePlan, names: dict[str, str]) -> None:
    read = "scanned" if part.scan else "read by a SELECT of ours, cast by the source"
    where = f", rows where {' and '.join(f'{f.column} {f.op} {f.value}' for f in part.filter)}" if part.filter else ""
    say()
    say(f"{part.label}: about {part.estimated_rows:,} rows, {read}{where}")
    for lake in part.lake:
        rows = [(c.name, c.type, "required" if c.required else "", _origin(lake, c)) for c in lake.columns]
        table((names[lake.name], "type", "", "from"), rows)
        for line in _layout(lake):
            say(f"  {line}")
    for note in part.notes:
        say(f"  note: {note}")


def _origin(lake: LakeTable, column: LakeColumn) -> str:
    from lakeward.spec.paths import format_path

    at = f"{column.source} -> {format_path(lake.path)}" if lake.path else column.source
    said = {
        "shape": f"which paths of {at}{'[]' if lake.kind == 'list' else ''} are null, missing or empty",
        "undeclared": f"records of {at} with keys that no field names",
        "position": f"place in {at}, from 0",
        "key": f"key in {at}",
        "parent": f"the parent's {column.source}",
        "gone": "no longer at the source: null from now on",
    }
    if column.role in said:
        return said[column.role]
    if lake.kind == "map":
        return f"value in {at}"
    if lake.kind == "list":
        return f"{at}[]{f'.{format_path(column.path)}' if column.path else ''}"
    return f"{column.source} -> {format_path(column.path)}" if column.path else column.source


def _layout(lake: LakeTable) -> list[str]:
    from lakeward.domain.pruning import pruning

    lines = [f"key: {', '.join(lake.key)}" if lake.key else "no key"]
    if lake.partition:
        lines.append(f"partitioned by {', '.join(map(str, lake.partition))}")
    if lake.sort:
        lines.append(
            f"sorted by {', '.join(f'{s.column} descending' if s.descending else s.column for s in lake.sort)}"
        )
    if lake.partition or lake.sort:
        lines += pruning(lake)
    lines += [f"rule: {r.expect} {_arguments(r.args)}{' (warns)' if r.severity == 'warn' else ''}" for r in lake.rules]
    return lines


def _arguments(args: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in args.items())


def _references(group: GroupPlan) -> None:
    origins = {"file": "declared here", "source": "foreign key of the source", "parent": "child rows name their parent"}
    rows = [
        (r.table, ", ".join(r.columns), r.to, ", ".join(r.to_columns), origins.get(r.origin, r.origin))
        for r in group.references
    ]
    if rows:
        say()
        table(("rows of", "columns", "name rows of", "by", "because"), rows, title="References that are checked")
