"""`lakeward status`: states, progress, last verdicts."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakeward.cli.console import exits, home, note, say, say_json, table
from lakeward.cli.decision import decision_json, decision_now, show_decision
from lakeward.cli.meters import meters_json, show_meters
from lakeward.cli.session import now
from lakeward.cli.verdicts import verdict_json
from lakeward.cli.windows import show_windows

if TYPE_CHECKING:
    from lakeward.domain.acceptance import Acceptance
    from lakeward.domain.changes import SlotState
    from lakeward.domain.decision import GateDecision
    from lakeward.domain.evidence import Pointer, Transition, Verdict
    from lakeward.domain.meters import Meter
    from lakeward.ports import Ledger, StepRecord
    from lakeward.spec.load import LoadedMigration
    from lakeward.spec.models import Migration


@dataclass(frozen=True, slots=True)
class _Status:
    migration: str
    pointers: tuple[Pointer, ...]
    steps: tuple[StepRecord, ...]
    verdicts: tuple[Verdict, ...]
    transitions: tuple[Transition, ...]
    accepted: tuple[Acceptance, ...]
    gate: GateDecision | None
    slots: tuple[SlotState, ...] = ()
    meters: tuple[Meter, ...] = ()
    spec: Migration | None = None


@exits(1)
def status(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A migration file; default all in the ledger.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object with `migrations`.")] = False,
) -> None:
    """Show states, progress and last verdicts from the ledger; with a file also what its pointers and its gate say.

    Exits 0, whatever it shows; 1 when ledger or store can't be read.

    Example: `lakeward status dags/migrations/retail.yaml`
    """
    from lakeward.adapters.connections import from_environment
    from lakeward.adapters.open import open_ledger
    from lakeward.steps.check import check_file

    loaded = check_file(file) if file else None
    with closing(open_ledger(from_environment, home())) as ledger:
        names = [loaded.spec.migration] if loaded else sorted({record.migration for record in ledger.steps()})
        pointers = _pointers(loaded) if loaded else ()
        gate = decision_now(loaded, pointers) if loaded else None
        slots = _slots(loaded) if loaded else ()
        spec = loaded.spec if loaded else None
        found = [
            replace(
                _status(name, ledger, pointers, gate, parted=spec is not None and spec.pattern == "hybrid"),
                slots=slots,
                meters=ledger.meters(name),
                spec=spec,
            )
            for name in names
        ]
    if as_json:
        say_json({"migrations": [_as_json(one) for one in found]})
        return
    if not found:
        say(f"The ledger knows no migration yet ({home()}).")
    for one in found:
        _show(one)


def _status(
    name: str, ledger: Ledger, pointers: tuple[Pointer, ...], gate: GateDecision | None, *, parted: bool
) -> _Status:
    """What is known of a migration, with the steps of its newest run; where groups have runs of their own, of the newest of each."""
    from lakeward.domain.progress import STEP

    steps = ledger.steps(name)
    newest = max(steps, key=lambda r: r.started_at, default=None)
    run = newest.run_key if newest else ""
    phased = max(
        (r for r in steps if r.step == STEP and run.startswith(r.run_key)), key=lambda r: r.run_key, default=None
    )
    mine = tuple(
        record
        for record in steps
        if record.run_key == run or (phased and record.step == STEP and record.run_key == phased.run_key)
    )
    if parted:
        mine = ledger.runs(name, by_group=True)
    return _Status(
        name, pointers, mine, ledger.verdicts(name), ledger.transitions(name), ledger.acceptances(name), gate
    )


def _pointers(loaded: LoadedMigration) -> tuple[Pointer, ...]:
    """What readers follow; groups that were never published have none."""
    from lakeward.adapters.connections import from_environment
    from lakeward.adapters.open import open_store
    from lakeward.domain.evidence import Pointer
    from lakeward.domain.identity import pointer_key
    from lakeward.domain.stored import from_json

    with closing(open_store(loaded.spec.landing, from_environment, home())) as store:
        keys = [pointer_key(loaded.spec.migration, group.name) for group in loaded.spec.groups]
        return tuple(from_json(Pointer, one[0], store.url(key)) for key in keys if (one := store.get(key)))


def _slots(loaded: LoadedMigration) -> tuple[SlotState, ...]:
    """The slots of a migration that follows the source's log; asked at the source."""
    from lakeward.adapters.connections import from_environment
    from lakeward.adapters.open import change_log
    from lakeward.errors import LakewardError
    from lakeward.spec.hybrid import alone
    from lakeward.spec.models import Followed, StranglerFig

    names = [group.name for group in loaded.spec.groups if isinstance(alone(loaded.spec, group.name), StranglerFig)]
    if not isinstance(loaded.spec, Followed) or not names:
        return ()
    log = change_log(loaded.spec, from_environment, home())
    try:
        return tuple(state for name in names if (state := log(name).state()))
    except LakewardError as error:
        note(f"The slots can't be looked at: {error.what}")
        return ()


