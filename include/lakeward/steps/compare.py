"""Prove that the lake gives the figures that the source gives: verdicts of kind ``kpi`` and ``counts``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from lakeward.domain import kpi
from lakeward.domain.evidence import Pointer, Verdict
from lakeward.domain.facts import GroupPlan, Manifest, Plan, Staged
from lakeward.domain.identity import digest, evidence_prefix, verdict_key
from lakeward.errors import DataError, LakeError, LakewardError, SourceError
from lakeward.ports import CutReader, Ports, Progress, silent
from lakeward.reader import resolve
from lakeward.steps.artifacts import read_manifest, read_staged
from lakeward.steps.chain import keep_look, keep_verdict, standing_verdict
from lakeward.steps.counts import count_rows, counts_inputs
from lakeward.steps.extract import kpis_of, write_figures
from lakeward.steps.figures import landed_files, source_figures
from lakeward.steps.measure import Case, Measured, judge, measure, pinned_files, unmeasured

RULE_VERSION = "1"
"""Grows when figures are reckoned or compared otherwise: then everything is measured anew."""

_Failures = list[tuple[Verdict, Exception]]


def compare(
    plan: Plan, group_name: str, ports: Ports, at: datetime, progress: Progress = silent
) -> tuple[Verdict, ...]:
    """Compare every KPI of a group at its cut, then its counts; what was reached for the same inputs is not measured again.

    Verdicts are stored before anything is raised; those that fail are returned.
    :raises LakeError: the group is not published at this cut.
    :raises LakewardError: a KPI could not be measured; all others have been tried and recorded.
    """
    group = plan.group(group_name)
    manifest = read_manifest(ports.store, plan, group)
    pointer = resolve(ports.store, plan.migration.migration, group.name)
    if pointer.cut_id != group.cut_id:
        raise LakeError(
            f"Group {group.name} is published at cut {pointer.cut_id}; this run's cut is {group.cut_id}.",
            todo="Compare in the run whose cut is published, or publish this one again.",
        )
    case = Case(plan.migration.migration, group.name, group.cut_id, at)
    resolved = [kpi.resolve(k, group, plan.migration.calendar) for k in kpis_of(plan, group)]
    staged = read_staged(ports.store, plan, group)
    verdicts: list[Verdict] = []
    failures: _Failures = []
    for n, r in enumerate(resolved):
        progress(f"compare {r.spec.name}", n, len(resolved) + 1)
        verdicts.append(_at_cut(case, ports, manifest, staged, r, pointer, failures))
    progress("compare counts", len(resolved), len(resolved) + 1)
    verdicts.append(_counts(case, group, ports, manifest, staged, pointer, failures))
    progress("compare", len(resolved) + 1, len(resolved) + 1)
    _raise_first(group, failures)
    return tuple(verdicts)


def compare_now(
    plan: Plan,
    ports: Ports,
    at: datetime,
    *,
    groups: Collection[str] = (),
    kpis: Collection[str] = (),
    since: date | None = None,
    progress: Progress = silent,
) -> tuple[Verdict, ...]:
    """Compare the source as it is now with what readers of the lake see now; each group at one instant of the source.

    Figures are kept below the evidence; the ledger is not written, since gates use the cut.
    :param groups: names of groups, default all. :param kpis: names of KPIs, default all.
    :param since: only periods that begin on this day or later.
    :raises LakeError: a group was never published.
    :raises LakewardError: a KPI could not be measured; all others of its group have been tried.
    """
    verdicts: list[Verdict] = []
    for group in plan.groups:
        wanted = [k for k in kpis_of(plan, group) if not kpis or k.name in kpis]
        if (groups and group.name not in groups) or not wanted:
            continue
        pointer = resolve(ports.store, plan.migration.migration, group.name)
        case = Case(plan.migration.migration, group.name, pointer.cut_id, at)
        resolved = [kpi.resolve(k, group, plan.migration.calendar) for k in wanted]
        failures: _Failures = []
        with ports.source.cut() as cut:
            for n, r in enumerate(resolved):
                progress(f"compare {r.spec.name}", n, len(resolved))
                verdicts.append(_as_of_now(case, ports, cut, r, pointer, since, failures))
        _raise_first(group, failures)
    return tuple(verdicts)


def kpi_inputs(manifest: Manifest, r: kpi.ResolvedKpi, ports: Ports, pointer: Pointer) -> str:
    """The hash of everything that a KPI's verdict at the cut depends on."""
    figures = next((f.checksum for f in manifest.figures if f.url.endswith(f"/{r.spec.name}.parquet")), "none")
    return digest("kpi", manifest.cut_id, figures, *_subject(r, ports, pointer))


