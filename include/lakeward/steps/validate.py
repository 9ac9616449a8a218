"""Put the record rules to the staged rows of a group, before anybody can read them; keep what was found, then judge."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from lakeward.domain.evidence import Finding, Outcome, Verdict
from lakeward.domain.facts import GroupPlan, LakeTable, Plan
from lakeward.domain.file_facts import FileFact, FileSet, Staged
from lakeward.domain.identity import digest, evidence_prefix, verdict_key
from lakeward.domain.record_report import WORST_FIRST, ReportedRule, ReportedTable, render
from lakeward.domain.rules import all_rules
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import DataError, LakewardError
from lakeward.ports import ObjectStore, Ports, Progress, RuleResult, RuleSet, silent
from lakeward.steps.artifacts import read_staged
from lakeward.steps.chain import keep_verdict, standing_verdict

KIND, SUBJECT = "records", "rules"
_FINDINGS = 100


def validate(plan: Plan, group_name: str, ports: Ports, at: datetime, progress: Progress = silent) -> Verdict:
    """The verdict on a group's staged rows, measured once per rules and files.

    Evidence, report and failing keys are stored first; then DataError when a rule failed, LakewardError when one could not be
    evaluated.
    """
    group = plan.group(group_name)
    return judge_rules(put_rules(plan, group, read_staged(ports.store, plan, group), ports, at, progress))


def put_rules(
    plan: Plan,
    group: GroupPlan,
    staged: Staged,
    ports: Ports,
    at: datetime,
    progress: Progress = silent,
    pins: Mapping[str, int] | None = None,
) -> Verdict:
    """The verdict on these files, whatever it is; stored with its report.

    :param pins: qualified table to the snapshot whose rows are looked at, where the cut staged no files.
    """
    sets = [_rule_set(group, table) for table in group.lake_tables]
    # Of this cut: a round of catch-up that changes nothing has the very files of the cut before.
    parts = (to_json(staged.table(one.table.name)) for one in sets)
    inputs = digest(plan.version, group.cut_id, *map(to_json, sets), *parts)
    key = verdict_key(plan.migration.migration, group.name, group.cut_id, KIND, SUBJECT, inputs)
    known = ports.ledger.verdict(plan.migration.migration, group.name, KIND, SUBJECT, inputs)
    verdict = standing_verdict(ports, known, key)
    if verdict is None:
        files = {one.table.name: _files(one.table, staged, ports, pins) for one in sets}
        verdict = _measure(plan, group, staged, sets, files, inputs, ports, at, progress)
    return verdict


def _rule_set(group: GroupPlan, table: LakeTable) -> RuleSet:
    own = tuple((r.columns, r.to, r.to_columns) for r in group.references if r.table == table.name)
    return RuleSet(table, all_rules(table, group.references), own)


def _files(table: LakeTable, staged: Staged, ports: Ports, pins: Mapping[str, int] | None) -> FileSet:
    if pins is None:
        return ports.lake.staged(table, staged.table(table.name).files)
    return ports.lake.snapshot(table, pins[ports.lake.qualified(table.name)])


def _measure(
    plan: Plan,
    group: GroupPlan,
    staged: Staged,
    sets: Sequence[RuleSet],
    files: Mapping[str, FileSet],
    inputs: str,
    ports: Ports,
    at: datetime,
    progress: Progress,
) -> Verdict:
    migration, store = plan.migration.migration, ports.store
    keep = f"{evidence_prefix(migration, group.name, group.cut_id)}/{KIND}/keys-{inputs[:16]}"
    results = ports.validator.validate(sets, files, store.url(keep), store.access, progress)
    tables = _reported(sets, results, staged)
    verdict = Verdict(
        kind=KIND,
        subject=SUBJECT,
        migration=migration,
        group=group.name,
        cut_id=group.cut_id,
        outcome=_worst([rule.outcome for table in tables for rule in table.rules]),
        inputs_hash=inputs,
        summary=_summary(tables),
        checked=sum(table.rows for table in tables),
        failed=sum(result.failed for result in results if not result.passed),
        decided_at=at,
        findings=tuple(map(_finding, sorted((r for r in results if not r.passed), key=_gravity)))[:_FINDINGS],
        files=tuple(result.keys_file for result in results if result.keys_file),
    )
    key = verdict_key(migration, group.name, group.cut_id, KIND, SUBJECT, inputs)
    page_key = f"{key.removesuffix('.json')}.html"
    page = render(verdict, tables).encode()
    report = FileFact(store.url(page_key), rows=0, bytes=len(page), checksum=hashlib.sha256(page).hexdigest())
    page = _standing_page(store, page_key, page, key)
    report = FileFact(store.url(page_key), rows=0, bytes=len(page), checksum=hashlib.sha256(page).hexdigest())
    return keep_verdict(ports, replace(verdict, files=(report, *verdict.files)))


def _standing_page(store: ObjectStore, page_key: str, page: bytes, verdict: str) -> bytes:
    """The report as it is stored: of whoever was first on these inputs; that of an ``error`` makes way."""
    if store.put_new(page_key, page):
        return page
    found, there = store.get(page_key), store.get(verdict)
    if found and there and from_json(Verdict, there[0], store.url(verdict)).outcome is Outcome.ERROR:
        return page if store.put_if(page_key, page, found[1]) else _standing_page(store, page_key, page, verdict)
    return found[0] if found else page


def _reported(sets: Sequence[RuleSet], results: Sequence[RuleResult], staged: Staged) -> tuple[ReportedTable, ...]:
    left = iter(results)
    tables = []
    for one in sets:
        told = [(rule.why, rule.expect) for rule in one.rules]
        told += [("no orphans", "unexpected_rows_expectation")] * len(one.references)
        rules = tuple(_reported_rule(why, expect, next(left)) for why, expect in told)
        table = staged.table(one.table.name)
        tables.append(ReportedTable(one.table.name, table.rows, table.quarantined, rules))
    return tuple(tables)


def _reported_rule(why: str, expectation: str, result: RuleResult) -> ReportedRule:
    return ReportedRule(
        said=result.rule,
        why=why,
        expectation=expectation,
        outcome=_outcome(result),
        checked=result.checked,
        failed=result.failed,
        keys=result.keys,
        keys_file=result.keys_file.url if result.keys_file else "",
        error=result.error,
    )


def _outcome(result: RuleResult) -> Outcome:
    if result.error:
        return Outcome.ERROR
    if result.passed:
        return Outcome.PASS
    return Outcome.WARN if result.severity == "warn" else Outcome.FAIL


def _gravity(result: RuleResult) -> int:
    return WORST_FIRST.index(_outcome(result))


def _worst(found: Sequence[Outcome]) -> Outcome:
    return next(one for one in WORST_FIRST if one in found or one is Outcome.PASS)


def _summary(tables: Sequence[ReportedTable]) -> str:
    counts = {outcome: sum(table.count(outcome) for table in tables) for outcome in Outcome}
    rows = sum(table.rows for table in tables)
    return (
        f"{sum(counts.values())} rules put to {rows:,} rows of {len(tables)} tables: {counts[Outcome.PASS]} passed, "
        f"{counts[Outcome.FAIL]} failed, {counts[Outcome.WARN]} warned, {counts[Outcome.ERROR]} could not be evaluated."
    )


def _finding(result: RuleResult) -> Finding:
    said = result.error or f"{result.failed:,} of {result.checked:,}: {'; '.join(result.keys)}"
    return Finding(
        subject=result.table,
        leg=KIND,
        dimensions={"outcome": _outcome(result).value},
        expected=result.rule,
        found=None if result.error else str(result.failed),
        message=said,
    )


def judge_rules(verdict: Verdict) -> Verdict:
    """The verdict, if nothing of it keeps rows from being published; DataError or LakewardError else."""
    where = f"group {verdict.group} of {verdict.migration} at cut {verdict.cut_id}"
    report = verdict.files[0].url
    if verdict.outcome is Outcome.FAIL:
        raise DataError(
            f"Record rules failed in {where}: {_told(verdict, Outcome.FAIL)}. Report: {report}",
            todo="Correct these rows at the source, or the rule in the migration file, and start a new run; nothing of this "
            "cut can be read.",
        )
    if verdict.outcome is Outcome.ERROR:
        raise LakewardError(
            f"Record rules could not be evaluated in {where}: {_told(verdict, Outcome.ERROR, Outcome.FAIL)}. Report: {report}",
            todo="Correct the rule in the migration file and start a new run, or try again when the store did not answer.",
        )
    return verdict


def _told(verdict: Verdict, *outcomes: Outcome) -> str:
    """The first rules that ended so, with their first keys."""
    found = [f for outcome in outcomes for f in verdict.findings if f.dimensions.get("outcome") == outcome.value]
    told = [f'{f.subject}: "{f.expected}" ({f.message[:300]})' for f in found[:5]]
    return "; ".join(told) + (f"; and {len(found) - 5} more rules" if len(found) > 5 else "")
