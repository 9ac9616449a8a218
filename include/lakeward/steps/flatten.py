"""Turn a group's landing into data files of its lake tables that nobody can read yet; what does not fit is set aside."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from lakeward.domain.facts import LakeTable, Plan, TablePlan
from lakeward.domain.file_facts import Manifest, Staged, StagedFile, StagedTable
from lakeward.domain.flatten import MISFIT, table_sql
from lakeward.domain.flatten_checks import quarantine_sql
from lakeward.domain.identity import WHOLE
from lakeward.domain.partition import order_terms
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.windows import token
from lakeward.errors import DataError
from lakeward.ports import Input, Ports, Progress, silent
from lakeward.steps.artifacts import check_landing, find_staged, read_manifest, write_staged
from lakeward.steps.set_aside import SetAside, landing_of, set_aside


def flatten(plan: Plan, group_name: str, ports: Ports, attempt: str, progress: Progress = silent) -> Staged:
    """Stage a group; a group that is staged is left as it is.

    Records are first taken to fit, which nearly all of them do: one that may not makes it start again, and then each is looked at.

    :param attempt: begins the names of this try's files.
    :raises DataError: too many rows would be quarantined, or the counts do not add up; nothing is left behind then.
    :raises LakeError: a landed file is missing or changed.
    """
    group = plan.group(group_name)
    if staged := find_staged(ports.store, plan, group):
        return staged
    if group.windowing:
        attempt = f"{token(group.window)}{attempt}"
    started = time.monotonic()
    manifest = read_manifest(ports.store, plan, group)
    check_landing(ports.store, manifest)
    try:
        tables = _stage_all(landing_of(group, manifest, ports), manifest, ports, attempt, progress, strict=True)
    except DataError as error:
        if MISFIT not in str(error):
            raise
        landing = landing_of(group, manifest, ports)
        set_aside(landing, manifest.landed, ports.engine, progress)
        tables = _stage_all(landing, manifest, ports, attempt, progress, strict=False)
    ours = Staged(group.name, group.cut_id, tuple(tables), round(time.monotonic() - started, 3))
    stored = write_staged(ports.store, plan, group, ours)
    if stored.tables != ours.tables:
        ports.lake.unstage(_files(tables))
    return stored


def _stage_all(
    landing: SetAside, manifest: Manifest, ports: Ports, attempt: str, progress: Progress, *, strict: bool
) -> list[StagedTable]:
    """Stage every table and the quarantine; nothing is left behind when it fails.

    :param strict: nothing is set aside; DataError with the text ``MISFIT`` when something may have to be.
    """
    landed = manifest.landed
    tables: list[StagedTable] = []
    try:
        for table in landing.group.tables:
            for staged in _stage(landing, table, landed[table.name], ports, attempt, progress, strict=strict):
                tables.append(staged)  # noqa: PERF402 - one by one, so that a failure finds what was written before it
        tables.append(_stage_quarantine(landing, ports, attempt, progress))
        _add_up(tables)
    except BaseException:
        ports.lake.unstage(_files(tables))
        raise
    return tables


def _stage(
    landing: SetAside, plan: TablePlan, landed: int, ports: Ports, attempt: str, progress: Progress, *, strict: bool
) -> Iterator[StagedTable]:
    """Stage the lake tables of a source table, counting each by another way than it is read."""
    counts = landing.counts(plan, ports.engine)
    if counts[plan.name][0] != landed:
        raise DataError(
            f"{plan.label}: the landing has {counts[plan.name][0]} rows, its manifest says {landed}.",
            todo="Somebody changed the landing's files; start a new run.",
        )
    for table in plan.lake:
        read, quarantined = counts[table.name]
        exact = [n.source for n in plan.nested] if strict else landing.exact.get(plan.name, ())
        sql = table_sql(plan, table, landing.rows(plan.name), exact=exact, strict=strict)
        if plan.adopt and plan.name not in landing.bad:
            files = ports.lake.adopt(table, landing.landed[plan.name], attempt)
        else:
            files = _write(table, sql, landing.inputs(plan.name), read - quarantined, ports, attempt, progress)
        yield StagedTable(table.name, files, sum(f.rows for f in files), read, quarantined)


def _stage_quarantine(landing: SetAside, ports: Ports, attempt: str, progress: Progress) -> StagedTable:
    group = landing.group
    table = quarantine_table(group)
    followed = group.windowing.tables if group.windowing else ()
    bad = [plan for plan in group.tables if plan.name in landing.bad]
    # Rows of tables that are read whole with every window must not pile up, window by window.
    parts = {token(WHOLE) + attempt: [p for p in bad if p.name not in followed]} if group.windowing else {}
    parts[attempt] = [p for p in bad if not group.windowing or p.name in followed]
    files: list[StagedFile] = []
    for name, plans in parts.items():
        sql = " UNION ALL ".join(quarantine_sql(plan, group.cut_id) for plan in plans)
        total = sum(landing.bad[plan.name].num_rows for plan in plans)
        files += _write(table, sql, landing.inputs(*(p.name for p in plans)), total, ports, name, progress)
    total = sum(landing.bad[plan.name].num_rows for plan in bad)
    return StagedTable(table.name, tuple(files), sum(f.rows for f in files), total, 0)


def _write(
    table: LakeTable,
    sql: str,
    inputs: Mapping[str, Input],
    total: int,
    ports: Ports,
    attempt: str,
    progress: Progress,
) -> tuple[StagedFile, ...]:
    if not total:
        return ()
    with ports.engine.ordered(sql, order_terms(table), inputs, total) as rows:
        return ports.lake.write(table, rows, attempt, lambda what, done, _: progress(what, done, total))


def _add_up(tables: Sequence[StagedTable]) -> None:
    """Every row that was read went to the lake or was set aside."""
    wrong = [
        f"{t.table}: {t.read} read, {t.rows} staged and {t.quarantined} quarantined"
        for t in tables
        if t.read != t.rows + t.quarantined
    ]
    if wrong:
        raise DataError(
            f"Rows do not add up: {'; '.join(wrong)}.",
            todo="Run the step again; if it stays so, report it with the plan.",
        )


def _files(tables: Sequence[StagedTable]) -> list[StagedFile]:
    return [file for table in tables for file in table.files]
