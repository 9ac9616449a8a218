"""Measure one KPI: its figures on both sides, where they differ, and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from lakeward.domain import kpi
from lakeward.domain.changes import spelled
from lakeward.domain.closing import open_from
from lakeward.domain.evidence import Finding, Outcome, Verdict
from lakeward.domain.facts import GroupPlan, LakeTable
from lakeward.domain.file_facts import FileFact, FileSet, Manifest
from lakeward.domain.identity import digest
from lakeward.domain.kpi_compare import Opened
from lakeward.domain.kpi_landing import landing_sql
from lakeward.domain.sides import LAKE
from lakeward.domain.windows import is_of
from lakeward.domain.words import counted
from lakeward.errors import LakeError, LakewardError, redact
from lakeward.ports import Input, Ports
from lakeward.steps.figures import Differences, as_input, landed_files, put_beside, reckoning, take_figures

_ORIGINS = {
    "source-landing": "; figures read from the landing differ from the source already",
    "landing-lake": "; the landing still gives the source's figures",
}
_TEXTS = "; the lake's text over the landing does not give the source's figures either, so both texts say different things, or the landing is not what the source gave"


@dataclass(frozen=True, slots=True)
class Case:
    """What a verdict is about."""

    migration: str
    group: str
    cut_id: str
    at: datetime

    def verdict(
        self,
        kind: str,
        subject: str,
        inputs: str,
        outcome: Outcome,
        summary: str,
        *,
        checked: int = 0,
        failed: int = 0,
        findings: tuple[Finding, ...] = (),
        files: tuple[FileFact, ...] = (),
        whole: bool = True,
    ) -> Verdict:
        """A verdict on this case."""
        return Verdict(
            kind=kind,
            subject=subject,
            migration=self.migration,
            group=self.group,
            cut_id=self.cut_id,
            outcome=outcome,
            inputs_hash=inputs,
            summary=summary,
            checked=checked,
            failed=failed,
            decided_at=self.at,
            findings=findings,
            files=files,
            whole=whole,
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """Both sides of a KPI put beside each other."""

    differences: Differences
    files: tuple[FileFact, ...]
    leg: str = "source-lake"
    aside: int = 0  # rows of the source table that are in quarantine
    opened: Opened = field(default_factory=dict)


def table_files(ports: Ports, table: LakeTable, snapshots: Mapping[str, int]) -> FileSet:
    """The files of a lake table in the snapshot that the pointer pins."""
    name = ports.lake.qualified(table.name)
    if name not in snapshots:
        raise LakeError(f"The pointer pins no snapshot of {name}.", todo="Run the append step, then compare again.")
    return ports.lake.snapshot(table, snapshots[name])


def cut_files(ports: Ports, group: GroupPlan, table: LakeTable, snapshots: Mapping[str, int]) -> FileSet:
    """As ``table_files``; of a table that holds several windows only the files of the group's."""
    files = table_files(ports, table, snapshots)
    if table.name not in group.sliced:
        return files
    return files.only({url for url in files.urls if is_of(url, group.window)})


def cut_basis(manifest: Manifest) -> dict[str, str]:
    """Which cut a verdict is on; of a comparison, at which position of the log."""
    where = {"position": spelled(manifest.position)} if manifest.figures_only else {}
    return {"cut": manifest.cut_id, **where}


def lake_inputs(
    ports: Ports, r: kpi.ResolvedKpi, snapshots: Mapping[str, int], cut: GroupPlan | None = None
) -> dict[str, Input]:
    """The files of a KPI's table, by the name ``LAKE``, and of those that it reaches; those of a window alone at its ``cut``."""
    views = {table.name: kpi.lake_view(table.name) for _, table in r.tables} | {r.table.name: LAKE}
    if cut is None:
        return {views[table.name]: table_files(ports, table, snapshots) for _, table in r.tables}
    return {views[table.name]: cut_files(ports, cut, table, snapshots) for _, table in r.tables}


def landed_inputs(ports: Ports, r: kpi.ResolvedKpi, manifest: Manifest) -> dict[str, Input]:
    """The landings of a KPI's table and of those that it reaches."""
    return {plan.name: landed_files(ports.store, manifest, plan) for plan, _ in r.tables}


