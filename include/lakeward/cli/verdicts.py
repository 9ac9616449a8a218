"""Verdicts and what they found, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakeward.cli.console import say, table

if TYPE_CHECKING:
    from lakeward.domain.evidence import Finding, Verdict
    from lakeward.domain.kpi_rows import RowDifference
    from lakeward.steps.drill import Drilled

_SHOWN = 20


def show_verdicts(verdicts: Sequence[Verdict]) -> None:
    """The verdicts as a table, then the first differences of each."""
    rows = [
        (v.group, v.kind, v.subject, str(v.outcome), f"{v.checked:,}", f"{v.failed:,}", v.summary) for v in verdicts
    ]
    table(("group", "kind", "subject", "verdict", "checked", "differ", ""), rows, right=("checked", "differ"))
    for verdict in verdicts:
        if verdict.findings:
            say()
            show_findings(f"{verdict.subject} of {verdict.group}", verdict.findings, verdict.failed)


def show_findings(title: str, findings: Sequence[Finding], failed: int) -> None:
    """The first differences, with both figures."""
    rows = [
        (f.grain or "total", f.period or "", _dimensions(f), f.expected or "-", f.found or "-", f.leg, f.message)
        for f in findings[:_SHOWN]
    ]
    columns = ("grain", "period", "of", "source", "lake", "leg", "")
    table(columns, rows, right=("source", "lake"), title=f"{title}: {failed:,} differ")


def show_drilled(verdict: Verdict, drilled: Drilled) -> None:
    """The rows behind the finest cells that differ."""
    for cell, rows in drilled:
        where = " ".join(part for part in (cell.grain, cell.period or "", _dimensions(cell)) if part) or "total"
        title = f"{verdict.subject}, {where}: source {cell.expected or '-'}, lake {cell.found or '-'}"
        shown = [(_pairs(r.key), r.kind, r.column, r.expected or "", r.found or "", _pairs(r.values)) for r in rows]
        say()
        table(("key", "is", "column", "source", "lake", "values"), shown, title=title)


def verdict_json(verdict: Verdict) -> dict[str, object]:
    """A verdict, its findings aside."""
    return {
        "migration": verdict.migration,
        "group": verdict.group,
        "kind": verdict.kind,
        "subject": verdict.subject,
        "cut": verdict.cut_id,
        "outcome": str(verdict.outcome),
        "summary": verdict.summary,
        "checked": verdict.checked,
        "failed": verdict.failed,
        "decided_at": verdict.decided_at.isoformat(),
        "inputs_hash": verdict.inputs_hash,
        "files": [f.url for f in verdict.files],
    }


def finding_json(group: str, finding: Finding, rows: Sequence[RowDifference] = ()) -> dict[str, object]:
    """A difference; figures are exact decimal text. ``rows`` are those behind it, when they were asked for."""
    found: dict[str, object] = {
        "group": group,
        "subject": finding.subject,
        "leg": finding.leg,
        "grain": finding.grain,
        "period": finding.period,
        "dimensions": finding.dimensions,
        "expected": finding.expected,
        "found": finding.found,
        "message": finding.message,
    }
    if rows:
        found["rows"] = [
            {
                "kind": r.kind,
                "key": r.key,
                "column": r.column,
                "expected": r.expected,
                "found": r.found,
                "values": r.values,
                "times": r.times,
            }
            for r in rows
        ]
    return found


def _dimensions(finding: Finding) -> str:
    return ", ".join(f"{name}={'null' if value is None else value}" for name, value in finding.dimensions.items())


def _pairs(values: dict[str, str | None]) -> str:
    return ", ".join(f"{name}={'null' if value is None else value}" for name, value in values.items())
