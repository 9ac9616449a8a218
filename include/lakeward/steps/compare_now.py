"""Compare the source as it is now with what readers of the lake see now: KPIs, rows of tables, and the columns' types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

from lakeward.domain import kpi
from lakeward.domain.evidence import Finding, Pointer, Verdict
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, TablePlan
from lakeward.domain.identity import digest, evidence_prefix
from lakeward.domain.voiding import inputs_of
from lakeward.domain.zone_rules import rules_sql
from lakeward.errors import SourceLostError
from lakeward.ports import CutReader, Ports, Progress, silent
from lakeward.reader import resolve
from lakeward.steps.chain import keep_look
from lakeward.steps.compare import Failures, kpi_subject, raise_first, secrets_of
from lakeward.steps.extract import kpis_of
from lakeward.steps.figures import take_source
from lakeward.steps.guards import count_guarded, refuse
from lakeward.steps.measure import Case, judge, kpi_verdict, lake_inputs, measure
from lakeward.steps.recheck import Recheck
from lakeward.steps.rows import RULE_VERSION, Proof, prove_now, proven
from lakeward.steps.zone_rules import check_rules

TRIES = 2
"""A group whose connection is lost is begun again in a new snapshot, so that all of it is of one instant."""


def compare_now(
    plan: Plan,
    ports: Ports,
    at: datetime,
    *,
    groups: Collection[str] = (),
    kpis: Collection[str] = (),
    since: date | None = None,
    progress: Progress = silent,
    recheck: Recheck | None = None,
) -> tuple[Verdict, ...]:
    """Compare source and lake as they are; each group at one instant of the source.

    Figures are kept below the evidence; the ledger is not written, since gates use the cut.
    :param groups: names of groups, default all. :param kpis: names of KPIs, default all, and then the rows of tables too.
    :param since: only KPIs, and of them only periods that begin on this day or later.
    :param recheck: what differs is measured again so much later, before the verdict; default: it is not.
    :raises LakeError: a group was never published.
    :raises LakewardError: something could not be measured; all else of its group has been tried.
    """
    verdicts: list[Verdict] = []
    for group in plan.groups:
        wanted = [k for k in kpis_of(plan, group) if not kpis or k.name in kpis]
        if (groups and group.name not in groups) or not wanted:
            continue
        pointer = resolve(ports.store, plan.migration.migration, group.name)
        case = Case(plan.migration.migration, group.name, pointer.cut_id, at)
        resolved = [kpi.resolve(k, group, plan.migration.calendar) for k in wanted]
        tables = [] if kpis or since else list(proven(group))
        now = _Now(Proof(plan, group, ports, pointer), case, since, recheck)
        found, failures = now.group(resolved, tables, progress)
        verdicts += found
        raise_first(group, failures)
    return tuple(verdicts)


@dataclass(frozen=True, slots=True)
class _Now:
    """One group, compared as it is now."""

    proof: Proof
    case: Case
    since: date | None
    recheck: Recheck | None

    def group(
        self, resolved: list[kpi.ResolvedKpi], tables: list[tuple[TablePlan, LakeTable]], progress: Progress
    ) -> tuple[list[Verdict], Failures]:
        """All verdicts of one instant, and what kept checks from being made."""
        for left in reversed(range(TRIES)):
            found: list[Verdict] = []
            failures: Failures = []
            try:
                self._once(resolved, tables, progress, found, failures)
            except SourceLostError:
                if not left and not failures:
                    raise
            else:
                if not any(isinstance(error, SourceLostError) for _, error in failures):
                    break
            if left:
                progress("the source was lost; compare again", 0, 0)
        if self.recheck and not failures:
            progress("measure again what differs", 0, 0)
            found = list(self.recheck.again(self.proof, self.case, found, self._stem))
        for verdict in found:
            keep_look(self.proof.ports, f"{self._stem(verdict.kind, verdict.subject)}.json", verdict)
        return found, failures

    def _once(
        self,
        resolved: list[kpi.ResolvedKpi],
        tables: list[tuple[TablePlan, LakeTable]],
        progress: Progress,
        found: list[Verdict],
        failures: Failures,
    ) -> None:
        drift = _drift(self.proof.group, self.proof.ports) if tables else ()
        counts: dict[str, dict[str, int]] = {}

        def guarded(table: TablePlan) -> None:
            """Figures are only taken over what the declared types hold: a cast would round the rest without a word."""
            if table.name not in counts:
                counts[table.name] = count_guarded(cut, table)
            refuse(table, counts[table.name])

        with self.proof.ports.source.cut() as cut:
            for n, (name, work) in enumerate(self._works(cut, guarded, resolved, tables, drift)):
                progress(f"compare {name}", n, len(resolved) + len(tables))
                verdict, error = work()
                found.append(verdict)
                failures += [(verdict, error)] if error else []

    def _works(
        self,
        cut: CutReader,
        guarded: Callable[[TablePlan], None],
        resolved: list[kpi.ResolvedKpi],
        tables: list[tuple[TablePlan, LakeTable]],
        drift: tuple[Finding, ...],
    ) -> Iterator[tuple[str, Callable[[], tuple[Verdict, Exception | None]]]]:
        for r in resolved:
            yield r.spec.name, lambda r=r: self._kpi(cut, guarded, r)  # type: ignore[misc]
        for table, lake in tables:
            mine = tuple(f for f in drift if f.table == lake.name)
            yield f"rows of {lake.name}", lambda t=table, k=lake, m=mine: self._rows(cut, guarded, t, k, m)  # type: ignore[misc]

    def _kpi(
        self, cut: CutReader, guarded: Callable[[TablePlan], None], r: kpi.ResolvedKpi
    ) -> tuple[Verdict, Exception | None]:
        ports, pointer, most = self.proof.ports, self.proof.pointer, self.proof.plan.migration.parity.max_cells
        since = self.since.isoformat() if self.since else ""
        basis = {"at": self.case.at.isoformat(), "since": since} | kpi_subject(r, ports, pointer)
        inputs = inputs_of("kpi now", basis)
        stem = self._stem("kpi", r.spec.name)

        def work() -> Verdict:
            for plan, _ in r.tables:
                guarded(plan)
            taken = take_source(ports, f"{stem}-source.parquet", cut, r, most)
            files = lake_inputs(ports, r, pointer.tables)
            measured = measure(ports, r, taken, files, stem, since=self.since, at=cut.taken_at)
            rules = rules_sql(r.calendar, r.plan.dialect)
            check_rules(ports, r, measured.differences, lambda: cut.query(rules))
            return replace(kpi_verdict(self.case, r, inputs, measured), basis=basis)

        return judge(self.case, "kpi", r.spec.name, inputs, work, secrets_of(ports))

    def _rows(
        self,
        cut: CutReader,
        guarded: Callable[[TablePlan], None],
        table: TablePlan,
        lake: LakeTable,
        drift: tuple[Finding, ...],
    ) -> tuple[Verdict, Exception | None]:
        ports = self.proof.ports
        inputs = digest("rows now", RULE_VERSION, self.case.at.isoformat(), lake.name, *_pins(self.proof.pointer))

        def work() -> Verdict:
            guarded(table)
            return prove_now(self.proof, self.case, table, lake, cut, inputs, self._stem("rows", lake.name), drift)

        return judge(self.case, "rows", lake.name, inputs, work, secrets_of(ports))

    def _stem(self, kind: str, subject: str) -> str:
        folder = evidence_prefix(self.case.migration, self.case.group, self.case.cut_id)
        name = subject if kind == "kpi" else f"{kind}-{subject}"
        return f"{folder}/now/{self.case.at:%Y%m%dT%H%M%S%fZ}/{name}"


def _pins(pointer: Pointer) -> list[str]:
    return [f"{name} {pin}" for name, pin in sorted(pointer.tables.items())]


def _drift(group: GroupPlan, ports: Ports) -> tuple[Finding, ...]:
    """Columns whose type at the source is another than the plan was made for."""
    wanted = {plan.label: plan for plan in group.tables}
    found = []
    for source in ports.source.describe(list(wanted)):
        plan = wanted.get(source.label)
        types = {c.name: c.type for c in source.columns}
        for landed in plan.columns if plan else ():
            now = types.get(landed.source)
            if plan and now not in {None, landed.source_type}:
                found.append(_drifted(plan, landed.source, landed.source_type, str(now)))
    return tuple(found)


def _drifted(plan: TablePlan, source: str, planned: str, now: str) -> Finding:
    name = next((c.name for c in plan.lake[0].columns if c.source == source), source)
    return Finding(
        plan.name,
        "source-lake",
        kind="type",
        table=plan.name,
        column=name,
        expected=now,
        found=planned,
        types=(now, next((c.type for c in plan.lake[0].columns if c.source == source), "")),
        message=f"the source's column {source} is {now} now; the lake was planned for {planned}",
    )
