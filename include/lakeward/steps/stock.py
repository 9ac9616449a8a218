"""What stands is told to the ledger, for pages and lists that never ask store or lake. The ledger follows, and holds nothing up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from lakeward.domain.decision import GateDecision
from lakeward.domain.evidence import Evidence, Pointer
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.identity import WHOLE
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.sql import literal
from lakeward.domain.standing import Aside, Decided, Sample, SetAside, card_of
from lakeward.errors import LakewardError
from lakeward.ports import Ledger, Ports
from lakeward.steps.publish import find_pointer

SAMPLES = 3
"""Quarantined rows that are shown of each table, reason and column."""
_RAW = 2_000
_ASIDE = (
    "SELECT table_name, reason, coalesce(column_name, '') AS name, count(*) AS n, "
    f"list({{'key': coalesce(row_key, ''), 'raw': left(raw, {_RAW})}} ORDER BY row_key, raw)[1:{SAMPLES}] AS samples "
    "FROM q WHERE cut_id = {cut} GROUP BY ALL ORDER BY n DESC, 1, 2, 3"
)


def tell_card(plan: Plan, file: str, ledger: Ledger) -> None:
    """What the migration is.

    :param plan: of a whole run.
    :param file: the migration file's name.
    """
    ledger.record_standing(plan.migration.migration, "", card_of(plan, file), plan.planned_at)


def tell_pointers(plan: Plan, ports: Ports, groups: Iterable[str] = ()) -> None:
    """Where the groups' pointers are; a store that does not answer is what the step itself tells."""
    wanted = set(groups)
    for group in plan.groups:
        if not wanted or group.name in wanted:
            with suppress(LakewardError):
                if found := find_pointer(ports.store, plan, group):
                    tell_pointer(found[0], ports.ledger)


def tell_pointer(pointer: Pointer, ledger: Ledger) -> None:
    """Where a pointer is."""
    ledger.record_standing(pointer.migration, pointer.group, pointer, pointer.moved_at)


def tell_decision(plan: Plan, ports: Ports, evidence: Evidence, decision: GateDecision, at: datetime) -> None:
    """What the gate said, and what lies in quarantine: of a whole run, or of the one group that was judged."""
    alone = len(plan.groups) < len(plan.migration.groups) or plan.groups[0].window != WHOLE
    group, window = (plan.groups[0].name, plan.groups[0].window) if alone else ("", "")
    name = plan.migration.migration
    ports.ledger.record_standing(name, group, Decided(plan.run_key, window, decision), at)
    for one in plan.groups:
        with suppress(LakewardError):
            found = quarantined_rows(plan, one, ports, evidence)
            ports.ledger.record_standing(name, one.name, SetAside(one.cut_id, found), at)


def quarantined_rows(plan: Plan, group: GroupPlan, ports: Ports, evidence: Evidence) -> tuple[Aside, ...]:
    """Quarantined rows by table, reason and column, in the snapshot that the pointer pins."""
    table = quarantine_table(group)
    snapshot = evidence.tables[group.name].get(ports.lake.qualified(table.name))
    if snapshot is None or not any(aside for _, _, aside in evidence.rows[group.name].values()):
        return ()
    rows = ports.engine.table(
        _ASIDE.replace("{cut}", literal(aside_cut(plan, group, ports))), {"q": ports.lake.snapshot(table, snapshot)}
    )
    return tuple(_aside(row) for row in rows.to_pylist())


def aside_cut(plan: Plan, group: GroupPlan, ports: Ports) -> str:
    """The cut that names a group's rows in quarantine: at a comparison that of the load, which changes go on naming."""
    shown = find_pointer(ports.store, plan, group)
    return shown[0].cut_id if shown and shown[0].at(group.cut_id) != shown[0] else group.cut_id


def _aside(row: Mapping[str, object]) -> Aside:
    samples = row["samples"] if isinstance(row["samples"], list) else []
    found = tuple(Sample(str(one["key"]), str(one["raw"])) for one in samples)
    return Aside(str(row["table_name"]), str(row["reason"]), str(row["name"]), int(str(row["n"])), found)
