"""What a switch asks of a strangler fig's feed: that it goes on, that all was compared, and that nobody has written to the lake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from lakeward.domain.changes import spelled
from lakeward.domain.evidence import Evidence, Pointer
from lakeward.domain.facts import Plan
from lakeward.domain.identity import plan_key, sealed_key
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.stored import from_json
from lakeward.domain.voiding import moved_on
from lakeward.errors import GateError
from lakeward.ports import ObjectStore, Ports
from lakeward.reader import resolve
from lakeward.spec.models import StranglerFig
from lakeward.steps.log import log_of

COMPARED = ".compared-"
"""What stands in the run key of what was compared, behind that of the load."""
_SLACK = timedelta(hours=1)
"""How old a comparison may be, beside the time that two tenures take."""


def load_of(plan: Plan) -> str:
    """The run that names a transition: of what follows a change log that of its load, since what is compared changes all the time."""
    return plan.run_key.partition(COMPARED)[0] if isinstance(plan.migration, StranglerFig) else plan.run_key


def feed_faults(plan: Plan, ports: Ports, at: datetime) -> Iterator[tuple[str, str]]:
    """What speaks against readers going to a lake that is fed on: what is wrong with the feed, and what to do."""
    if not isinstance(plan.migration, StranglerFig):
        return
    limit = plan.migration.changes.tenure.delta * 2 + _SLACK
    for group in plan.groups:
        state, pointer = log_of(ports, group.name).state(), resolve(ports.store, plan.migration.migration, group.name)
        if state is None or state.lost or state.confirmed > pointer.position:
            yield f"The slot of group {group.name} is gone or lost: the lake follows no more.", "Load it anew first."
        elif state.retained_bytes > plan.migration.changes.max_retained.bytes:
            yield f"Group {group.name} is {state.retained_bytes:,} bytes of log behind.", "Let its runs catch up first."
        if pointer.compared and at - pointer.compared.at > limit:
            yield (
                f"Group {group.name} was last compared at {pointer.compared.at:%Y-%m-%d %H:%M:%SZ}, more than {limit} ago.",
                "Let a run of the migration compare it.",
            )


def was_approved_since_load(store: ObjectStore, plan: Plan, evidence: Evidence, approved: str) -> bool:
    """Whether sealed evidence is of an earlier comparison of the same loads, by the same file and version."""
    found = store.get(key := sealed_key(evidence.migration, approved)) if approved.isalnum() else None
    if found is None:
        return False
    sealed = from_json(Evidence, found[0], store.url(key))
    same = (sealed.file_hash, sealed.version, set(sealed.cuts)) == (
        evidence.file_hash,
        evidence.version,
        set(evidence.cuts),
    )
    made = store.get(plan_key(evidence.migration, sealed.run_key))
    return same and made is not None and sealed.run_key.startswith(f"{load_of(plan)}.")


def check_unwritten(plan: Plan, pointers: Sequence[Pointer], ports: Ports) -> None:
    """GateError when rows were written to the lake since its writers went there: the old system lacks them."""
    for pointer in pointers:
        group = plan.group(pointer.group)
        for table in (*group.lake_tables, quarantine_table(group)):
            name = ports.lake.qualified(table.name)
            if name in pointer.tables and (moved := moved_on(ports.lake.history(table.name), pointer.content[name])):
                raise GateError(
                    f"{name} was written to at {moved[1]:%Y-%m-%d %H:%M:%SZ}, after its writers went to the lake at "
                    f"{spelled(pointer.position)}; the old system lacks these rows.",
                    todo="Bring them back to the old system first: docs/rollback.md.",
                )
