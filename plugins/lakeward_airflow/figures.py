"""The figures behind the verdicts, as they were stored when they were compared."""

from __future__ import annotations

from dataclasses import dataclass

from lakeward.domain import kpi
from lakeward.domain.amount import Amount
from lakeward.domain.evidence import Evidence, Verdict
from lakeward.domain.facts import Plan
from lakeward.domain.file_facts import FileFact
from lakeward.ports import Ports
from lakeward.steps.measure import remarks

_TOTAL = "SELECT * FROM f WHERE grain = 'total' AND dims = ''"


@dataclass(frozen=True, slots=True)
class Total:
    """One business figure over everything: exact text of both sides, and the source's rows that enter it."""

    title: str
    measure: str
    source: str
    lake: str
    rows: int


def totals(plan: Plan, ports: Ports, evidence: Evidence) -> tuple[Total, ...]:
    """The total of every KPI that was measured, in the order of the migration file."""
    measured = {(v.group, v.subject): v for v in evidence.verdicts if v.kind == "kpi" and len(v.files) >= 2}
    return tuple(
        _total(kpi.resolve(spec, group, plan.migration.calendar), verdict, ports)
        for group in plan.groups
        for spec in plan.migration.kpis
        if (verdict := measured.get((group.name, spec.name)))
    )


def _total(resolved: kpi.ResolvedKpi, verdict: Verdict, ports: Ports) -> Total:
    source, lake = (_read(resolved, file, ports) for file in verdict.files[:2])
    spec, function = resolved.spec, resolved.spec.measure.function
    return Total(
        f"{spec.title or spec.name}{remarks(spec, ', ')}",
        str(spec.measure),
        source.shown(function),
        lake.shown(function),
        source.n,
    )


def _read(resolved: kpi.ResolvedKpi, file: FileFact, ports: Ports) -> Amount:
    from lakeward.steps.figures import as_input

    for row in ports.engine.table(_TOTAL, {"f": as_input(ports.store, resolved, file)}).to_pylist():
        return Amount.of(row)
    return Amount(None, 0)
