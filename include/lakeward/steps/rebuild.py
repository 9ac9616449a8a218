"""Steps, and what stands, put back into a ledger that was lost, as far as what was left behind proves them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from lakeward.domain.evidence import Evidence, Outcome, Pointer, Verdict
from lakeward.domain.facts import Plan
from lakeward.domain.identity import staged_key, tag_name
from lakeward.domain.maintenance import TableHistory
from lakeward.domain.stored import from_json
from lakeward.errors import GateError, UnreadableError
from lakeward.ports import Lake, Ledger, ObjectStore, Ports, StepRecord
from lakeward.steps.evidence import verdict_keys
from lakeward.steps.gate import collect_evidence, judge, read_verdict
from lakeward.steps.holdings import HeldCut, held_cuts
from lakeward.steps.stock import tell_card, tell_decision, tell_pointers

FROM_LANDING = "as the landing's manifest tells"
FROM_STAGED = "as the list of staged files tells"
FROM_LAKE = "as the tables' tags tell"


def rebuild_steps(migration: str, store: ObjectStore, lake: Lake, ledger: Ledger) -> int:
    """Record every step that is proved and that the ledger does not know; how many.

    A manifest proves ``extract``, staged files ``prepare`` and ``flatten``, the tables' tags ``append``, verdicts ``validate``
    and ``compare``, sealed evidence an open ``gate``. What is still under way, or failed, leaves no proof.
    """
    known = {(record.run_key, record.group, record.step) for record in ledger.steps(migration)}
    histories = {table: lake.history(table) for table in lake.tables(migration)}
    verdicts: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in (read_verdict(store, key) for key in verdict_keys(store, migration)):
        verdicts[verdict.group, verdict.cut_id].append(verdict)
    found = [
        record
        for cut in held_cuts(store, migration)
        for record in _of_cut(migration, cut, histories, verdicts[cut.group, cut.cut_id])
    ]
    found += _gates(store, migration)
    missing = [record for record in found if (record.run_key, record.group, record.step) not in known]
    for record in missing:
        ledger.record_step(record)
    return len(missing)


def rebuild_standing(migration: str, file: str, ports: Ports, at: datetime) -> int:
    """Record what the newest plan, the pointers and the gate tell; how many pointers there are.

    Of a migration whose groups are not all published at one run's cut, the gate is not asked: its next steps tell.
    """
    plan = next((one for one in _plans(ports.store, migration) if len(one.groups) == len(one.migration.groups)), None)
    if plan is None:
        return 0
    tell_card(plan, file, ports.ledger)
    tell_pointers(plan, ports)
    with suppress(GateError):
        evidence = collect_evidence(plan, ports)
        tell_decision(plan, ports, evidence, judge(plan, ports, evidence, at), at)
    return len(ports.ledger.standing(Pointer, migration))


def _plans(store: ObjectStore, migration: str) -> Iterator[Plan]:
    """The plans that this version of lakeward reads, the newest first."""
    for entry in sorted(store.entries(f"{migration}/plans/"), key=lambda entry: entry.modified, reverse=True):
        if found := store.get(entry.key):
            with suppress(UnreadableError):
                yield from_json(Plan, found[0])


def _of_cut(
    migration: str, cut: HeldCut, histories: dict[str, TableHistory], verdicts: Sequence[Verdict]
) -> Iterator[StepRecord]:
    if cut.manifest is None:
        return
    run_key, landed = cut.manifest.run_key, cut.manifest

    def record(
        step: str, began: datetime, rows: int, message: str, seconds: float = 0.0, outcome: str = "done"
    ) -> StepRecord:
        return StepRecord(migration, run_key, cut.group, step, outcome, began, seconds, rows, message)

    yield record("extract", landed.taken_at, sum(t.rows for t in landed.tables), FROM_LANDING, landed.seconds)
    if cut.staged is None:
        return
    written = next(e.modified for e in cut.entries if e.key == staged_key(migration, cut.group, cut.cut_id))
    began = written - timedelta(seconds=cut.staged.seconds)
    rows = sum(t.rows for t in cut.staged.tables)
    yield record("prepare", began, 0, FROM_STAGED)
    yield record("flatten", began, rows, FROM_STAGED, cut.staged.seconds)
    if (at := _appended(cut, histories)) is not None:
        yield record("append", at, rows, FROM_LAKE)
    if rules := [v for v in verdicts if v.kind == "records"]:
        last = max(rules, key=lambda v: v.decided_at)
        outcome = "failed" if last.outcome in {Outcome.FAIL, Outcome.ERROR} else "done"
        yield record("validate", last.decided_at, last.checked, last.summary, outcome=outcome)
    if compared := _newest(v for v in verdicts if v.kind != "records"):
        differ = [f"{v.kind} {v.subject}" for v in compared if v.outcome in {Outcome.FAIL, Outcome.ERROR}]
        said = f"{len(compared) - len(differ)} of {len(compared)} are equal"
        at, checked = max(v.decided_at for v in compared), sum(v.checked for v in compared)
        yield record("compare", at, checked, said, outcome="held" if differ else "done")


def _newest(verdicts: Iterator[Verdict]) -> list[Verdict]:
    """The newest verdict of each subject."""
    found: dict[tuple[str, str], Verdict] = {}
    for verdict in sorted(verdicts, key=lambda v: v.decided_at):
        found[verdict.kind, verdict.subject] = verdict
    return list(found.values())


def _appended(cut: HeldCut, histories: dict[str, TableHistory]) -> datetime | None:
    """When the cut landed in the last of its tables; None when it is not in all of them."""
    found = []
    for table in cut.staged.tables if cut.staged else ():
        history = histories.get(table.table)
        tagged = history.tags.get(tag_name(cut.cut_id)) if history else None
        found.append(next((s.at for s in history.snapshots if s.snapshot_id == tagged), None) if history else None)
    landed = [at for at in found if at is not None]
    return max(landed) if landed and len(landed) == len(found) else None


def _gates(store: ObjectStore, migration: str) -> Iterator[StepRecord]:
    """Evidence is sealed when the gate opens."""
    for entry in store.entries(f"{migration}/evidence/sealed/"):
        if data := store.get(entry.key):
            evidence = from_json(Evidence, data[0], store.url(entry.key))
            said = f"evidence {entry.key.rpartition('/')[2].removesuffix('.json')}"
            yield StepRecord(migration, evidence.run_key, "", "gate", "done", entry.modified, 0.0, 0, said)
