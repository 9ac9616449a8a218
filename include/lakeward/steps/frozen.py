"""The source's figures and counts once more: has anything changed since the cut?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakeward.domain import kpi
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, TablePlan
from lakeward.domain.file_facts import FileSet, Manifest
from lakeward.domain.fingerprint import BUCKETS
from lakeward.domain.kpi_compare import EXPECTED, FOUND, differences_sql, finding, totals_sql
from lakeward.domain.rows import EXPECTED as EXPECTED_ROWS
from lakeward.domain.rows import FIGURES, differing_sql
from lakeward.domain.rows import FOUND as FOUND_ROWS
from lakeward.ports import CutReader, Input, Ports
from lakeward.steps.artifacts import read_manifest
from lakeward.steps.figures import as_input, source_figures, taken_figures
from lakeward.steps.guards import count_guarded, refused
from lakeward.steps.measure import place
from lakeward.steps.rows import proven, source_figures_sql

TOLD = 3
"""Differing cells that are named, of each KPI."""


def changes_at_source(plan: Plan, ports: Ports) -> tuple[str, ...]:
    """Every KPI, row count and table of the source that is not what it was in the cut's snapshot, with period and both figures.

    All of them are taken at one instant; nothing is stored.
    :raises SourceError: the source does not answer.
    """
    found: list[str] = []
    with ports.source.cut() as now:
        for group in plan.groups:
            manifest = read_manifest(ports.store, plan, group)
            counts = {table.name: count_guarded(now, table) for table in group.tables}
            bent = {table.name: tuple(refused(table, counts[table.name])) for table in group.tables}
            found += [told for name in bent for told in bent[name]]
            found += _counts(group, manifest, counts)
            for r in kpi.resolve_all(plan, group):
                found += () if any(bent[plan.name] for plan, _ in r.tables) else _figures(r, manifest, ports, now)
            for table, lake in proven(group):
                found += () if bent[table.name] else _rows(plan, table, lake, manifest, ports, now)
    return tuple(found)


def _rows(
    plan: Plan, table: TablePlan, lake: LakeTable, manifest: Manifest, ports: Ports, source: CutReader
) -> Iterator[str]:
    file = taken_figures(ports.store, manifest, f"/rows/{lake.name}.parquet", f"rows of {lake.name}")
    inputs: dict[str, Input] = {
        EXPECTED_ROWS: FileSet((file.url,), ports.store.access, FIGURES),
        FOUND_ROWS: source.query(source_figures_sql(plan, table, lake)),
    }
    if differing := ports.engine.table(differing_sql(), inputs).num_rows:
        yield f"rows of {lake.name} are not those of the cut: {differing} of {BUCKETS} parts of its keys differ"


def _counts(group: GroupPlan, manifest: Manifest, counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    before = {landed.table: landed.source_rows for landed in manifest.tables}
    for table in group.tables:
        if (now := counts[table.name][""]) != before[table.name]:
            yield f"{table.label} had {before[table.name]} rows at the cut and has {now}"


def _figures(r: kpi.ResolvedKpi, manifest: Manifest, ports: Ports, source: CutReader) -> Iterator[str]:
    expected = as_input(ports.store, r, source_figures(ports.store, manifest, r))
    inputs: dict[str, Input] = {EXPECTED: expected, FOUND: source.query(kpi.source_sql(r))}
    failed = int(ports.engine.table(totals_sql(r), inputs).to_pylist()[0]["failed"])
    if not failed:
        return
    cells = ports.engine.table(f"{differences_sql(r)} LIMIT {TOLD}", inputs).to_pylist()
    told = (finding(r.spec, "source-source", cell) for cell in cells)
    more = f", and {failed - len(cells)} more cells" if failed > len(cells) else ""
    yield f"KPI {r.spec.name}: {'; '.join(f'{place(f)}: {f.message}' for f in told)}{more}"
