"""The gate: whether the evidence is complete and good, and the hash that an approval binds to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from lakeward.domain.accepted import Explanations, id_of, place_of
from lakeward.domain.evidence import Evidence, GateDecision, Outcome, Verdict
from lakeward.domain.identity import digest
from lakeward.domain.stored import to_json
from lakeward.spec.models import GateSpec


@dataclass(frozen=True, slots=True)
class Check:
    """A verdict that must be there. ``subject`` or ``inputs_hash`` empty: any of that kind will do."""

    group: str
    kind: str
    subject: str = ""
    inputs_hash: str = ""

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


def decide(
    evidence: Evidence,
    spec: GateSpec,
    expected: Sequence[Check],
    against: Sequence[str] = (),
    explained: Explanations = MappingProxyType({}),
) -> GateDecision:
    """Whether a person may be asked. Every reason why not is named, not only the first.

    :param against: what the chain of records has against this evidence.
    :param explained: what is accepted of the failed verdicts; one of which all is accepted warns.
    """
    quarantined = sum(aside for tables in evidence.rows.values() for _, _, aside in tables.values())
    reasons = [*_gaps(evidence), *_lost_rows(evidence), *_missing(evidence, expected), *against]
    warnings: list[str] = []
    for verdict in sorted(evidence.verdicts, key=place_of):
        told = f"{verdict.group}: {verdict.kind} {verdict.subject}: {verdict.outcome.value}: {verdict.summary}"
        known = explained.get(place_of(verdict)) if verdict.outcome is Outcome.FAIL else None
        told += f"; {known.told()}" if known and known.told() else ""
        if verdict.outcome in {Outcome.FAIL, Outcome.ERROR}:
            (warnings if known and known.settled else reasons).append(told)
        elif verdict.outcome is Outcome.WARN:
            (reasons if spec.warnings == "hold" else warnings).append(told)
    if quarantined:
        told = f"{quarantined} rows are quarantined"
        if spec.quarantine == "hold":
            reasons.append(f"{told}, and the migration file holds the gate until a cut has none")
        else:
            warnings.append(f"{told}; the cutover needs a named acceptance")
    return GateDecision(not reasons, tuple(reasons), tuple(warnings), evidence_hash(evidence), quarantined)


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


def _gaps(evidence: Evidence) -> Iterator[str]:
    """Groups that some part of the evidence does not know."""
    if not evidence.cuts:
        yield "there is no cut"
    for group in sorted(evidence.cuts):
        if not evidence.tables.get(group):
            yield f"{group}: no snapshot is pinned"
        if not evidence.rows.get(group):
            yield f"{group}: no rows are accounted for"
    for name, part in (("snapshots", evidence.tables), ("rows", evidence.rows)):
        for group in sorted(set(part) - set(evidence.cuts)):
            yield f"{group}: there are {name} but no cut"


def _lost_rows(evidence: Evidence) -> Iterator[str]:
    for group, tables in sorted(evidence.rows.items()):
        for table, (read, landed, aside) in sorted(tables.items()):
            if read != landed + aside:
                yield f"{group}: {table}: {read} rows were read, but {landed} landed and {aside} were quarantined"


def _missing(evidence: Evidence, expected: Sequence[Check]) -> Iterator[str]:
    groups = {check.group for check in expected}
    for group in sorted(set(evidence.cuts) - groups):
        yield f"{group}: nothing is expected of it, so that nothing is proved"
    for check in expected:
        found = [v for v in evidence.verdicts if _answers(v, check)]
        if not found:
            yield f"{check}: there is no verdict"
        elif not any(v.cut_id == evidence.cuts.get(check.group) for v in found):
            yield f"{check}: there is no verdict on this cut"
        elif check.inputs_hash and not any(v.inputs_hash == check.inputs_hash for v in found):
            yield f"{check}: the verdict is on other inputs than these snapshots and figures"


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
