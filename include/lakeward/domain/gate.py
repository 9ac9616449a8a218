"""The gate: whether the evidence is complete and good, and the hash that an approval binds to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from lakeward.domain.accepted import Explanations, id_of, place_of
from lakeward.domain.decision import Decision, GateDecision, Reason, Streak
from lakeward.domain.evidence import Evidence, Outcome, Verdict
from lakeward.domain.identity import digest
from lakeward.domain.stored import to_json
from lakeward.domain.voiding import voided_by_rule, why_void
from lakeward.spec.models import GateSpec


@dataclass(frozen=True, slots=True)
class Check:
    """A verdict that must be there, and its basis. ``subject`` or ``inputs_hash`` empty: any of that kind will do."""

    group: str
    kind: str
    subject: str = ""
    inputs_hash: str = ""
    basis: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return " ".join(part for part in (self.group, self.kind, self.subject) if part)


def canonical(evidence: Evidence) -> bytes:
    """Evidence as JSON, the same bytes in whatever order it was collected."""
    ordered = Evidence(
        migration=evidence.migration,
        run_key=evidence.run_key,
        file_hash=evidence.file_hash,
        version=evidence.version,
        cuts=dict(sorted(evidence.cuts.items())),
        tables={group: dict(sorted(tables.items())) for group, tables in sorted(evidence.tables.items())},
        rows={group: dict(sorted(tables.items())) for group, tables in sorted(evidence.rows.items())},
        verdicts=tuple(sorted(evidence.verdicts, key=to_json)),
        chain=evidence.chain,
        accepted=tuple(sorted(evidence.accepted, key=id_of)),
    )
    return to_json(ordered)


def evidence_hash(evidence: Evidence) -> str:
    """What an approval binds to, 64 hex digits; any change of the evidence changes it, its order does not."""
    return digest("evidence", canonical(evidence))


@dataclass(frozen=True, slots=True)
class Past:
    """What verdicts there were, and since when they may be void: when groups were published, and when the run was planned."""

    verdicts: tuple[Verdict, ...] = ()
    published: Mapping[str, datetime] = field(default_factory=dict)
    planned: datetime | None = None


def decide(
    evidence: Evidence,
    spec: GateSpec,
    expected: Sequence[Check],
    against: Sequence[Reason] = (),
    explained: Explanations = MappingProxyType({}),
    *,
    past: Past = Past(),
    streaks: Sequence[Streak] = (),
    cut_over: bool = False,
    aside: Sequence[str] = (),
) -> GateDecision:
    """Whether a person may be asked. Every reason why not is named, not only the first.

    :param against: what chain, snapshots and looks at the lake have against this evidence.
    :param explained: what is accepted of the failed verdicts; one of which all is accepted warns.
    :param past: verdicts of before, to tell why one is void.
    :param streaks: progress over closed periods.
    :param aside: quarantined rows in words.
    :param cut_over: readers use the lake already, and there is a way back: then a proven difference means to go it.
    """
    quarantined = sum(aside for tables in evidence.rows.values() for _, _, aside in tables.values())
    reasons = [*_gaps(evidence), *_lost_rows(evidence), *_missing(evidence, expected, past), *against]
    warnings: list[str] = []
    holding = {Outcome.FAIL, Outcome.ERROR, *([Outcome.WARN] if spec.warnings == "hold" else [])}
    for verdict in sorted(evidence.verdicts, key=place_of):
        told = f"{verdict.group}: {verdict.kind} {verdict.subject}: {verdict.outcome.value}: {verdict.summary}"
        known = explained.get(place_of(verdict)) if verdict.outcome is Outcome.FAIL else None
        told += f"; {known.told()}" if known and known.told() else ""
        if verdict.outcome in holding and not (known and known.settled):
            reasons.append(_against(verdict, told))
        elif verdict.outcome is not Outcome.PASS:
            warnings.append(told)
    reasons += [_short(one) for one in streaks if one.passed < one.wanted]
    if quarantined:
        told = f"{quarantined} rows are quarantined"
        named = f" ({'; '.join(aside)})" if aside else ""
        if spec.quarantine == "hold":
            told = f"{told}, and the migration file holds the gate until a cut has none{named}"
            reasons.append(Reason(told, todo=_ASIDE))
        else:
            warnings.append(f"{told}; the cutover needs a named acceptance{named}")
    return GateDecision(
        _decision(reasons, cut_over=cut_over),
        tuple(reasons),
        tuple(warnings),
        evidence_hash(evidence),
        quarantined,
        tuple(streaks),
    )


_MEND = "`lakeward parity FILE --at cut --drill` names the rows: mend the cause, then start a new run."
_ASIDE = "Mend these rows at the source, then start a new run; `lakeward status FILE` shows them with their raw text."
_FINISH = "Finish the steps of this run, or start a new one."
_MEASURE = "Clear the compare step of this run, or start a new run."


def _decision(reasons: Sequence[Reason], *, cut_over: bool) -> Decision:
    if not reasons:
        return Decision.READY
    return Decision.ROLL_BACK if cut_over and any(reason.proven for reason in reasons) else Decision.HOLD


def _against(verdict: Verdict, told: str) -> Reason:
    first = next((f for f in verdict.findings if not f.open), None)
    return Reason(
        told,
        verdict.group,
        verdict.kind,
        verdict.subject,
        first.grain if first else "",
        (first.period or "") if first else "",
        verdict.decided_at,
        _MEASURE if verdict.outcome is Outcome.ERROR else _MEND,
        proven=verdict.outcome is not Outcome.ERROR,
    )


def _short(one: Streak) -> Reason:
    todo = "Mend what differs and measure again, or wait until so many periods are closed and measured."
    return Reason(str(one), one.group, "kpi", one.kpi, one.grain, one.latest, todo=todo)


def changes(approved: Evidence, now: Evidence) -> tuple[str, ...]:
    """What differs between two pieces of evidence, in words."""
    found = [
        f"{name} was {before!r} and is {after!r}"
        for name, before, after in (
            ("the run", approved.run_key, now.run_key),
            ("the migration file's hash", approved.file_hash, now.file_hash),
            ("lakeward's version", approved.version, now.version),
            ("the chain of records", approved.chain, now.chain),
        )
        if before != after
    ]
    for name, before, after in (
        ("cut of {}", approved.cuts, now.cuts),
        ("snapshot of {}", _flat(approved.tables), _flat(now.tables)),
        ("rows (read, landed, quarantined) of {}", _flat(approved.rows), _flat(now.rows)),
        ("verdict {}", _by_place(approved.verdicts), _by_place(now.verdicts)),
        ("acceptance {}", {id_of(a): a.reason for a in approved.accepted}, {id_of(a): a.reason for a in now.accepted}),
    ):
        keys = sorted({*before, *after})
        found += [
            f"{name.format(key)} was {_text(before.get(key))} and is {_text(after.get(key))}"
            for key in keys
            if before.get(key) != after.get(key)
        ]
    return tuple(found)


def _gaps(evidence: Evidence) -> Iterator[Reason]:
    """Groups that some part of the evidence does not know."""
    if not evidence.cuts:
        yield Reason("there is no cut", todo=_FINISH)
    for group in sorted(evidence.cuts):
        if not evidence.tables.get(group):
            yield Reason(f"{group}: no snapshot is pinned", group, todo=_FINISH)
        if not evidence.rows.get(group):
            yield Reason(f"{group}: no rows are accounted for", group, todo=_FINISH)
    for name, part in (("snapshots", evidence.tables), ("rows", evidence.rows)):
        for group in sorted(set(part) - set(evidence.cuts)):
            yield Reason(f"{group}: there are {name} but no cut", group, todo=_FINISH)


def _lost_rows(evidence: Evidence) -> Iterator[Reason]:
    for group, tables in sorted(evidence.rows.items()):
        for table, (read, landed, aside) in sorted(tables.items()):
            if read != landed + aside:
                told = f"{group}: {table}: {read} rows were read, but {landed} landed and {aside} were quarantined"
                yield Reason(told, group, "counts", table, todo=_MEND, proven=True)


def _missing(evidence: Evidence, expected: Sequence[Check], past: Past) -> Iterator[Reason]:
    groups = {check.group for check in expected}
    for group in sorted(set(evidence.cuts) - groups):
        todo = "Declare a KPI over one of its tables, then start a new run."
        yield Reason(f"{group}: nothing is expected of it, so that nothing is proved", group, todo=todo)
    for check in expected:
        found = [v for v in evidence.verdicts if _answers(v, check)]
        if not found:
            yield _wanting(check, "there is no verdict", past)
        elif not any(v.cut_id == evidence.cuts.get(check.group) for v in found):
            yield _wanting(check, "there is no verdict on this cut", past)
        elif check.inputs_hash and not any(v.inputs_hash == check.inputs_hash for v in found):
            yield _wanting(check, "the verdict is on other inputs than these snapshots and figures", past)


def _wanting(check: Check, what: str, past: Past) -> Reason:
    """A verdict that is not there; when there was one, why it is void and since when."""
    newest = next((v for v in reversed(past.verdicts) if _answers(v, check) and v.outcome is not Outcome.ERROR), None)
    if newest is None or not (void := tuple(why_void(newest.basis, check.basis))):
        return Reason(f"{check}: {what}", check.group, check.kind, check.subject, todo=_MEASURE)
    rule = voided_by_rule(newest.basis, check.basis)
    since = past.planned if rule else past.published.get(check.group)
    told = f"{check}: {what}; that of {newest.decided_at:%Y-%m-%d %H:%M:%SZ} is void: {'; '.join(void)}"
    return Reason(told, check.group, check.kind, check.subject, since=since, todo=_MEASURE)


def _answers(verdict: Verdict, check: Check) -> bool:
    return (
        verdict.group == check.group
        and verdict.kind == check.kind
        and (not check.subject or verdict.subject == check.subject)
    )


def _flat(parts: dict[str, dict[str, int]] | dict[str, dict[str, tuple[int, int, int]]]) -> dict[str, object]:
    return {f"{group}.{table}": value for group, tables in parts.items() for table, value in tables.items()}


def _by_place(verdicts: Iterable[Verdict]) -> dict[str, object]:
    return {" ".join(place_of(v)): v for v in verdicts}


def _text(value: object) -> str:
    if isinstance(value, Verdict):
        return f"{value.outcome.value} ({value.summary}; decided {value.decided_at:%Y-%m-%d %H:%M:%S}, hash {digest(to_json(value))[:12]})"
    return "not there" if value is None else str(value)
