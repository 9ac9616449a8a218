"""What must hold across the planned tables of a file: names of the lake, KPIs, record rules; each problem at its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lakeward.domain import kpi, sides
from lakeward.domain.changes import not_followed
from lakeward.domain.facts import GroupPlan, LakeTable, TablePlan
from lakeward.domain.faults import Faults
from lakeward.domain.planning import child_path
from lakeward.domain.reports import report_troubles
from lakeward.domain.rows import figures_sql
from lakeward.domain.rules import check_rule, rule_columns
from lakeward.domain.shaping import suggest
from lakeward.spec.document import Path
from lakeward.spec.hybrid import alone
from lakeward.spec.models import GroupSpec, Metered, Migration, StranglerFig, TableSpec
from lakeward.spec.names import home_of, is_glob, split_table
from lakeward.spec.rules import Rule


def table_path(number: int, group: GroupSpec, table: TableSpec) -> Path:
    """Where a table of a group stands in the file."""
    return ("groups", number, "tables", next(n for n, other in enumerate(group.tables) if other is table))


def check_plan(
    spec: Migration, groups: Sequence[GroupPlan], server_version: str, faults: Faults, *, whole: bool
) -> None:
    """Add what is wrong.

    :param whole: false when some tables could not be planned: what may be meant for those is let through.
    """
    clean = whole and not faults
    if isinstance(spec, StranglerFig) and spec.source.kind != "postgres":
        faults.add(
            ("source", "kind"), f"a {spec.source.kind} source has no change log", "Use lift_and_shift or phased."
        )
    _check_names(spec, groups, faults)
    _check_kpis(spec, groups, server_version, faults, whole=whole, clean=clean)
    older = _is_older(spec, server_version)
    for number, group in enumerate(groups):
        follows_log = isinstance(alone(spec, group.name), StranglerFig)
        for plan in group.tables:
            table, at = _written(spec, number, plan)
            if follows_log:
                for reason, todo in not_followed(plan):
                    faults.add(at, f"{plan.label}: {reason}", todo)
            for lake in plan.lake if older and plan.prove_rows else ():
                if _needs_16(figures_sql(sides.whole(plan, lake, spec.kpis, spec.calendar).source())):
                    faults.add(
                        at,
                        f"rows of {lake.name} can't be proved: they hold json or text that is looked into, or moments inside "
                        f"documents, which PostgreSQL can do without failing on odd records from 16 on; the source runs {server_version}",
                        "Use jsonb and plain values, or write `prove_rows: false`: then only the KPIs prove this table.",
                    )
            for lake in plan.lake:
                for n, rule in enumerate(lake.rules):
                    with faults.at(*at, *child_path(table, lake), "rules", n, *_blamed(rule, lake)):
                        check_rule(rule, lake)
    _check_reports(spec, groups, faults)


def _needs_16(sql: str) -> bool:
    """Whether PostgreSQL knows a function of it from 16 on; names of functions may be written in capitals."""
    return kpi.NEEDS_16 in sql.lower()


def _is_older(spec: Migration, server_version: str) -> bool:
    """Whether the source is a PostgreSQL that can't look into odd records without failing."""
    return spec.source.kind == "postgres" and int(server_version[:2]) < 16


def _written(spec: Migration, number: int, plan: TablePlan) -> tuple[TableSpec, Path]:
    """The item that names a table outright, or the glob that its rules come from."""
    group = spec.groups[number]
    home = home_of(plan.dialect.value)
    named = [
        t for t in group.tables if not is_glob(t.table) and split_table(t.table, home) == (plan.schema, plan.table)
    ]
    globs = [t for t in group.tables if is_glob(t.table)]
    table = next((t for t in (*named, *globs) if t.rules == plan.lake[0].rules), group.tables[0])
    return table, table_path(number, group, table)


def _blamed(rule: Rule, table: LakeTable) -> Path:
    """The argument that names a column which is not there."""
    names = {c.name for c in table.columns}
    for argument in ("column", "column_A", "column_B", "column_list"):
        if argument in rule.args and any(name not in names for name in rule_columns(rule, argument)):
            return ("args", argument)
    return ()


def _check_names(spec: Migration, groups: Sequence[GroupPlan], faults: Faults) -> None:
    seen: dict[str, str] = {}
    for number, group in enumerate(groups):
        parts = [(t.name, p.label, p, t) for p in group.tables for t in p.lake]
        for name, origin, plan, lake in parts:
            if name == group.quarantine or (other := seen.setdefault(name, origin)) != origin:
                first = "the quarantine" if name == group.quarantine else other
                table, at = _written(spec, number, plan)
                path = (*at, *child_path(table, lake), "table")
                reason = f"{first} and {origin} would both become the lake table {name!r}"
                faults.add(path, reason, "give one of them a `name`.")
    for number, group in enumerate(groups):
        if group.quarantine in seen and all(group.quarantine != t.name for t in group.lake_tables):
            reason = (
                f"{seen[group.quarantine]} and the quarantine would both become the lake table {group.quarantine!r}"
            )
            faults.add(("groups", number, "name"), reason, "give the table a `name`.")


def _check_kpis(
    spec: Migration, groups: Sequence[GroupPlan], server_version: str, faults: Faults, *, whole: bool, clean: bool
) -> None:
    homes = {table.name: group for group in groups for table in group.lake_tables}
    unknown = False
    for n, written in enumerate(spec.kpis):
        if (home := homes.get(written.table)) is None:
            unknown = True
            if whole:
                reason = f"KPI {written.name}: there is no lake table {written.table!r}"
                faults.add(("kpis", n, "table"), reason, suggest(written.table, homes))
            continue
        if not clean and kpi.has_paths(written):  # references may be missing because of what is told already
            continue
        figure, wrong = kpi.lake_terms(written, home)
        if not wrong:
            # What is said of a translated measure is not told by its characters: those of the file are others.
            same = figure.measure == written.measure
            wrong = [t if same else replace(t, at=None) for t in kpi.kpi_troubles(figure, home, spec.calendar)]
        faults.extend(("kpis", n), wrong)
        older = not wrong and _is_older(spec, server_version)
        if older and _needs_16(kpi.source_sql(kpi.resolve(figure, home, spec.calendar))):
            faults.add(
                ("kpis", n, "measure"),
                f"KPI {figure.name}: it looks into json or text, or at moments inside documents, which PostgreSQL can "
                f"do without failing on odd records from 16 on; the source runs {server_version}",
                "Use jsonb and plain values.",
            )
    for number, group in enumerate(groups):
        if (
            whole
            and not unknown
            and not any(figure.table in {t.name for t in group.lake_tables} for figure in spec.kpis)
        ):
            reason = f"group {group.name}: no KPI proves it; counts of rows prove nothing"
            faults.add(("groups", number, "name"), reason, "Declare at least one over its tables.")


def _check_reports(spec: Migration, groups: Sequence[GroupPlan], faults: Faults) -> None:
    if not faults and isinstance(spec, Metered):
        faults.extend(("reports",), report_troubles(spec.reports, groups))
