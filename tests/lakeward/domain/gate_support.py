"""Evidence of two groups that nothing speaks against."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from lakeward.domain.evidence import Evidence, Finding, Outcome, Verdict
from lakeward.domain.file_facts import FileFact
from lakeward.domain.gate import Check
from lakeward.spec.models import GateSpec

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SHOW = GateSpec()


def verdict(group: str, kind: str, subject: str, outcome: Outcome = Outcome.PASS) -> Verdict:
    return Verdict(
        kind=kind,
        subject=subject,
        migration="retail",
        group=group,
        cut_id=f"cut-{group}",
        outcome=outcome,
        inputs_hash=f"{group}{kind}{subject}",
        summary="all equal",
        checked=10,
        failed=0,
        decided_at=AT,
        findings=(Finding(subject, "source-lake", expected="1.00", found="1.00"),),
        files=(FileFact("s3://x/y", 1, 2, "abc"),),
    )


def evidence(kpis: int = 2) -> Evidence:
    groups = ("sales", "stock")
    return Evidence(
        migration="retail",
        run_key="run",
        file_hash="f",
        version="0.1.0",
        cuts={g: f"cut-{g}" for g in groups},
        tables={g: {f"lake.{g}": 7, f"lake.{g}_lines": 8} for g in groups},
        rows={g: {g: (10, 10, 0), f"{g}_lines": (30, 30, 0)} for g in groups},
        verdicts=tuple(
            verdict(g, kind, subject)
            for g in groups
            for kind, subject in [
                ("records", "records"),
                ("counts", "rows"),
                *[("kpi", f"{g}_{n}") for n in range(kpis)],
            ]
        ),
    )


def expected(of: Evidence) -> list[Check]:
    return [Check(v.group, v.kind, v.subject, v.inputs_hash) for v in of.verdicts]


def with_verdict(of: Evidence, number: int, to: Verdict) -> Evidence:
    return replace(of, verdicts=(*of.verdicts[:number], to, *of.verdicts[number + 1 :]))
