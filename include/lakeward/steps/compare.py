"""Prove that the lake has what the source had at the cut: verdicts of kind ``kpi``, ``rows`` and ``counts``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from lakeward.domain import kpi
from lakeward.domain.evidence import Pointer, Verdict
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, TablePlan
from lakeward.domain.file_facts import Manifest, Staged
from lakeward.domain.identity import verdict_key
from lakeward.domain.voiding import inputs_of
from lakeward.errors import DataError, LakeError, LakewardError, SourceError, SourceLostError
from lakeward.ports import CutReader, Ports, Progress, silent
from lakeward.reader import resolve
from lakeward.steps.artifacts import read_manifest, read_staged
from lakeward.steps.chain import keep_verdict, standing_verdict
from lakeward.steps.counts import count_rows, counts_basis
from lakeward.steps.figures import source_figures
from lakeward.steps.measure import Case, cut_basis, judge, kpi_verdict, lake_inputs, landed_inputs, measure
from lakeward.steps.rows import Proof, prove_cut, proven, rows_basis
from lakeward.steps.zone_rules import check_rules, rules_at_cut

RULE_VERSION = "3"
"""Grows when figures are reckoned or compared otherwise: then everything is measured anew."""

Failures = list[tuple[Verdict, Exception]]


def compare(
    plan: Plan,
    group_name: str,
    ports: Ports,
    at: datetime,
    progress: Progress = silent,
    source: CutReader | None = None,
) -> tuple[Verdict, ...]:
    """Compare every KPI of a group at its cut, the rows of every table, and the counts; what was reached for the same inputs is not measured again.

    Verdicts are stored before anything is raised; those that fail are returned.
    :param source: the cut's snapshot while it is open, to follow differences in, where no rows were landed.
    :raises LakeError: the group is not published at this cut.
    :raises LakewardError: a KPI could not be measured; all others have been tried and recorded.
    """
    group = plan.group(group_name)
    manifest = read_manifest(ports.store, plan, group)
    pointer = resolve(ports.store, plan.migration.migration, group.name)
    if not pointer.shows(group.cut_id):
        raise LakeError(
            f"Group {group.name} is published at cut {pointer.cut_id}; this run's cut is {group.cut_id}.",
            todo="Compare in the run whose cut is published, or publish this one again.",
        )
    pointer = pointer.at(group.cut_id)
    case = Case(plan.migration.migration, group.name, group.cut_id, at)
    resolved = kpi.resolve_all(plan, group)
    staged = read_staged(ports.store, plan, group)
    verdicts: list[Verdict] = []
    failures: Failures = []
    proof = Proof(plan, group, ports, pointer, source)
    tables = list(proven(group))
    total = len(resolved) + len(tables) + 1
    for n, r in enumerate(resolved):
        progress(f"compare {r.spec.name}", n, total)
        verdicts.append(_at_cut(case, ports, group, manifest, staged, r, pointer, failures))
    for n, (table, lake) in enumerate(tables, len(resolved)):
        progress(f"compare rows of {lake.name}", n, total)
        verdicts.append(_rows_at_cut(case, proof, table, lake, manifest, staged, failures))
    progress("compare counts", total - 1, total)
    basis = counts_basis(ports, group, manifest, staged, pointer.content)

    def count(_: str, inputs: str) -> Verdict:
        return count_rows(case, group, ports, manifest, staged, pointer, inputs)

    verdicts.append(_once(case, ports, "counts", group.name, basis, count, failures))
    progress("compare", total, total)
    raise_first(group, failures)
    return tuple(verdicts)


def kpi_basis(manifest: Manifest, r: kpi.ResolvedKpi, ports: Ports, pointer: Pointer) -> dict[str, str]:
    """Everything that a KPI's verdict at the cut depends on."""
    figures = next((f.checksum for f in manifest.figures if f.url.endswith(f"/figures/{r.spec.name}.parquet")), "none")
    return {**cut_basis(manifest), "figures": figures} | kpi_subject(r, ports, pointer)


