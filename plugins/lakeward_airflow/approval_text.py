"""What a signer reads, in Markdown: the same text for the same evidence, so that a stale request is recognised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lakeward.domain.decision import GateDecision
from lakeward.domain.evidence import Evidence, Finding, Outcome, Verdict
from lakeward.domain.words import spelled
from lakeward_airflow.figures import Total
from lakeward_airflow.links import dossier_url, evidence_url, sealed_url

_FINDINGS_SHOWN = 20
_WHAT_FOLLOWS = (
    "Right before the switch the source's figures are taken once more: a source that has changed since the cut, or other "
    "evidence than this, refuses it. Rejecting leaves everything as it is."
)
_SIGNS = {Outcome.PASS: "✅ pass", Outcome.WARN: "⚠️ warn", Outcome.FAIL: "❌ fail", Outcome.ERROR: "❌ error"}


def subject(evidence: Evidence, decision: GateDecision) -> str:
    """One line: what is asked, and on which evidence."""
    extra = [f"{len(decision.warnings)} warnings"] if decision.warnings else []
    extra += [f"{decision.quarantined:,} rows quarantined"] if decision.quarantined else []
    told = f" ({', '.join(extra)})" if extra else ""
    return f"Cut over {evidence.migration}?{told} Evidence {decision.evidence_hash[:12]}"


def body(evidence: Evidence, decision: GateDecision, figures: Sequence[Total]) -> str:
    """Verdicts, figures, counts, quarantine and snapshots of every group, and the hash that an approval binds to."""
    sealed = sealed_url(evidence.migration, decision.evidence_hash)
    return "\n".join(
        [
            f"Decision: **{decision.decision.value}**.",
            f"Run `{evidence.run_key}` of migration **{evidence.migration}**, file `{evidence.file_hash[:12]}`.",
            "",
            "#### Business figures",
            *_table(("Figure", "Measure", "Source", "Lake", "Rows"), _figures(figures)),
            "",
            "#### Verdicts",
            *_table(("Group", "Check", "Subject", "Verdict", "Checked", "Failed", "Found"), _verdicts(evidence)),
            "",
            *_progress(decision),
            *_warnings(evidence, decision),
            "#### Tables",
            *_table(("Group", "Table", "Rows read", "In the lake", "Quarantined", "Snapshot"), _tables(evidence)),
            "",
            "#### Evidence",
            f"- [Dossier]({dossier_url(evidence.migration, evidence.run_key)}): all of it on one page, with plots",
            *(
                f"- [{group}, cut `{cut}`]({evidence_url(evidence.migration, group, cut)})"
                for group, cut in _cuts(evidence)
            ),
            f"- Records: {_cell(decision.signatures)}; bound to record `{evidence.chain}`",
            "",
            f"Approving binds to [evidence hash]({sealed}) `{decision.evidence_hash}`. {_WHAT_FOLLOWS}",
        ]
    )


def _cuts(evidence: Evidence) -> list[tuple[str, str]]:
    return sorted(evidence.cuts.items())


def _figures(figures: Iterable[Total]) -> Iterator[tuple[str, ...]]:
    for f in figures:
        yield f.title, f"`{f.measure}`", f.source, f.lake, f"{f.rows:,}"


def _verdicts(evidence: Evidence) -> Iterator[tuple[str, ...]]:
    for v in sorted(evidence.verdicts, key=lambda v: (v.group, v.kind, v.subject)):
        yield v.group, v.kind, v.subject, _SIGNS[v.outcome], f"{v.checked:,}", f"{v.failed:,}", v.summary


def _tables(evidence: Evidence) -> Iterator[tuple[str, ...]]:
    for group, tables in sorted(evidence.tables.items()):
        counts = evidence.rows.get(group, {})
        for table, snapshot in sorted(tables.items()):
            numbers = counts.get(table)
            rows = tuple(f"{number:,}" for number in numbers) if numbers else ("", "", "")
            yield group, table, *rows, f"`{snapshot}`"


def _progress(decision: GateDecision) -> Iterator[str]:
    """Closed periods in a row that are proved, where the migration file asks for them."""
    if decision.streaks:
        yield "#### Closed periods"
        rows = ((s.group, s.kpi, s.grain, f"{s.passed} of {s.wanted}", s.latest, s.why) for s in decision.streaks)
        yield from _table(("Group", "Figure", "Period", "Proved in a row", "Latest closed", ""), rows)
        yield ""


def _warnings(evidence: Evidence, decision: GateDecision) -> Iterator[str]:
    if decision.warnings:
        yield "#### Warnings"
        yield from (f"- {_cell(warning)}" for warning in decision.warnings)
        yield ""
    found = [(v, finding) for v in evidence.verdicts if v.outcome is not Outcome.PASS for finding in v.findings]
    if found:
        yield "#### Differences"
        shown = (_finding(verdict, finding) for verdict, finding in found[:_FINDINGS_SHOWN])
        yield from _table(("Group", "Subject", "Period", "Dimensions", "Expected", "Found", "Note"), shown)
        if len(found) > _FINDINGS_SHOWN:
            yield f"\n… and {len(found) - _FINDINGS_SHOWN:,} more in the evidence."
        yield ""


def _finding(verdict: Verdict, finding: Finding) -> tuple[str, ...]:
    dimensions = ", ".join(f"{name}={spelled(value)}" for name, value in sorted(finding.dimensions.items()))
    period = f"{finding.grain} {finding.period or ''}".strip()
    return (
        verdict.group,
        finding.subject,
        period,
        dimensions,
        spelled(finding.expected, ""),
        spelled(finding.found, ""),
        finding.message,
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield f"| {' | '.join(_cell(value) for value in row)} |"


def _cell(text: str) -> str:
    """Values come from the data: they must not break the table, nor become links, images or HTML."""
    escaped = "".join(f"\\{c}" if c in "\\|[]<>*_!#" and not text.startswith("`") else c for c in text)
    return " ".join(escaped.split())
