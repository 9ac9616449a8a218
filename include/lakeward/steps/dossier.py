"""Collect what a run's dossier shows from where it is true, and keep the page beside the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from lakeward.domain import kpi
from lakeward.domain.amount import Amount
from lakeward.domain.calendar import AFTER, BEFORE, COARSE_TO_FINE
from lakeward.domain.chain import Chain, Entry, Record, follow, sha256
from lakeward.domain.closing import is_open
from lakeward.domain.dossier import Aside, Cell, Cut, Difference, Dossier, Figure, Series, render
from lakeward.domain.evidence import Approval, Evidence, Outcome, Transition, Verdict
from lakeward.domain.facts import Plan
from lakeward.domain.file_facts import FileFact
from lakeward.domain.identity import dossier_prefix, run_id
from lakeward.domain.plot import EXACT, Point, plot
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.sql import literal
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import LakeError, LakewardError
from lakeward.ports import Ports
from lakeward.steps.artifacts import read_manifest
from lakeward.steps.chain import append, chain_of, key_of_verdict
from lakeward.steps.drill import drill_all
from lakeward.steps.extract import kpis_of
from lakeward.steps.figures import as_input
from lakeward.steps.gate import collect_evidence, judge
from lakeward.steps.measure import remarks
from lakeward.steps.stock import aside_cut

if TYPE_CHECKING:
    import pyarrow as pa

Answer = TypeVar("Answer", Approval, Transition)
_ALWAYS_SHOWN = {grain.value for grain in COARSE_TO_FINE} - {"day", "week"}
_CELLS = 120
_SHOWN = 20
_SERIES = "SELECT * FROM f WHERE dims = '' ORDER BY grain, period"


def keep_dossier(plan: Plan, ports: Ports, now: datetime | None = None) -> str:
    """Write the dossier of a run as it is now, and the record that vouches for it; its key.

    The key carries the record's number: one that a process left which died is written again.
    """
    name, key = plan.migration.migration, ""

    def make(head: Record | None) -> Record | None:
        nonlocal key
        dossier = collect(plan, ports, now)
        page = render(dossier).encode()
        key = f"{dossier_prefix(name, run_id(plan.run_key))}{head.number + 1 if head else 1:08d}.html"
        ports.store.put(key, page)
        outcome = "open" if dossier.decision.open else "held"
        at = max((record.at for record in dossier.records), default=plan.planned_at)
        return follow(head, Entry(name, "dossier", outcome, "", "", at, {key: sha256(page)}), ports.signer)

    append(ports, name, make)
    return key


def try_dossier(plan: Plan, ports: Ports, now: datetime | None = None) -> str:
    """Write it and tell where; it shows what is proved and proves nothing, so that one which can't be made is only told."""
    try:
        return ports.store.url(keep_dossier(plan, ports, now))
    except LakewardError as error:
        return f"could not be made: {error.what}"


def collect(plan: Plan, ports: Ports, now: datetime | None = None) -> Dossier:
    """Everything that the page shows, read from pointers, landing, lake and records; writes nothing.

    :param now: the instant at which acceptances must hold; without it none does.
    :raises GateError: a group is not published at this run's cut.
    :raises LakeError: the chain is broken: what it tells of approvals and transitions can't be shown as true.
    """
    evidence = collect_evidence(plan, ports)
    decision = judge(plan, ports, evidence, now)
    chain = chain_of(ports.store, plan.migration.migration, ports.signer)
    if chain.wrong:
        raise LakeError(f"The chain of records is broken: {chain.wrong[0]}.", todo="Run `lakeward evidence verify`.")
    manifests = [read_manifest(ports.store, plan, group) for group in plan.groups]
    approvals = _answers(chain, "approval", Approval, plan)
    transitions = _answers(chain, "transition", Transition, plan)
    return Dossier(
        plan=plan,
        evidence=evidence,
        decision=decision,
        cuts=tuple(Cut(m.group, m.cut_id, m.source, m.taken_at) for m in manifests),
        figures=tuple(_figures(plan, ports, evidence)),
        differences=tuple(_differences(plan, ports, evidence)),
        aside=tuple(_aside(plan, ports, evidence)),
        approvals=approvals,
        transitions=transitions,
        records=tuple(_of_run(chain, plan, evidence, approvals, transitions)),
        head=chain.head,
        landing=ports.store.root,
    )


def _answers(chain: Chain, kind: str, of: type[Answer], plan: Plan) -> tuple[Answer, ...]:
    """What people answered and switched in this run, in the order of the chain."""
    found = (from_json(of, record.content) for record in chain.records if record.kind == kind)
    return tuple(one for one in found if one.run_key == plan.run_key)


def _of_run(
    chain: Chain,
    plan: Plan,
    evidence: Evidence,
    approvals: Sequence[Approval],
    transitions: Sequence[Transition],
) -> Iterator[Record]:
    """Records of this run: those of its verdicts, of what was sealed of it, of its answers and its earlier dossiers."""
    verdicts = {key_of_verdict(verdict) for verdict in evidence.verdicts}
    answers = {to_json(one).decode() for one in approvals} | {to_json(one).decode() for one in transitions}
    dossiers = dossier_prefix(plan.migration.migration, run_id(plan.run_key))
    for record in chain.records:
        sealed = record.kind == "evidence" and from_json(Evidence, record.content).run_key == plan.run_key
        written = any(key.startswith(dossiers) for key in record.files)
        if record.key in verdicts or sealed or written or record.content in answers:
            yield record


# --- figures ----------------------------------------------------------------------------------------------------------


