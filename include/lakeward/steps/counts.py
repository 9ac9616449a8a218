"""Rows counted along the way. Equal counts prove nothing; unequal ones prove a loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakeward.domain.evidence import Finding, Outcome, Pointer, Verdict
from lakeward.domain.facts import GroupPlan, LakeTable, TablePlan
from lakeward.domain.file_facts import FileSet, Manifest, Staged
from lakeward.domain.guards import applied
from lakeward.domain.undeclared import undeclared_sql, undeclared_told
from lakeward.ports import Ports
from lakeward.steps.measure import Case, cut_basis, cut_files


def counts_basis(
    ports: Ports, group: GroupPlan, manifest: Manifest, staged: Staged, snapshots: Mapping[str, int]
) -> dict[str, str]:
    """Everything that the verdict on a group's counts depends on."""
    landed = [f"{t.table} {t.source_rows} {t.rows}" for t in manifest.tables]
    taken = [f"{t.table} {t.read} {t.rows} {t.quarantined}" for t in staged.tables]
    pins = [f"{t.name} {snapshots.get(ports.lake.qualified(t.name))}" for t in group.lake_tables]
    return {
        **cut_basis(manifest),
        "landed": ", ".join(landed),
        "staged": ", ".join(taken),
        "snapshots": ", ".join(pins),
    }


def count_rows(
    case: Case, group: GroupPlan, ports: Ports, manifest: Manifest, staged: Staged, pointer: Pointer, inputs: str
) -> Verdict:
    """Source = landing = lake + quarantine, for every table; for child tables, items read = lake + quarantine."""
    snapshots = pointer.tables
    findings = tuple(f for table in group.lake_tables for f in _check(table, group, ports, manifest, staged, snapshots))
    tables = len(group.lake_tables)
    aside = sum(staged.table(t.name).quarantined for t in group.lake_tables)
    summary = f"rows of {tables} tables add up, {aside} in quarantine; a sanity check, no proof"
    landed = {t.table: t for t in manifest.tables}
    if policies := [told for plan in group.tables for told in applied(plan, landed[plan.name])]:
        summary += f"; by declared policy: {', '.join(policies)}"
    pinned = [plan for plan in group.tables if ports.lake.qualified(plan.name) in snapshots]
    if keys := [told for plan in pinned for told in _undeclared(plan, group, ports, snapshots)]:
        summary += f"; {', '.join(keys)}"
    if findings:
        summary = f"rows do not add up: {'; '.join(f'{f.subject}: {f.message}' for f in findings[:3])}"
    outcome = Outcome.FAIL if findings else Outcome.PASS
    failed = len({f.subject for f in findings})
    return case.verdict(
        "counts", group.name, inputs, outcome, summary, checked=tables, failed=failed, findings=findings
    )


def _check(
    table: LakeTable,
    group: GroupPlan,
    ports: Ports,
    manifest: Manifest,
    staged: Staged,
    snapshots: Mapping[str, int],
) -> Iterator[Finding]:
    taken = staged.table(table.name)
    pinned = ports.lake.qualified(table.name) in snapshots
    lake = _count(ports, cut_files(ports, group, table, snapshots)) if pinned else 0
    landed = {t.table: t for t in manifest.tables}.get(table.name)
    if landed is not None:
        yield from _unequal(
            table, "source-landing", landed.source_rows, landed.rows, "rows counted by the source", "landed"
        )
        yield from _unequal(table, "landing-lake", landed.rows, taken.read, "landed", "read while flattening")
    found = f"in the lake and {taken.quarantined} in quarantine"
    yield from _unequal(
        table, "landing-lake", taken.read - taken.quarantined, lake, f"read ({taken.read}) less quarantine", found
    )


def _undeclared(plan: TablePlan, group: GroupPlan, ports: Ports, snapshots: Mapping[str, int]) -> Iterator[str]:
    """Records with keys that no field names, in words."""
    table = plan.lake[0]
    for source, sql in undeclared_sql(plan):
        (row,) = ports.engine.table(sql, {"lake": cut_files(ports, group, table, snapshots)}).to_pylist()
        if told := undeclared_told(table, source, row["n"], row["keys"]):
            yield told


def _unequal(table: LakeTable, leg: str, expected: int, found: int, said: str, there: str) -> Iterator[Finding]:
    if expected != found:
        message = f"{expected} {said}, but {found} {there}"
        yield Finding(table.name, leg, "total", None, {}, str(expected), str(found), message)


def _count(ports: Ports, files: FileSet) -> int:
    return int(ports.engine.table("SELECT count(*) AS n FROM lake", {"lake": files}).to_pylist()[0]["n"])
