"""What ``lakeward parity --json`` prints: one object with ``verdicts`` and ``findings``; docs/parity.md describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakeward.domain.evidence import Finding, Verdict
from lakeward.domain.kpi_rows import RowDifference

Json = Mapping[str, object]
Drilled = Sequence[tuple[Finding, Sequence[RowDifference]]]


def parity_report(verdicts: Sequence[Verdict], rows: Mapping[str, Drilled] | None = None) -> dict[str, object]:
    """Verdicts and their findings as plain JSON values; figures are decimal text, never numbers.

    :param rows: what drilling found, by KPI; such cells come after the verdict's own findings, with ``rows``.
    """
    findings = [_finding(v, f) for v in verdicts for f in v.findings]
    drilled = [
        _finding(v, f) | {"rows": [_row(d) for d in differences]}
        for v in verdicts
        if v.kind == "kpi"
        for f, differences in (rows or {}).get(v.subject, ())
    ]
    return {"verdicts": [_verdict(v) for v in verdicts], "findings": findings + drilled}


def _verdict(v: Verdict) -> Json:
    return {
        "kind": v.kind,
        "subject": v.subject,
        "group": v.group,
        "cut": v.cut_id,
        "outcome": v.outcome.value,
        "summary": v.summary,
        "checked": v.checked,
        "failed": v.failed,
        "decided_at": v.decided_at.isoformat(),
        "inputs_hash": v.inputs_hash,
        "files": [f.url for f in v.files],
    }


def _finding(v: Verdict, f: Finding) -> dict[str, object]:
    return {
        "kind": v.kind,
        "subject": f.subject,
        "group": v.group,
        "leg": f.leg,
        "grain": f.grain,
        "period": f.period,
        "dimensions": dict(f.dimensions),
        "expected": f.expected,
        "found": f.found,
        "message": f.message,
    }


def _row(d: RowDifference) -> Json:
    return {
        "kind": d.kind,
        "key": dict(d.key),
        "column": d.column or None,
        "expected": d.expected,
        "found": d.found,
        "values": dict(d.values),
        "times": d.times,
    }