def _figures(plan: Plan, ports: Ports, evidence: Evidence) -> Iterator[Figure]:
    measured = {(v.group, v.subject): v for v in evidence.verdicts if v.kind == "kpi" and len(v.files) >= 2}
    for group in plan.groups:
        for spec in kpis_of(plan, group):
            if verdict := measured.get((group.name, spec.name)):
                yield _figure(kpi.resolve(spec, group, plan.migration.calendar), verdict, ports)


def _figure(r: kpi.ResolvedKpi, verdict: Verdict, ports: Ports) -> Figure:
    source, lake = (_rows(r, file, ports) for file in verdict.files[:2])
    cells = {place: (source.get(place), lake.get(place)) for place in sorted({*source, *lake}, key=_order)}
    total = _cell(r, "total", *cells.pop(("total", None), (None, None)))
    series = [
        _series(r, grain.value, {period: both for (of, period), both in cells.items() if of == grain.value}, verdict)
        for grain in sorted(r.spec.grains, key=COARSE_TO_FINE.index)
        if r.spec.date
    ]
    spec = r.spec
    title = spec.title or spec.name
    note = remarks(spec)
    return Figure(verdict.group, spec.name, title, str(spec.measure), note, verdict.outcome, total, tuple(series))


_Both = tuple[Amount | None, Amount | None]


def _rows(r: kpi.ResolvedKpi, file: FileFact, ports: Ports) -> dict[tuple[str, str | None], Amount]:
    found: pa.Table = ports.engine.table(_SERIES, {"f": as_input(ports.store, r, file)})
    return {(row["grain"], row["period"]): Amount.of(row) for row in found.to_pylist()}


def _order(place: tuple[str, str | None]) -> tuple[str, bool, bool, str]:
    """Rows without a date last, years before our era first."""
    grain, period = place
    return grain, period is None, not (period or "").endswith("BC"), period or ""


def _series(r: kpi.ResolvedKpi, grain: str, cells: dict[str | None, _Both], verdict: Verdict) -> Series:
    told = [_cell(r, _name(grain, period, verdict), *both) for period, both in cells.items()]
    points = [
        Point(period, _number(source), _number(lake), _differs(r, source, lake))
        for period, (source, lake) in cells.items()
        if period is not None and period not in {BEFORE, AFTER} and not period.endswith("BC")
    ]
    wrong = [cell for cell in told if cell.differs]
    shown = told if grain in _ALWAYS_SHOWN and len(told) <= _CELLS else wrong[:_CELLS]
    title = f"{r.spec.title or r.spec.name} by {grain}"
    return Series(grain, plot(points, title), len(told), len(wrong), tuple(shown))


def _name(grain: str, period: str | None, verdict: Verdict) -> str:
    if period is None:
        return "rows without a date"
    return f"{period} (open)" if is_open(grain, period, verdict.open_from) else period


def _cell(r: kpi.ResolvedKpi, period: str, source: Amount | None, lake: Amount | None) -> Cell:
    function, differs = r.spec.measure.function, _differs(r, source, lake)
    left, right = _number(source), _number(lake)
    if left is not None and right is not None and left != right:
        difference = f"{EXACT.subtract(right, left):+,f}"
    else:
        difference = f"{_count(lake) - _count(source):+,} rows" if differs else ""
    before, after = ((side or _NONE).shown(function) for side in (source, lake))
    return Cell(period, before, after, difference, differs)


_NONE = Amount(None, 0)


def _differs(r: kpi.ResolvedKpi, source: Amount | None, lake: Amount | None) -> bool:
    return source is not lake if source is None or lake is None else source.differs(lake, r.spec.tolerance)


def _number(figure: Amount | None) -> Decimal | None:
    return figure.number if figure else None


def _count(figure: Amount | None) -> int:
    return figure.n if figure else 0


# --- differences and quarantine ---------------------------------------------------------------------------------------


def _differences(plan: Plan, ports: Ports, evidence: Evidence) -> Iterator[Difference]:
    failed, note = [v for v in evidence.verdicts if v.outcome is not Outcome.PASS], ""
    try:
        drilled = drill_all(plan, failed, ports, now=False)
    except LakewardError as error:
        note = f"The rows behind it can't be named any more: {error.what}"
        drilled = tuple((verdict, verdict.findings) for verdict in failed)
    for verdict, found in drilled:
        cells = tuple(f for f in verdict.findings if not (f.key or f.values))[:_SHOWN]
        rows = tuple(f for f in found if f.key or f.values)[:_SHOWN]
        if cells or rows:
            yield Difference(verdict.group, verdict.subject, cells, rows, note)


def _aside(plan: Plan, ports: Ports, evidence: Evidence) -> Iterator[Aside]:
    """Quarantined rows by table, reason and column, in the snapshot that the pointer pins."""
    for group in plan.groups:
        table = quarantine_table(group)
        snapshot = evidence.tables[group.name].get(ports.lake.qualified(table.name))
        if snapshot is None or not any(aside for _, _, aside in evidence.rows[group.name].values()):
            continue
        sql = (
            "SELECT table_name, reason, coalesce(column_name, '') AS name, count(*) AS n FROM q "
            f"WHERE cut_id = {literal(aside_cut(plan, group, ports))} GROUP BY ALL ORDER BY n DESC, 1, 2, 3"
        )
        for row in ports.engine.table(sql, {"q": ports.lake.snapshot(table, snapshot)}).to_pylist():
            yield Aside(group.name, row["table_name"], row["reason"], row["name"], row["n"])