def _subject(r: kpi.ResolvedKpi, ports: Ports, pointer: Pointer) -> tuple[str, ...]:
    table = ports.lake.qualified(r.table.name)
    return RULE_VERSION, r.spec.model_dump_json(), r.calendar.model_dump_json(), table, str(pointer.content.get(table))


def _at_cut(
    case: Case,
    ports: Ports,
    manifest: Manifest,
    staged: Staged,
    r: kpi.ResolvedKpi,
    pointer: Pointer,
    failures: _Failures,
) -> Verdict:
    """The verdict on one KPI at the cut: the one that was reached before, or a new one, stored and recorded."""
    inputs = kpi_inputs(manifest, r, ports, pointer)
    if known := _known(case, ports, "kpi", r.spec.name, inputs):
        return known
    key = verdict_key(case.migration, case.group, case.cut_id, "kpi", r.spec.name, inputs)

    def work() -> Measured:
        taken = source_figures(ports.store, manifest, r)
        lake, landing = pinned_files(ports, r, pointer.tables), landed_files(ports.store, manifest, r.plan)
        aside = staged.table(r.plan.name).quarantined
        return measure(ports, r, taken, lake, key.removesuffix(".json"), landing=landing, aside=aside)

    verdict, error = judge(case, r, inputs, work, _secrets(ports))
    failures += [(verdict, error)] if error else []
    return keep_verdict(ports, verdict)


def _as_of_now(
    case: Case,
    ports: Ports,
    cut: CutReader,
    r: kpi.ResolvedKpi,
    pointer: Pointer,
    since: date | None,
    failures: _Failures,
) -> Verdict:
    inputs = digest("now", case.at.isoformat(), since.isoformat() if since else "", *_subject(r, ports, pointer))
    folder = f"{evidence_prefix(case.migration, case.group, case.cut_id)}/now/{case.at:%Y%m%dT%H%M%S%fZ}"
    stem = f"{folder}/{r.spec.name}"

    def work() -> Measured:
        taken = write_figures(ports, f"{stem}-source.parquet", cut.query(kpi.source_sql(r)))
        return measure(ports, r, taken, pinned_files(ports, r, pointer.tables), stem, since=since)

    verdict, error = judge(case, r, inputs, work, _secrets(ports))
    keep_look(ports, f"{stem}.json", verdict)
    failures += [(verdict, error)] if error else []
    return verdict


def _counts(
    case: Case,
    group: GroupPlan,
    ports: Ports,
    manifest: Manifest,
    staged: Staged,
    pointer: Pointer,
    failures: _Failures,
) -> Verdict:
    inputs = counts_inputs(ports, group, manifest, staged, pointer.content)
    if known := _known(case, ports, "counts", group.name, inputs):
        return known
    try:
        verdict = count_rows(case, group, ports, manifest, staged, pointer)
    except Exception as error:  # noqa: BLE001 - it is recorded, then raised
        verdict = unmeasured(case, "counts", group.name, inputs, error, _secrets(ports))
        failures.append((verdict, error))
    return keep_verdict(ports, verdict)


def _known(case: Case, ports: Ports, kind: str, subject: str, inputs: str) -> Verdict | None:
    """The verdict that was reached for these inputs; its evidence is put back when somebody has deleted it."""
    known = ports.ledger.verdict(case.migration, case.group, kind, subject, inputs)
    return standing_verdict(ports, known, verdict_key(case.migration, case.group, case.cut_id, kind, subject, inputs))


def _secrets(ports: Ports) -> tuple[str, ...]:
    access = ports.store.access
    return access.access_key, access.secret_key, access.session_token


def _raise_first(group: GroupPlan, failures: Sequence[tuple[Verdict, Exception]]) -> None:
    if not failures:
        return
    names = ", ".join(verdict.subject for verdict, _ in failures)
    verdict, first = failures[0]
    kind = next((k for k in (SourceError, LakeError, DataError) if isinstance(first, k)), DataError)
    todo = (
        first.todo if isinstance(first, LakewardError) else "Look at the measure and its columns, then compare again."
    )
    raise kind(f"Group {group.name}: no figures of {names}. {verdict.subject} {verdict.summary}", todo=todo) from first
