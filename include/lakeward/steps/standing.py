"""What stands and what is void right now: snapshots that are gone or built upon, looks at the lake after a cutover, closed periods in a row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from lakeward.domain import kpi
from lakeward.domain.accepted import Explanations, is_settled
from lakeward.domain.decision import Reason, Streak
from lakeward.domain.evidence import Evidence, Outcome, Pointer, State, Verdict
from lakeward.domain.facts import GroupPlan, LakeTable, Plan
from lakeward.domain.file_facts import FileSet
from lakeward.domain.gate import Check
from lakeward.domain.identity import evidence_prefix
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.stored import from_json
from lakeward.domain.streaks import Measured, streak
from lakeward.domain.voiding import is_gone, moved_on
from lakeward.ports import ObjectStore, Ports
from lakeward.steps.artifacts import read_manifest
from lakeward.steps.extract import kpis_of
from lakeward.steps.repair import unfinished_repair

CUT_OVER = frozenset({State.READERS, State.WRITERS})
"""States in which readers use the lake and there is a way back."""

_NEW_CUT = "Start a new run: it makes a new cut and measures it."
_COMPARE = "The next run of the migration compares anew."
_BACK = "Cut back by the `cutover` DAG; then look at the difference: `lakeward parity FILE --drill`."
_FAILED = "SELECT DISTINCT grain, period FROM differences WHERE NOT open AND period IS NOT NULL"


def broken_snapshots(group: GroupPlan, pointer: Pointer, ports: Ports) -> Iterator[Reason]:
    """Pinned snapshots that the lake has lost; before a cutover, also commits of others on top of the cut's, by which rows changed.

    Where a change log is followed, what was compared must be there too, and the feed's own commits are nobody else's.
    """
    compared = pointer.compared.tables if pointer.compared else {}
    for table in (*group.lake_tables, quarantine_table(group)):
        name = ports.lake.qualified(table.name)
        pinned = pointer.tables.get(name)
        if pinned is None:
            continue
        history = ports.lake.history(table.name)
        if is_gone(history, pinned):
            told = f"{group.name}: {name} has lost snapshot {pinned}, which the pointer shows to readers: all that was proved on it is void"
            yield Reason(told, group.name, subject=table.name, todo=_NEW_CUT, proven=True)
        elif is_gone(history, compared.get(name, pinned)):
            told = f"{group.name}: {name} has lost snapshot {compared[name]}, which was compared: what was proved on it can't be looked at"
            yield Reason(told, group.name, subject=table.name, todo=_COMPARE)
        elif _may_move(pointer, table, ports) and (moved := moved_on(history, pointer.content[name])):
            snapshot, at = moved
            told = f"{group.name}: {name}: snapshot {snapshot} has changed rows on top of the cut's: what was proved is void for who reads `main`"
            yield Reason(told, group.name, subject=table.name, since=at, todo=_NEW_CUT)


def _may_move(pointer: Pointer, table: LakeTable, ports: Ports) -> bool:
    """Whether commits on top of what the pointer shows are somebody else's: readers are not switched, and no batch of changes has just landed."""
    if not pointer.position:
        return pointer.state is State.LEGACY
    state = ports.lake.state(table.name)
    return pointer.state is not State.WRITERS and (state is None or state.position <= pointer.position)


def begun_repair(group: GroupPlan, pointer: Pointer, ports: Ports) -> Iterator[Reason]:
    """A repair that was killed after its commit: readers may see its rows, and its record rules nobody has looked at."""
    if begun := unfinished_repair(group, pointer, ports):
        told = f"{group.name}: repair {begun.repair}, begun by {begun.by}, is not finished: record rules were not put to its rows"
        todo = "`lakeward repair FILE --confirm` finishes it; then `lakeward parity FILE --at cut`."
        yield Reason(told, group.name, since=begun.at, todo=todo)


