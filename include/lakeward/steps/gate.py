"""Collect the evidence of a run from where it is true, and put it to the gate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

from lakeward.domain import kpi
from lakeward.domain.chain import Chain, Entry, told
from lakeward.domain.decision import GateDecision, Reason, Streak
from lakeward.domain.evidence import Evidence, Pointer, Verdict
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.gate import Check, Past, canonical, decide
from lakeward.domain.identity import evidence_prefix, manifest_key, plan_key, sealed_key, staged_key
from lakeward.domain.stored import from_json
from lakeward.domain.voiding import Basis, inputs_of
from lakeward.errors import GateError
from lakeward.ports import ObjectStore, Ports
from lakeward.steps.accept import demanded, explain, relevant, standing
from lakeward.steps.artifacts import read_manifest, read_staged
from lakeward.steps.chain import chain_of, keep, objections, records_of, verdict_in
from lakeward.steps.compare import kpi_basis
from lakeward.steps.counts import counts_basis
from lakeward.steps.meter import sla_reasons
from lakeward.steps.publish import find_pointer
from lakeward.steps.rows import proven, rows_basis
from lakeward.steps.standing import CUT_OVER, begun_repair, broken_snapshots, looks, streaks_of
from lakeward.steps.stock import quarantined_rows, tell_decision

KINDS = ("counts", "kpi", "records", "rows")
"""Verdicts that the gate looks at; figures of ``now`` are not among them."""

RECORDS = "rules"
NAMED = 5
"""Reasons of quarantined rows that the gate names."""
_VERIFY = "`lakeward evidence verify` names every object that is not what was written: docs/evidence.md."


def evaluate(plan: Plan, ports: Ports, at: datetime | None = None) -> GateDecision:
    """Whether a person may be asked. The evidence of an open gate is kept whole, so that its hash can be taken again.

    :param at: the instant at which acceptances must hold; without it none does.
    :raises GateError: a group is not published at this run's cut.
    """
    evidence = collect_evidence(plan, ports)
    decision = judge(plan, ports, evidence, at)
    if decision.open:
        keep_sealed(plan, ports, evidence, decision.evidence_hash)
    if at:
        tell_decision(plan, ports, evidence, decision, at)
    return decision


def judge(plan: Plan, ports: Ports, evidence: Evidence, at: datetime | None = None) -> GateDecision:
    """Put evidence to the gate; writes nothing.

    :param at: the instant at which acceptances must hold; without it none does.
    """
    spec, chain = plan.migration.gate, chain_of(ports.store, plan.migration.migration, ports.signer)
    checks = expected_checks(plan, ports)
    pointers = {group.name: _shown(plan, group, ports) for group in plan.groups}
    against = [
        Reason(what, kind="evidence", todo=_VERIFY) for what in objections(ports, chain, evidence, signed=spec.signed)
    ]
    against += sla_reasons(plan, ports, at) if at else ()
    known = explain(plan, evidence.verdicts, evidence.accepted, ports, at) if at else {}
    streaks: list[Streak] = []
    for group in plan.groups:
        against += broken_snapshots(group, pointers[group.name], ports)
        against += begun_repair(group, pointers[group.name], ports)
        if pointers[group.name].state in CUT_OVER:
            against += looks(group, pointers[group.name], ports.store)
        streaks += streaks_of(plan, group, ports, evidence, checks, known)
    moved_at = {name: pointer.moved_at for name, pointer in pointers.items()}
    aside = [one.told for group in plan.groups for one in quarantined_rows(plan, group, ports, evidence)]
    decision = decide(
        evidence,
        spec,
        checks,
        against,
        known,
        past=Past(_verdicts_of(chain), moved_at, plan.planned_at),
        streaks=streaks,
        cut_over=any(pointer.state in CUT_OVER for pointer in pointers.values()),
        aside=[*aside[:NAMED], *([f"{len(aside) - NAMED} more reasons"] if len(aside) > NAMED else [])],
    )
    return replace(decision, signatures=told(records_of(chain, evidence), ports.signer.trusted))


def judge_group(plan: Plan, group: str, ports: Ports, at: datetime) -> GateDecision:
    """The same for one group alone, whose checks are made, while others may be under way."""
    alone = replace(plan, groups=(plan.group(group),))
    evidence = collect_evidence(alone, ports)
    decision = judge(alone, ports, evidence, at)
    tell_decision(alone, ports, evidence, decision, at)
    return decision


def _verdicts_of(chain: Chain) -> tuple[Verdict, ...]:
    """Every verdict on a cut that was ever recorded, oldest first."""
    found = (record for record in chain.records if record.kind == "verdict" and "/now/" not in record.key)
    return tuple(from_json(Verdict, record.content) for record in found)


def keep_sealed(plan: Plan, ports: Ports, evidence: Evidence, evidence_hash: str) -> str:
    """Record and store evidence under its hash, once; its key. The record vouches for plan, manifests and staged lists too."""
    name, key = plan.migration.migration, sealed_key(evidence.migration, evidence_hash)
    rests_on = [plan_key(name, plan.run_key)]
    rests_on += [of(name, group.name, group.cut_id) for group in plan.groups for of in (manifest_key, staged_key)]
    at = max((verdict.decided_at for verdict in evidence.verdicts), default=plan.planned_at)
    content = canonical(evidence).decode()
    keep(ports, Entry(name, "evidence", "sealed", key, content, at, dict.fromkeys(rests_on, "")))
    return key


def collect_evidence(plan: Plan, ports: Ports) -> Evidence:
    """Snapshots from the pointers, rows from manifests and staged files, verdicts from the evidence in the store.

    :raises GateError: a group is not published at this run's cut.
    :raises LakeError: an object of the evidence is not what its key says.
    """
    pointers = {group.name: published(plan, group, ports) for group in plan.groups}
    evidence = Evidence(
        migration=plan.migration.migration,
        run_key=plan.run_key,
        file_hash=plan.file_hash,
        version=plan.version,
        cuts={group.name: group.cut_id for group in plan.groups},
        tables={name: dict(sorted(pointer.content.items())) for name, pointer in pointers.items()},
        rows={group.name: _rows(plan, group, ports) for group in plan.groups},
        verdicts=tuple(v for group in plan.groups for v in _verdicts(plan, group, ports)),
    )
    chain = chain_of(ports.store, plan.migration.migration, ports.signer)
    records = records_of(chain, evidence)
    accepted = relevant(standing(chain, demanded(plan, ports)), evidence.verdicts)
    return replace(evidence, chain=records[-1].place if records else "", accepted=accepted)


def expected_checks(plan: Plan, ports: Ports) -> tuple[Check, ...]:
    """The verdicts that must be there, on exactly these figures, files and snapshots."""
    return tuple(check for group in plan.groups for check in _checks(plan, group, ports))


def published(plan: Plan, group: GroupPlan, ports: Ports) -> Pointer:
    """The group's pointer, at this run's cut; GateError when it is not."""
    return _shown(plan, group, ports).at(group.cut_id)


def _shown(plan: Plan, group: GroupPlan, ports: Ports) -> Pointer:
    """The group's pointer as it is; what is compared may have been seen before."""
    migration = plan.migration.migration
    found = find_pointer(ports.store, plan, group)
    if found is None:
        raise GateError(f"Group {group.name} of {migration} is not published.", todo="Finish the append step.")
    pointer = found[0]
    if not pointer.shows(group.cut_id):
        raise GateError(
            f"Group {group.name} of {migration} is published at cut {pointer.cut_id}, but the cut of run {plan.run_key!r} is "
            f"{group.cut_id}.",
            todo="Use the run whose cut is published, or publish this one again.",
        )
    return pointer


