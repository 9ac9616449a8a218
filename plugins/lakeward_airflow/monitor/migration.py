"""A migration's page: what holds it, its figures by period, groups, quarantine, files, history and evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import Request, Response

from lakeward.domain.accepted import id_of
from lakeward.domain.compaction import CompactionReport
from lakeward.domain.evidence import Approval, Finding, Outcome, Pointer, Verdict
from lakeward.domain.identity import run_id
from lakeward.domain.overview import Need
from lakeward.domain.progress import GroupProgress
from lakeward.domain.standing import Aside, Card, GroupCard, SetAside
from lakeward.domain.stored import from_json
from lakeward.errors import LakewardError
from lakeward.ports import ObjectStore, StepRecord
from lakeward.steps.status import statuses
from lakeward_airflow.monitor.access import Name, User, evidence_of, may_see, may_trigger, readable
from lakeward_airflow.monitor.act import DAG, offered
from lakeward_airflow.monitor.matrix import Matrix, matrix_of, windows_of
from lakeward_airflow.monitor.meters import meters_of
from lakeward_airflow.monitor.overview import WORDS
from lakeward_airflow.monitor.pages import render
from lakeward_airflow.monitor.store import ledger, open_evidence

ROWS = 5
"""Rows behind a difference that are shown at once."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """A check that does not pass, the first cells and rows that it found to differ, and what its table has in quarantine."""

    verdict: Verdict
    cells: tuple[Finding, ...]
    rows: tuple[Finding, ...]
    aside: tuple[Aside, ...]


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group with everything that is told of it; ``steps`` are those of the newest run."""

    card: GroupCard
    pointer: Pointer | None
    progress: GroupProgress | None
    steps: tuple[StepRecord, ...]
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something in a migration's history."""

    at: datetime
    what: str
    outcome: str
    by: str
    why: str
    told: str = ""


def tab(dag_id: str, request: Request, user: User) -> Response:
    """The page of the migration that a DAG moves or maintains; DAGs that are none of ours say so."""
    name = dag_id.partition("__")[2]
    if not name or not may_see(dag_id, user) or (name, "") not in ledger().standing(Card, name):
        return render(request, "none.html", dag_id=dag_id)
    return page(name, request, user)


def page(migration: Name, request: Request, user: User, grain: str = "") -> Response:
    """One migration."""
    card, book = readable(migration, user), ledger()
    (now,) = statuses(ledger(), [card], migration)
    verdicts = book.verdicts(migration)
    pointers = {group: one for (_, group), (one, _) in book.standing(Pointer, migration).items()}
    aside = {group: one for (_, group), (one, _) in book.standing(SetAside, migration).items() if one.rows}
    matrix, events, note = _stored(card, verdicts, pointers, grain)
    return render(
        request,
        "migration.html",
        card=card,
        now=now,
        words=WORDS,
        Need=Need,
        matrix=matrix,
        note=note,
        culprits=list(culprits(verdicts, aside)),
        groups=list(_groups(card, pointers)),
        verdicts=verdicts,
        aside=aside,
        files={group: one for (_, group), (one, _) in book.standing(CompactionReport, migration).items()},
        accepted=[(id_of(one), one) for one in book.acceptances(migration)],
        events=sorted([*events, *_transitions(migration)], key=lambda e: e.at, reverse=True),
        run=run_id(now.run_key),
        gated=card.pattern == "lift_and_shift" and any(s.step == "gate" for s in book.runs(migration)),
        meters=meters_of(card, book, datetime.now(UTC)),
        actions=offered(card, now, cutover=may_trigger(DAG, user), runs=may_trigger(card.dag_id, user)),
    )


def verified(migration: Name, request: Request, user: User) -> Response:
    """Every hash of the migration's evidence, taken again."""
    from lakeward.adapters.open import open_signer
    from lakeward.steps.evidence import verify
    from lakeward_airflow.connections import resolve

    card = readable(migration, user)
    with evidence_of(card) as store:
        found = verify(store, f"{migration}/", open_signer(resolve))
    return render(request, "verified.html", card=card, found=found)


