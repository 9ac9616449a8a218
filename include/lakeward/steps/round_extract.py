"""A round of a catch-up is read: what may differ from the lake, in one snapshot; with it, when it is whole, every figure of the source."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lakeward.domain.catch_up import later_mark, tops_sql
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.file_facts import (
    LandedTable,
    Manifest,
    Mark,
    Round,
)
from lakeward.domain.identity import landing_prefix
from lakeward.ports import CutReader, Ports, Progress, silent
from lakeward.steps.artifacts import (
    find_manifest,
    write_manifest,
)
from lakeward.steps.extract import begin_figures, check_tables, guarded, manifest_of
from lakeward.steps.round_publish import published_pointer
from lakeward.steps.round_rows import Search, bases_of


def extract_round(
    plan: Plan,
    group_name: str,
    ports: Ports,
    attempt: str,
    before: Mark | None,
    *,
    whole: bool,
    deletes: bool,
    progress: Progress = silent,
) -> Manifest:
    """Land what may differ from the lake, in one snapshot of the source; a round that has landed is left as it is.

    :param before: the mark of the cut that readers see.
    :param whole: compare all rows, and take every figure of the source.
    :raises DataError: a value that the lake cannot hold.
    :raises LakeError: somebody else wrote to a table.
    """
    group = plan.group(group_name)
    if landed := find_manifest(ports.store, plan, group):
        return landed
    prefix = landing_prefix(plan.migration.migration, group.name, group.cut_id, attempt)
    started = time.monotonic()
    bases = bases_of(plan, group, ports, published_pointer(plan, group, ports))
    horizon = ports.source.horizon()
    with ports.source.cut(group.tables) as cut, ThreadPoolExecutor(1, "figures") as beside:
        check_tables(plan, group, cut)
        figures = begin_figures(plan, group, ports, cut, beside, prefix) if whole else {}
        search = Search(plan, group, ports, cut, bases, prefix, figures, progress)
        try:
            tables, numbers = [], {}
            for table in group.tables:
                found = None if whole or before is None else search.by_watermark(table, before, deletes=deletes)
                counts = guarded(cut, table) if found is None else {}
                files, numbers[table.name] = found or search.by_fingerprints(table)
                rows = counts.pop("") if whole else sum(file.rows for file in files)
                tables.append(LandedTable(table.name, files, rows, rows, counts if whole else {}))
            tops = _tops(group, cut)
            taken = tuple(f.result() for f in figures.values())
        finally:
            beside.shutdown(wait=False, cancel_futures=True)
    manifest = replace(
        manifest_of(plan, group, ports, cut, tuple(tables), taken, started),
        round=Round(
            later_mark(before, horizon.at, horizon.oldest, cut.taken_at, tops),
            whole,
            {n: b.snapshot for n, b in bases.items()},
            numbers,
        ),
    )
    return write_manifest(ports.store, plan, group, manifest)


def _tops(group: GroupPlan, cut: CutReader) -> dict[str, int]:
    found: dict[str, int] = {}
    for watermark in group.watermarks:
        if watermark.kind == "number":
            table = next(t for t in group.tables if t.name == watermark.table)
            top = cut.query(tops_sql(watermark, table)).to_pylist()[0]["top"]
            found |= {watermark.table: int(top)} if top is not None else {}
    return found
