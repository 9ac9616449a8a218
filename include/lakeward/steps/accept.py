"""Accept differences by name, take that back, and tell what is accepted of a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from lakeward.domain import kpi
from lakeward.domain.acceptance import Acceptance, Difference, Withdrawal
from lakeward.domain.accepted import (
    Explained,
    Explanations,
    id_of,
    in_scope,
    of_cell,
    of_count,
    of_row,
    open_differences,
    place_of,
)
from lakeward.domain.chain import Chain, Entry, Record
from lakeward.domain.evidence import Outcome, Verdict
from lakeward.domain.facts import Plan
from lakeward.domain.file_facts import FileSet
from lakeward.domain.identity import acceptance_key, digest
from lakeward.domain.kpi_compare import deciding_sql, finding
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import LakewardError, SpecError, UnreadableError
from lakeward.ports import Ports
from lakeward.steps.chain import chain_of, keep
from lakeward.steps.drill import resolved_kpi
from lakeward.steps.rows import findings_of

Fact = TypeVar("Fact", Acceptance, Withdrawal)
KIND = "acceptance"
MOST = 1000
"""Differences that one acceptance names; more are no exception."""
LOOKED_AT = 10_000


def differences_of(plan: Plan, verdict: Verdict, ports: Ports) -> tuple[tuple[Difference, ...], bool]:
    """What a failed verdict found, finest cells or rows, and whether that is all of it."""
    if verdict.kind == "rows":
        return tuple(map(of_row, findings_of(ports, verdict))), verdict.whole
    if verdict.kind == "counts":
        return tuple(map(of_count, verdict.findings)), True
    file = verdict.differences_file
    if file is None:
        return (), False
    r = resolved_kpi(plan, plan.group(verdict.group), verdict.subject)
    files = FileSet((file.url,), ports.store.access, kpi.difference_columns(r))
    listed = ports.engine.table(deciding_sql(r, LOOKED_AT + 1), {"differences": files}).to_pylist()
    cells = [
        of_cell(
            finding(r.spec, "", one),
            (one["expected_n"], one["found_n"]),
            tuple(None if one[name] is None else str(one[name]) for name in ("expected_fp", "found_fp")),
        )
        for one in listed
    ]
    return tuple(cells[:LOOKED_AT]), len(cells) <= LOOKED_AT


def explain(
    plan: Plan, verdicts: Iterable[Verdict], acceptances: Sequence[Acceptance], ports: Ports, at: datetime
) -> Explanations:
    """What is accepted, and what is open, of every failed verdict that an acceptance has to do with."""
    found: dict[tuple[str, str, str], Explained] = {}
    for verdict in verdicts:
        place = place_of(verdict)
        mine = [one for one in acceptances if (one.group, one.rule, one.subject) == place]
        if mine and verdict.outcome is Outcome.FAIL:
            differences, whole = differences_of(plan, verdict, ports)
            found[place] = open_differences(differences, mine, at.astimezone(UTC).date(), whole=whole)
    return found


def explain_verdicts(plan: Plan, verdicts: Sequence[Verdict], ports: Ports, at: datetime) -> Explanations:
    """As ``explain``, with the acceptances that stand in the store and are signed as the migration file demands."""
    chain = chain_of(ports.store, plan.migration.migration, ports.signer)
    return explain(plan, verdicts, standing(chain, demanded(plan, ports)), ports, at)


def demanded(plan: Plan, ports: Ports) -> frozenset[str] | None:
    """Whose signatures the migration file demands; None when it demands none."""
    return ports.signer.trusted if plan.migration.gate.signed else None


def standing(chain: Chain, trusted: frozenset[str] | None = None) -> tuple[Acceptance, ...]:
    """The acceptances that nobody has withdrawn, expired ones too, oldest first.

    :param trusted: fingerprints of keys; only what is signed by one of them counts.
    """
    records = [r for r in chain.records if r.kind == KIND and (trusted is None or r.fingerprint in trusted)]
    gone = {one.acceptance for one in _read(Withdrawal, records, "withdrawn")}
    return tuple(one for one in _read(Acceptance, records, "accepted") if id_of(one) not in gone)


def _read(kind: type[Fact], records: Iterable[Record], outcome: str) -> Iterator[Fact]:
    for record in records:
        with suppress(UnreadableError):  # the chain tells already that its hash is another
            if record.outcome == outcome:
                yield from_json(kind, record.content)


def relevant(acceptances: Iterable[Acceptance], verdicts: Iterable[Verdict]) -> tuple[Acceptance, ...]:
    """Those that are on verdicts which failed."""
    failed = {place_of(v) for v in verdicts if v.outcome is Outcome.FAIL}
    return tuple(one for one in acceptances if (one.group, one.rule, one.subject) in failed)


def of_migration(ports: Ports, migration: str) -> tuple[Acceptance, ...]:
    """As ``standing``, read from the store; LakewardError when the chain is broken."""
    chain = chain_of(ports.store, migration, ports.signer)
    if chain.wrong:
        raise LakewardError(
            f"The chain of records is broken: {chain.wrong[0]}.", todo="Run `lakeward evidence verify`."
        )
    return standing(chain)


def propose(plan: Plan, verdict: Verdict, wanted: Acceptance, ports: Ports) -> tuple[Acceptance, Explained]:
    """The acceptance with the differences that it would cover now, and what stays open; writes nothing.

    :param wanted: an acceptance that covers nothing yet.
    :raises SpecError: nothing of the verdict lies in its scope, or far too much.
    """
    if wanted.expires < wanted.at.astimezone(UTC).date():
        raise SpecError(f"The acceptance would have expired already, on {wanted.expires}.", todo="Name a later day.")
    differences, whole = differences_of(plan, verdict, ports) if verdict.outcome is Outcome.FAIL else ((), True)
    inside = tuple(one for one in differences if in_scope(wanted, one))
    if not inside:
        raise SpecError(
            f"{verdict.kind} {verdict.subject} of group {verdict.group} is {verdict.outcome.value}, with no difference in what was "
            "named.",
            todo="`lakeward parity FILE --at cut --drill` shows periods, dimensions and keys; an acceptance is of what was found.",
        )
    if len(inside) > MOST:
        raise SpecError(
            f"{len(inside)} differences of {verdict.subject} lie in what was named; one acceptance names {MOST} at most.",
            todo="Narrow it down, or mend them: so many are no exception. `lakeward repair` reads them again.",
        )
    made = replace(wanted, covers=inside)
    found = open_differences(differences, (made,), made.at.astimezone(UTC).date(), whole=whole)
    if not found.accepted:
        raise SpecError(
            f"None of the {len(inside)} differences that were named is within --amount {made.amount}, in equally many rows.",
            todo="Leave --amount out to accept them as they are, or raise it.",
        )
    return made, found


def keep_acceptance(ports: Ports, acceptance: Acceptance) -> str:
    """Record and store it, then tell the ledger; its id."""
    name = id_of(acceptance)
    _keep(ports, acceptance, "accepted", f"{_stamp(acceptance.at)}-{acceptance.subject}-{name}")
    tell_ledger(ports, acceptance.migration)
    return name


def withdraw(ports: Ports, withdrawal: Withdrawal) -> Acceptance:
    """Record that an acceptance holds no longer; it. SpecError when none of that id stands."""
    found = next((a for a in of_migration(ports, withdrawal.migration) if id_of(a) == withdrawal.acceptance), None)
    if found is None:
        raise SpecError(
            f"{withdrawal.migration} has no acceptance {withdrawal.acceptance!r} that stands.",
            todo="`lakeward accept FILE --list` shows them.",
        )
    name = digest("withdrawal", to_json(withdrawal), length=16)
    _keep(ports, withdrawal, "withdrawn", f"{_stamp(withdrawal.at)}-withdrawn-{name}")
    tell_ledger(ports, withdrawal.migration)
    return found


def tell_ledger(ports: Ports, migration: str) -> int:
    """Let the ledger follow the records; how many acceptances stand."""
    found = of_migration(ports, migration)
    ports.ledger.record_acceptances(migration, found)
    return len(found)


def _keep(ports: Ports, fact: Acceptance | Withdrawal, outcome: str, stamp: str) -> None:
    key = acceptance_key(fact.migration, stamp)
    keep(ports, Entry(fact.migration, KIND, outcome, key, to_json(fact).decode(), fact.at, {}))


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