def _show(one: _Status) -> None:
    from lakeward.domain.changes import spelled

    say()
    say(f"Migration {one.migration}")
    if one.pointers:
        rows = [
            (p.group, str(p.state), str(p.version), p.cut_id, f"{p.moved_at:%Y-%m-%d %H:%M:%SZ}", p.moved_by, p.why)
            for p in one.pointers
        ]
        table(("group", "state", "version", "cut", "moved at", "by", "why"), rows)
    if one.gate:
        show_decision(one.gate)
    show_windows(one.pointers, one.steps)
    for p in (p for p in one.pointers if p.position):
        fresh = f"{p.fresh_at:%Y-%m-%d %H:%M:%SZ}" if p.fresh_at else "not known"
        compared = (
            f"; compared at {spelled(p.compared.position)}, {p.compared.at:%Y-%m-%d %H:%M:%SZ}" if p.compared else ""
        )
        say(f"{p.group}: has the source's changes up to {spelled(p.position)}, committed until {fresh}{compared}")
    for slot in one.slots:
        lost = "; THE SERVER HAS GIVEN IT UP" if slot.lost else ""
        say(
            f"Slot {slot.name}: confirmed up to {spelled(slot.confirmed)}, {slot.head - slot.confirmed:,} bytes behind; the source keeps "
            f"{slot.retained_bytes / 1e6:,.1f} MB of its log for it{', being read' if slot.active else ''}{lost}"
        )
    show_meters(one.meters, one.spec, now())
    if one.steps:
        say(f"Last run {one.steps[-1].run_key}")
        rows = [
            (r.group, r.step, r.outcome, f"{r.started_at:%H:%M:%S}", f"{r.seconds:.1f}", f"{r.rows:,}", r.message)
            for r in one.steps
        ]
        table(("group", "step", "outcome", "began", "seconds", "rows", ""), rows, right=("seconds", "rows"))
    if one.verdicts:
        rows = [
            (v.group, v.kind, v.subject, str(v.outcome), f"{v.checked:,}", f"{v.failed:,}", v.summary)
            for v in one.verdicts
        ]
        table(("group", "kind", "subject", "verdict", "checked", "differ", ""), rows, right=("checked", "differ"))
    for a in one.accepted:
        say(f"Accepted until {a.expires}: {a.group} {a.rule} {a.subject}, by {a.by} for {a.owner}: {a.reason}")
    for t in one.transitions:
        say(f"{t.at:%Y-%m-%d %H:%M:%SZ}  {t.before} to {t.after}: {t.outcome}, by {t.by}: {t.why} {t.message}".rstrip())


def _as_json(one: _Status) -> dict[str, object]:
    from lakeward.domain.accepted import id_of
    from lakeward.domain.changes import spelled

    return {
        "migration": one.migration,
        "groups": [
            {
                "group": p.group,
                "state": str(p.state),
                "version": p.version,
                "cut": p.cut_id,
                "tables": {name: str(snapshot) for name, snapshot in p.tables.items()},
                "evidence_hash": p.evidence_hash,
                "moved_at": p.moved_at.isoformat(),
                "moved_by": p.moved_by,
                "why": p.why,
                "position": spelled(p.position) if p.position else None,
                "fresh_at": p.fresh_at.isoformat() if p.fresh_at else None,
                "compared": p.compared
                and {
                    "position": spelled(p.compared.position),
                    "at": p.compared.at.isoformat(),
                    "cut": p.compared.cut_id,
                },
                "windows": {
                    name: {"cut": cut.cut_id, "rows": cut.rows, "ended": cut.ended, "gate": cut.gate}
                    for name, cut in p.windows.items()
                },
                "caught_up": p.caught
                and {
                    "rounds": p.caught.rounds,
                    "at": p.caught.mark.at.isoformat(),
                    "proved": p.caught.whole,
                    "gate": p.caught.gate,
                    "upserted": p.caught.upserted,
                    "deleted": p.caught.deleted,
                },
            }
            for p in one.pointers
        ],
        "gate": decision_json(one.gate) if one.gate else None,
        "slots": [
            {
                "slot": s.name,
                "confirmed": spelled(s.confirmed),
                "behind_bytes": s.head - s.confirmed,
                "retained_bytes": s.retained_bytes,
                "active": s.active,
                "lost": s.lost,
            }
            for s in one.slots
        ],
        "meters": meters_json(one.meters, one.spec, now()),
        "steps": [
            {
                "run": r.run_key,
                "group": r.group,
                "step": r.step,
                "outcome": r.outcome,
                "started_at": r.started_at.isoformat(),
                "seconds": r.seconds,
                "rows": r.rows,
                "message": r.message,
            }
            for r in one.steps
        ],
        "verdicts": [verdict_json(v) for v in one.verdicts],
        "transitions": [
            {
                "at": t.at.isoformat(),
                "before": str(t.before),
                "after": str(t.after),
                "groups": list(t.groups),
                "outcome": t.outcome,
                "by": t.by,
                "why": t.why,
                "evidence_hash": t.evidence_hash,
                "message": t.message,
            }
            for t in one.transitions
        ],
        "accepted": [
            {
                "id": id_of(a),
                "group": a.group,
                "rule": a.rule,
                "subject": a.subject,
                "differences": len(a.covers),
                "amount": a.amount or None,
                "expires": a.expires.isoformat(),
                "owner": a.owner,
                "reason": a.reason,
                "by": a.by,
                "at": a.at.isoformat(),
            }
            for a in one.accepted
        ],
    }