def measure(
    ports: Ports,
    r: kpi.ResolvedKpi,
    source: FileFact,
    lake: Mapping[str, Input],
    stem: str,
    *,
    landing: Mapping[str, Input] | None = None,
    aside: int = 0,
    since: date | None = None,
    at: datetime,
) -> Measured:
    """Take the lake's figures and compare; everything is stored under keys that begin with ``stem``.

    :param at: when the source's figures were taken: by it, periods are closed or open.

    :param lake: the files, as ``lake_inputs`` gives them. :param landing: asked, when the figures differ, on which way they parted.
    :param aside: rows of the source table that are in quarantine, for the summary.
    """
    with reckoning(r):
        taken = take_figures(ports, kpi.lake_sql(r, LAKE), lake, f"{stem}-lake.parquet")
    expected, found = as_input(ports.store, r, source), as_input(ports.store, r, taken)
    opened = open_from(r.calendar, at) if r.spec.date else {}
    differences = put_beside(ports, r, expected, found, key=f"{stem}-differences.parquet", since=since, opened=opened)
    files = (source, taken, *([differences.file] if differences.file else ()))
    leg = "source-lake"
    if differences.failed and landing is not None:
        with reckoning(r):
            landed = take_figures(ports, landing_sql(r), landing, f"{stem}-landing.parquet")
        early = put_beside(
            ports,
            r,
            expected,
            as_input(ports.store, r, landed),
            key=f"{stem}-landing-differences.parquet",
            opened=opened,
        )
        leg = "source-landing" if early.failed else "landing-lake"
        files += (landed,)
    moved = replace(differences, findings=tuple(replace(f, leg=leg) for f in differences.findings))
    return Measured(moved, files, leg, aside, opened)


def kpi_verdict(case: Case, r: kpi.ResolvedKpi, inputs: str, measured: Measured) -> Verdict:
    """The verdict on what was measured of a KPI."""
    cells = measured.differences
    if not cells.failed:
        nothing = "no cell of a closed period" if cells.open else "no rows on either side, so no cell to compare"
        summary = f"{counted(cells.checked, 'cell')} equal{remarks(r.spec, ' ')}" if cells.checked else nothing
        outcome = Outcome.PASS
    else:
        outcome = Outcome.WARN if r.spec.warn_only else Outcome.FAIL
        first = cells.findings[0]
        missed = f", {cells.hidden} of them in rows that a plain sum would have missed" if cells.hidden else ""
        held = (
            f"{counted(measured.aside, 'row')} of {r.plan.name} {'is' if measured.aside == 1 else 'are'} in quarantine"
        )
        aside = f"; {held}" if measured.aside else ""
        origin = _TEXTS if r.hand and measured.leg == "source-landing" else _ORIGINS.get(measured.leg, "")
        summary = f"{cells.failed} of {counted(cells.checked, 'cell')} differ{missed}{origin}{aside}{remarks(r.spec, '; ')}; {place(first)}: {first.message}"
    verdict = case.verdict(
        "kpi",
        r.spec.name,
        inputs,
        outcome,
        summary + _open(cells),
        checked=cells.checked,
        failed=cells.failed,
        findings=cells.findings,
        files=measured.files,
    )
    opened = {grain.value: measured.opened[grain] for grain in r.spec.grains if grain in measured.opened}
    return replace(verdict, open=cells.open, open_failed=cells.open_failed, open_from=opened)


def _open(cells: Differences) -> str:
    """What is told of cells whose periods may still change."""
    if not cells.open:
        return ""
    differ = f", {cells.open_failed} of them differ" if cells.open_failed else ", all equal"
    return f"; {counted(cells.open, 'cell')} of open periods{differ}: they decide nothing"


def remarks(spec: kpi.KpiSpec, before: str = "") -> str:
    """What is special about a figure: not exact, by how much it may differ and who answers for it; SQL by hand. Mostly empty."""
    told = []
    if bound := spec.tolerance:
        told.append(f"within {bound.told}: not exact, tolerated by {bound.owner} ({bound.reason})")
    if spec.sql:
        told.append(
            f"by SQL written by hand (sha256 {digest(spec.sql.source, spec.sql.lake)[:12]}): it is equal as far as both texts say the same"
        )
    return before + "; ".join(told) if told else ""


def judge(
    case: Case, kind: str, subject: str, inputs: str, work: Callable[[], Verdict], secrets: tuple[str, ...]
) -> tuple[Verdict, Exception | None]:
    """The verdict that ``work`` reaches; what kept it from that is handed back beside an ``error``."""
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks are still made and it is recorded
        return unmeasured(case, kind, subject, inputs, error, secrets), error


def unmeasured(case: Case, kind: str, subject: str, inputs: str, error: Exception, secrets: tuple[str, ...]) -> Verdict:
    """A verdict ``error``: what kept a check from being made, without keys."""
    what = redact(error.what if isinstance(error, LakewardError) else f"{type(error).__name__}: {error}", secrets)
    return case.verdict(kind, subject, inputs, Outcome.ERROR, f"could not be measured: {what}")


def place(finding: Finding) -> str:
    """A finding's cell in words: ``month 2025-03-01, status paid``."""
    period = "rows without a date" if finding.period is None else finding.period
    when = "total" if finding.grain == "total" else f"{finding.grain} {period}"
    return ", ".join([when, *(f"{d} {'null' if v is None else repr(v)}" for d, v in finding.dimensions.items())])