def _rows(plan: Plan, group: GroupPlan, ports: Ports) -> dict[str, tuple[int, int, int]]:
    """Qualified table to rows read from the landing (items, for child tables), landed in the lake, quarantined."""
    landed = {t.table: t.rows for t in read_manifest(ports.store, plan, group).tables}
    staged = read_staged(ports.store, plan, group)
    found = {}
    for table in group.lake_tables:
        taken = staged.table(table.name)
        read = landed.get(table.name, taken.read)
        found[ports.lake.qualified(table.name)] = (read, taken.rows, taken.quarantined)
    return found


def _checks(plan: Plan, group: GroupPlan, ports: Ports) -> Iterator[Check]:
    pointer, manifest = published(plan, group, ports), read_manifest(ports.store, plan, group)
    staged = read_staged(ports.store, plan, group)
    yield Check(group.name, "records", RECORDS)
    yield _check(group, "counts", group.name, counts_basis(ports, group, manifest, staged, pointer.content))
    for r in kpi.resolve_all(plan, group):
        yield _check(group, "kpi", r.spec.name, kpi_basis(manifest, r, ports, pointer))
    for _, lake in proven(group):
        yield _check(group, "rows", lake.name, rows_basis(manifest, staged, lake, ports, pointer))


def _check(group: GroupPlan, kind: str, subject: str, basis: Basis) -> Check:
    return Check(group.name, kind, subject, inputs_of(kind, basis), basis)


def _verdicts(plan: Plan, group: GroupPlan, ports: Ports) -> tuple[Verdict, ...]:
    """The verdict of each kind and subject on the group's cut: that on what is compared now, else the newest."""
    folder = f"{evidence_prefix(plan.migration.migration, group.name, group.cut_id)}/"
    expected = {(check.kind, check.subject): check.inputs_hash for check in _checks(plan, group, ports)}
    found: dict[tuple[str, str], tuple[bool, datetime, Verdict]] = {}
    for key, _ in ports.store.list(folder):
        path = PurePosixPath(key.removeprefix(folder))
        if len(path.parts) != 2 or path.parts[0] not in KINDS or path.suffix != ".json":
            continue
        verdict = read_verdict(ports.store, key)
        place = (verdict.kind, verdict.subject)
        rank = (verdict.inputs_hash == expected.get(place), verdict.decided_at)
        if place not in found or found[place][:2] <= rank:
            found[place] = (*rank, verdict)
    return tuple(found[place][2] for place in sorted(found))


def read_verdict(store: ObjectStore, key: str) -> Verdict:
    """A stored verdict; LakeError when it is unreadable or not the one that its key names."""
    found = store.get(key)
    return verdict_in(store, key, found[0] if found else b"")
