"""Comparisons of a strangler fig at positions of the change log: each is a cut of its own, on which the gate decides as on any other.

Nothing is landed by it: the source's figures and counts are taken in one snapshot, and the lake is up to exactly that position.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from lakeward.domain.evidence import Pointer, Verdict
from lakeward.domain.facts import Plan
from lakeward.domain.file_facts import LandedTable, Manifest, Staged, StagedTable
from lakeward.domain.identity import landing_prefix
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.sql import ident, text
from lakeward.ports import CutReader, Input, Ports, Progress, silent
from lakeward.steps.artifacts import find_manifest, find_staged, write_manifest, write_staged
from lakeward.steps.compare import compare
from lakeward.steps.extract import begin_figures, check_tables, guarded, manifest_of
from lakeward.steps.gate import published
from lakeward.steps.publish import show_comparison

_HELD = "SELECT table_name AS name, count(DISTINCT coalesce(row_key, raw)) AS n FROM {} GROUP BY ALL"


def compare_at(
    plan: Plan, name: str, ports: Ports, cut: CutReader, there: Pointer, at: datetime, progress: Progress = silent
) -> tuple[Verdict, ...]:
    """Compare a group with the source at one position; verdicts are stored, those that fail are returned.

    :param plan: of the initial load.
    :param cut: the source's snapshot, tied to the position that ``there``, the group's pointer, has come to.
    :raises DataError: the source holds what no declared type holds.
    :raises LakewardError: something could not be measured; all else has been tried and recorded.
    """
    group = plan.group(name)
    compared = show_comparison(plan, group, ports, there, at)
    alone = replace(plan, groups=(replace(group, cut_id=compared.cut_id),))
    _count_rows(alone, name, ports, _take_figures(alone, name, ports, cut))
    return compare(alone, name, ports, at, progress, cut)


def _take_figures(plan: Plan, name: str, ports: Ports, cut: CutReader) -> Manifest:
    """Every figure and count of the source; what was taken at this position before is left as it is."""
    group = plan.group(name)
    if taken := find_manifest(ports.store, plan, group):
        return taken
    prefix = landing_prefix(plan.migration.migration, name, group.cut_id, f"at-{cut.taken_at:%H%M%S%f}")
    started = time.monotonic()
    with ThreadPoolExecutor(1, "figures") as beside:
        check_tables(plan, group, cut)
        figures = begin_figures(plan, group, ports, cut, beside, prefix)
        try:
            tables = tuple(_counted(t.name, guarded(cut, t)) for t in group.tables)
            found = tuple(f.result() for f in figures.values())
        finally:
            beside.shutdown(wait=False, cancel_futures=True)
    manifest = manifest_of(plan, group, ports, cut, tables, found, started)
    return write_manifest(ports.store, plan, group, replace(manifest, figures_only=True))


def _counted(table: str, guards: dict[str, int]) -> LandedTable:
    rows = guards.pop("")
    return LandedTable(table, (), rows, rows, guards)


def _count_rows(plan: Plan, name: str, ports: Ports, manifest: Manifest) -> None:
    """How many rows every table has in what is compared, and how many of the source's rows are in quarantine instead."""
    group = plan.group(name)
    if find_staged(ports.store, plan, group):
        return
    aside, pins = quarantine_table(group), published(plan, group, ports).tables
    tables = (*group.lake_tables, aside)
    inputs: dict[str, Input] = {t.name: ports.lake.snapshot(t, pins[ports.lake.qualified(t.name)]) for t in tables}
    counted = " UNION ALL ".join(f"SELECT {text(t.name)} AS name, count(*) AS n FROM {ident(t.name)}" for t in tables)
    rows = {row["name"]: int(row["n"]) for row in ports.engine.table(counted, inputs).to_pylist()}
    held = {
        row["name"]: int(row["n"]) for row in ports.engine.table(_HELD.format(ident(aside.name)), inputs).to_pylist()
    }
    read = {t.table: t.rows for t in manifest.tables}
    staged = tuple(
        StagedTable(t.name, (), rows[t.name], read.get(t.name, rows[t.name]), held.get(t.name, 0)) for t in tables
    )
    write_staged(ports.store, plan, group, Staged(group.name, group.cut_id, staged))