def culprits(verdicts: Sequence[Verdict], aside: Mapping[str, SetAside]) -> Iterator[Culprit]:
    """Checks that do not pass, figures first, each with the rows that the check of rows names for it."""
    worse = [v for v in verdicts if v.outcome is not Outcome.PASS]
    for verdict in sorted(
        worse, key=lambda v: (v.outcome is Outcome.WARN, _KINDS.get(v.kind, len(_KINDS)), v.group, v.subject)
    ):
        cells = tuple(f for f in verdict.findings if not (f.key or f.values) and not f.open)
        set_aside = set_aside_for(verdict, aside.get(verdict.group))
        yield Culprit(verdict, cells[:ROWS], rows_behind(verdict, verdicts)[:ROWS], set_aside)


def set_aside_for(verdict: Verdict, aside: SetAside | None) -> tuple[Aside, ...]:
    """What the tables of a figure that differs have in quarantine at the same cut."""
    if verdict.kind != "kpi" or aside is None or aside.cut_id != verdict.cut_id:
        return ()
    tables = {finding.table for finding in verdict.findings}
    return tuple(one for one in aside.rows if one.table in tables)


_KINDS = {kind: n for n, kind in enumerate(("kpi", "rows", "counts", "records"))}


def rows_behind(verdict: Verdict, verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """Rows that a check found, or that the checks of the same cut's rows found to enter its figure."""
    own = tuple(f for f in verdict.findings if f.key or f.values)
    if own or verdict.kind != "kpi":
        return own
    same = (v for v in verdicts if v.kind == "rows" and (v.group, v.cut_id) == (verdict.group, verdict.cut_id))
    return tuple(f for v in same for f in v.findings if verdict.subject in f.kpis)


def _stored(
    card: Card, verdicts: Sequence[Verdict], pointers: dict[str, Pointer], grain: str
) -> tuple[Matrix | None, list[Event], str]:
    """What only the store knows; while it does not answer, the page shows the rest and says so."""
    judged = ledger().judged(card.migration, by_cut=True)
    caught = any(pointer.caught for pointer in pointers.values())  # all windows are one cut then
    windows = windows_of(card, judged, pointers) if card.pattern == "phased" and not caught else None
    try:
        with closing(open_evidence(card)) as store:
            return windows or matrix_of(card, verdicts, store, grain), list(_approvals(card, store)), ""
    except LakewardError as error:
        return windows, [], error.what


def _approvals(card: Card, store: ObjectStore) -> Iterator[Event]:
    for key, _ in store.list(f"{card.migration}/approvals/"):
        if found := store.get(key):
            one = from_json(Approval, found[0])
            frozen = "source declared frozen" if one.source_frozen else "source not declared frozen"
            quarantine = f"; quarantine accepted: {one.accept_quarantine}" if one.accept_quarantine else ""
            yield Event(
                one.at, "cutover", "approved" if one.approved else "rejected", one.by, one.why, frozen + quarantine
            )


def _transitions(migration: str) -> Iterator[Event]:
    for one in ledger().transitions(migration):
        yield Event(one.at, f"{one.before} to {one.after}", one.outcome, one.by, one.why, one.message)


def _groups(card: Card, pointers: dict[str, Pointer]) -> Iterator[GroupView]:
    book = ledger()
    progress = book.standing(GroupProgress, card.migration)
    steps = book.runs(card.migration, by_group=card.pattern == "hybrid")
    for group in card.groups:
        mine = tuple(s for s in steps if s.group == group.name)
        pointer = pointers.get(group.name)
        done = progress.get((card.migration, group.name))
        appended = sum(s.rows for s in mine if s.step == "append")
        rows = sum(cut.rows for cut in pointer.windows.values()) if pointer else 0
        yield GroupView(
            group,
            pointer,
            done[0] if done else None,
            mine,
            rows or appended,
            sum(s.seconds for s in mine if s.outcome == "done"),
        )