def kpi_subject(r: kpi.ResolvedKpi, ports: Ports, pointer: Pointer) -> dict[str, str]:
    """What a KPI's figures depend on, beside the source."""
    names = [ports.lake.qualified(table.name) for _, table in r.tables]
    return {
        "rule": RULE_VERSION,
        "kpi": r.spec.model_dump_json(),
        "calendar": r.calendar.model_dump_json(),
        "table": ", ".join(names),
        "snapshot": ", ".join(str(pointer.content.get(name)) for name in names),
    }


def _at_cut(
    case: Case,
    ports: Ports,
    group: GroupPlan,
    manifest: Manifest,
    staged: Staged,
    r: kpi.ResolvedKpi,
    pointer: Pointer,
    failures: Failures,
) -> Verdict:
    """The verdict on one KPI at the cut."""
    basis = kpi_basis(manifest, r, ports, pointer)

    def work(stem: str, inputs: str) -> Verdict:
        taken = source_figures(ports.store, manifest, r)
        lake = lake_inputs(ports, r, pointer.tables, group)
        landing = None if manifest.figures_only else landed_inputs(ports, r, manifest)
        aside = staged.table(r.plan.name).quarantined
        measured = measure(ports, r, taken, lake, stem, landing=landing, aside=aside, at=manifest.taken_at)
        check_rules(ports, r, measured.differences, lambda: rules_at_cut(ports, manifest))
        return kpi_verdict(case, r, inputs, measured)

    return _once(case, ports, "kpi", r.spec.name, basis, work, failures)


def _rows_at_cut(
    case: Case,
    proof: Proof,
    table: TablePlan,
    lake: LakeTable,
    manifest: Manifest,
    staged: Staged,
    failures: Failures,
) -> Verdict:
    """The verdict on the rows of one table at the cut."""
    basis = rows_basis(manifest, staged, lake, proof.ports, proof.pointer)

    def work(stem: str, inputs: str) -> Verdict:
        return prove_cut(proof, case, table, lake, manifest, staged, stem, inputs)

    return _once(case, proof.ports, "rows", lake.name, basis, work, failures)


def _once(
    case: Case,
    ports: Ports,
    kind: str,
    subject: str,
    basis: dict[str, str],
    work: Callable[[str, str], Verdict],
    failures: Failures,
) -> Verdict:
    """The verdict that was reached before on this basis, or a new one, stored and recorded.

    :param work: takes what its keys begin with, and the hash of the basis.
    """
    inputs = inputs_of(kind, basis)
    if known := _known(case, ports, kind, subject, inputs):
        return known
    key = verdict_key(case.migration, case.group, case.cut_id, kind, subject, inputs)
    verdict, error = judge(
        case, kind, subject, inputs, lambda: work(key.removesuffix(".json"), inputs), secrets_of(ports)
    )
    failures += [(verdict, error)] if error else []
    return keep_verdict(ports, replace(verdict, basis=basis))


def _known(case: Case, ports: Ports, kind: str, subject: str, inputs: str) -> Verdict | None:
    """The verdict that was reached for these inputs; its evidence is put back when somebody has deleted it."""
    known = ports.ledger.verdict(case.migration, case.group, kind, subject, inputs)
    return standing_verdict(ports, known, verdict_key(case.migration, case.group, case.cut_id, kind, subject, inputs))


def secrets_of(ports: Ports) -> tuple[str, ...]:
    """What no message may hold."""
    access = ports.store.access
    return access.access_key, access.secret_key, access.session_token


def raise_first(group: GroupPlan, failures: Sequence[tuple[Verdict, Exception]]) -> None:
    """Raise for the first check that could not be made, naming all of them."""
    if not failures:
        return
    names = ", ".join(verdict.subject for verdict, _ in failures)
    verdict, first = failures[0]
    kind = next((k for k in (SourceLostError, SourceError, LakeError, DataError) if isinstance(first, k)), DataError)
    todo = (
        first.todo if isinstance(first, LakewardError) else "Look at the measure and its columns, then compare again."
    )
    raise kind(f"Group {group.name}: no figures of {names}. {verdict.subject} {verdict.summary}", todo=todo) from first
