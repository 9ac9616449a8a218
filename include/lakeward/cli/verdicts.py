"""Verdicts and what they found, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from lakeward.cli.console import say, table
from lakeward.domain.words import spelled

if TYPE_CHECKING:
    from lakeward.domain.accepted import Explanations
    from lakeward.domain.evidence import Finding, Verdict

_SHOWN = 20


def show_verdicts(verdicts: Sequence[Verdict]) -> None:
    """The verdicts as a table, then the first differences of each."""
    rows = [
        (v.group, v.kind, v.subject, str(v.outcome), f"{v.checked:,}", f"{v.failed:,}", v.summary) for v in verdicts
    ]
    table(("group", "kind", "subject", "verdict", "checked", "differ", ""), rows, right=("checked", "differ"))
    for verdict in verdicts:
        figures = [f for f in verdict.findings if not (f.key or f.values)]
        if figures:
            say()
            show_findings(f"{verdict.subject} of {verdict.group}", figures, verdict.failed)


def show_findings(title: str, findings: Sequence[Finding], failed: int) -> None:
    """The first differences, with both figures."""
    rows = [
        (f.grain or "total", f.period or "", dimensions(f.dimensions.items()), *_sides(f), f.leg, f.message)
        for f in findings[:_SHOWN]
    ]
    columns = ("grain", "period", "of", "source", "lake", "leg", "")
    table(columns, rows, right=("source", "lake"), title=f"{title}: {failed:,} differ")


def show_rows(verdict: Verdict, findings: Sequence[Finding]) -> None:
    """The first rows that differ, with both values."""
    rows = [f for f in findings if f.key or f.values]
    if not rows:
        return
    say()
    show_differing(f"{verdict.subject} of {verdict.group}", rows)


def show_differing(title: str, rows: Sequence[Finding]) -> None:
    """Rows that differ, with both values."""
    shown = [
        (f.named_key, f.kind, f.column, *_sides(f), f.period or "", ", ".join(f.kpis), _lost(f)) for f in rows[:_SHOWN]
    ]
    columns = ("key", "is", "column", "source", "lake", "day", "figures", "values")
    table(columns, shown, title=f"{title}: {len(rows):,} rows and values differ")


def show_accepted(known: Explanations) -> None:
    """What is accepted of the differences, by whom, and what has expired."""
    for (group, kind, subject), explained in known.items():
        if told := explained.told():
            say(f"{group}: {kind} {subject}: {told}")


def verdict_json(verdict: Verdict, known: Explanations = MappingProxyType({})) -> dict[str, object]:
    """A verdict, its findings aside; ``accepted`` counts differences by the acceptance that covers them."""
    from lakeward.domain.accepted import id_of, place_of

    explained = known.get(place_of(verdict))
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
        "accepted": {id_of(one): count for one, count in explained.accepted} if explained else {},
        "expired": {id_of(one): count for one, count in explained.expired} if explained else {},
        "open": verdict.open,
        "open_failed": verdict.open_failed,
        "open_from": verdict.open_from,
        "basis": verdict.basis,
        "decided_at": verdict.decided_at.isoformat(),
        "inputs_hash": verdict.inputs_hash,
        "files": [f.url for f in verdict.files],
    }


def finding_json(verdict: Verdict, finding: Finding, known: Explanations = MappingProxyType({})) -> dict[str, object]:
    """A difference; figures and values are exact text, null where there are none."""
    from lakeward.domain.accepted import place_of

    explained = known.get(place_of(verdict))
    row = bool(finding.key or finding.values)
    own = verdict.subject if verdict.kind == "kpi" else next(iter(finding.kpis), None)
    return {
        "table": finding.table or None,
        "key": list(finding.key),
        "column": finding.column or None,
        "class": finding.kind or verdict.kind,
        "source": finding.expected,
        "target": finding.found,
        "period": finding.period,
        "kpi": own,
        "group": verdict.group,
        "kind": verdict.kind,
        "subject": finding.subject,
        "leg": finding.leg,
        "grain": ("day" if finding.period else None) if row else finding.grain,
        "dimensions": finding.dimensions,
        "kpis": list(finding.kpis),
        "types": list(finding.types),
        "values": finding.values,
        "times": finding.times,
        "open": finding.open,
        "message": finding.message,
        "accepted": explained.names(finding) if explained else None,
    }


def dimensions(named: Iterable[tuple[str, str | None]]) -> str:
    """Names and values, told apart: null, empty, blanks."""
    return ", ".join(f"{name}={spelled(value)}" for name, value in named)


def _sides(finding: Finding) -> tuple[str, str]:
    """Both values of a column, where null is one; both figures, or nothing of a row that one side lacks."""
    absent = "null" if finding.column else "" if finding.values else "-"
    return spelled(finding.expected, absent), spelled(finding.found, absent)


def _lost(finding: Finding) -> str:
    """The values of a row that one side lacks."""
    if finding.column:
        return ""
    found = dimensions(finding.values.items())
    return f"{found} ({finding.times} times)" if finding.times > 1 else found