def looks(group: GroupPlan, pointer: Pointer, store: ObjectStore) -> Iterator[Reason]:
    """What the newest looks since the cutover found (`lakeward parity`): a check that failed, or could not be made."""
    prefix = f"{evidence_prefix(pointer.migration, group.name, pointer.cut_id)}/now/"
    by_name: dict[str, list[str]] = {}
    for key in sorted((key for key, _ in store.list(prefix) if key.endswith(".json")), reverse=True):
        by_name.setdefault(key.rsplit("/", 1)[1], []).append(key)
    for name in sorted(by_name):
        if found := tuple(_unbroken(by_name[name], pointer, store)):
            failed = (verdict for verdict in found if verdict.outcome is Outcome.FAIL)
            yield _look(next(failed, found[0]), found[-1].decided_at)


def _unbroken(keys: Sequence[str], pointer: Pointer, store: ObjectStore) -> Iterator[Verdict]:
    """The looks of one check that are not good, newest first, back to the first good one, or to the cutover or the newest comparison.

    One that looked at a part of the periods only (``--since``) takes nothing back.
    """
    for key in keys:
        found = store.get(key)
        verdict = from_json(Verdict, found[0] if found else b"", store.url(key))
        if verdict.decided_at <= (pointer.compared.at if pointer.compared else pointer.moved_at):
            return
        if verdict.outcome in {Outcome.FAIL, Outcome.ERROR}:
            yield verdict
        elif not verdict.basis.get("since"):
            return


def _look(verdict: Verdict, since: datetime) -> Reason:
    first = next((f for f in verdict.findings if not f.open), None)
    what = f"{verdict.group}: {verdict.kind} {verdict.subject}, compared after the cutover: {verdict.outcome.value}: {verdict.summary}"
    grain, period = (first.grain, first.period or "") if first else ("", "")
    todo = _BACK if verdict.outcome is Outcome.FAIL else "Run `lakeward parity FILE` again when both sides answer."
    proven = verdict.outcome is Outcome.FAIL
    return Reason(what, verdict.group, verdict.kind, verdict.subject, grain, period, since, todo, proven=proven)


def streaks_of(
    plan: Plan,
    group: GroupPlan,
    ports: Ports,
    evidence: Evidence,
    checks: Collection[Check],
    known: Explanations,
) -> Iterator[Streak]:
    """Progress over closed periods of every KPI of a group whose grain the gate asks for; a warning that
    does not hold, and what is accepted, is no break."""
    spec, calendar = plan.migration.gate, plan.migration.calendar
    if not spec.closed_periods:
        return
    taken_at = read_manifest(ports.store, plan, group).taken_at
    expected = {(check.kind, check.subject): check.inputs_hash for check in checks if check.group == group.name}
    verdicts = {v.subject: v for v in evidence.verdicts if (v.group, v.kind) == (group.name, "kpi")}
    for one in kpis_of(plan, group):
        wanted = {grain: n for grain, n in spec.closed_periods.items() if one.date and grain in one.grains}
        if not wanted:
            continue
        verdict = verdicts.get(one.name)
        standing = verdict is not None and verdict.inputs_hash == expected.get(("kpi", one.name))
        measured: tuple[Measured, ...] = ()
        if verdict is not None and standing and verdict.outcome is not Outcome.ERROR:
            shown = verdict.outcome is Outcome.WARN and spec.warnings == "show"
            failed = (
                frozenset()
                if shown or is_settled(known, verdict)
                else _failed(kpi.resolve(one, group, calendar), verdict, ports)
            )
            measured = (Measured(taken_at, failed),)
        for grain, count in wanted.items():
            yield streak(group.name, one.name, grain, count, calendar, measured)


def _failed(r: kpi.ResolvedKpi, verdict: Verdict, ports: Ports) -> frozenset[tuple[str, str]]:
    """Grain and first day of every closed period in which a cell differs."""
    file = verdict.differences_file
    if file is None:
        return frozenset()
    differences = FileSet((file.url,), ports.store.access, kpi.difference_columns(r))
    rows = ports.engine.table(_FAILED, {"differences": differences}).to_pylist()
    return frozenset((row["grain"], row["period"]) for row in rows)
