"""Look again at what differed, after a while and in a new snapshot of a source that moves: what is equal then is no finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from lakeward.domain import kpi
from lakeward.domain.evidence import Finding, Outcome, Verdict
from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.file_facts import FileSet
from lakeward.domain.kpi_compare import finding, same_cells_sql
from lakeward.domain.rows import keyed
from lakeward.domain.sides import LAKE
from lakeward.domain.words import counted
from lakeward.domain.zone_rules import rules_sql
from lakeward.errors import SourceLostError
from lakeward.ports import CutReader
from lakeward.reader import resolve
from lakeward.steps.drill import resolved_kpi
from lakeward.steps.figures import SHOWN, Differences, store_stream, take_source
from lakeward.steps.locate import Located, Side, local, locate
from lakeward.steps.measure import Case, kpi_verdict, lake_inputs, measure, table_files
from lakeward.steps.rows import Proof, Said, findings_of, less_quarantine, proven
from lakeward.steps.zone_rules import check_rules

_APART = (
    "SELECT count(*) FILTER (WHERE NOT open) AS failed, count(*) FILTER (WHERE open) AS open_failed FROM differences"
)

Pause = Callable[[timedelta], None]
"""Waits; whoever passes it in can be interrupted."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """How long to wait before what differed is measured again, and who waits."""

    after: timedelta
    pause: Pause

    def again(
        self, proof: Proof, case: Case, verdicts: Sequence[Verdict], stem: Callable[[str, str], str]
    ) -> tuple[Verdict, ...]:
        """The verdicts, those that failed measured once more: only what differed both times is a finding.

        Nothing waits when nothing differs.
        """
        if not any(v.failed and v.outcome in {"fail", "warn"} for v in verdicts):
            return tuple(verdicts)
        self.pause(self.after)
        try:
            return self._once(proof, case, verdicts, stem)
        except SourceLostError:  # all of it anew, in another snapshot; a second loss is told
            return self._once(proof, case, verdicts, stem)

    def _once(
        self, proof: Proof, case: Case, verdicts: Sequence[Verdict], stem: Callable[[str, str], str]
    ) -> tuple[Verdict, ...]:
        pointer = resolve(proof.ports.store, case.migration, case.group)
        with proof.ports.source.cut() as cut:
            look = _Look(replace(proof, pointer=pointer), case, cut, f"on recheck after {_seconds(self.after)}")
            rows = {v.subject: look.rows(v, stem(v.kind, v.subject)) for v in verdicts if v.kind == "rows"}
            return tuple(
                rows[v.subject] if v.kind == "rows" else look.kpi(v, rows, stem(v.kind, v.subject)) for v in verdicts
            )


@dataclass(frozen=True, slots=True)
class _Look:
    """One group, looked at again in one snapshot of the source; ``when`` is told."""

    proof: Proof
    case: Case
    cut: CutReader
    when: str

    def rows(self, verdict: Verdict, stem: str) -> Verdict:
        """A verdict on rows: the rows that differed, read again on both sides."""
        if verdict.outcome != "fail":
            return verdict
        plan, table = next((p, t) for p, t in proven(self.proof.group) if t.name == verdict.subject)
        found = findings_of(self.proof.ports, verdict)
        changed = tuple(f for f in found if f.kind == "type" and not f.key)
        before = [f for f in found if f not in changed]
        if not before:
            return verdict
        located = self._located(plan, table, before)
        places = {_place(f) for f in before}
        still = tuple(f for f in located.findings if _place(f) in places)
        settled = len(places) - len({_place(f) for f in still})
        said = Said(
            self.proof,
            self.case,
            table,
            verdict.inputs_hash,
            verdict.checked,
            len(table.columns),
            stem,
            f"{counted(settled, 'row')} settled {self.when}",
        )
        files = tuple(file for file in verdict.files if file.url.endswith(".parquet"))
        return said.verdict(Located((*changed, *still), verdict.whole and located.whole, located.queries), files)

    def _located(self, plan: TablePlan, table: LakeTable, before: Sequence[Finding]) -> Located:
        ports, subject = self.proof.ports, self.proof.subject(plan, table)
        source, lake = subject.source(), subject.lake()
        if table.key:
            keys = list(dict.fromkeys(tuple(None if p is None else str(p) for p in f.key) for f in before))
            source, lake = (replace(rows, where=keyed(rows, keys)) for rows in (source, lake))
        files = table_files(ports, table, self.proof.pointer.tables)
        sides = Side(source, self.cut.query), Side(lake, local(ports.engine, {LAKE: files}))
        blank = Finding(table.name, "source-lake", table=table.name)
        found = locate(*sides, ports.engine, plan, self.proof.known(table), blank)
        return replace(found, findings=less_quarantine(self.proof, plan, found.findings))

    def kpi(self, verdict: Verdict, rows: dict[str, Verdict], stem: str) -> Verdict:
        """A verdict on a figure: cells that differ again. When all rows of its tables are equal by now, so is every figure."""
        file = verdict.differences_file
        if file is None or verdict.outcome not in {"fail", "warn"}:
            return verdict
        ports, r = self.proof.ports, resolved_kpi(self.proof.plan, self.proof.group, verdict.subject)
        of_tables = [rows.get(table.name) for _, table in r.tables]
        # Two texts may say different things of equal rows.
        if not r.hand and all(one is not None and one.outcome == "pass" for one in of_tables):
            told = f"all of {counted(verdict.failed, 'cell')} that differed settled {self.when}: the rows behind them are equal"
            return replace(verdict, outcome=Outcome.PASS, summary=told, failed=0, open_failed=0, findings=())
        stem = f"{stem}-recheck"
        source = take_source(ports, f"{stem}-source.parquet", self.cut, r, self.proof.plan.migration.parity.max_cells)
        lake = lake_inputs(ports, r, self.proof.pointer.tables)
        again = measure(ports, r, source, lake, stem, at=self.cut.taken_at)
        if again.differences.file is None:
            again = replace(again, differences=Differences(verdict.checked, 0, open=verdict.open))
        else:
            columns = kpi.difference_columns(r)
            inputs = {
                name: FileSet((f.url,), ports.store.access, columns)
                for name, f in (("now", again.differences.file), ("before", file))
            }
            head: list[dict[str, object]] = []
            with ports.engine.stream(same_cells_sql(r), inputs) as batches:
                both = store_stream(ports.store, f"{stem}-differences.parquet", batches, head)
            cells = tuple(finding(r.spec, "source-lake", cell) for cell in head[:SHOWN])
            hidden = sum(cell.kind == "offsetting" and not cell.open for cell in cells)
            inputs = {"differences": FileSet((both.url,), ports.store.access, columns)}
            (row,) = ports.engine.table(_APART, inputs).to_pylist()
            left = Differences(verdict.checked, row["failed"], hidden, cells, both, verdict.open, row["open_failed"])
            check_rules(ports, r, left, lambda: self.cut.query(rules_sql(r.calendar, r.plan.dialect)))
            again = replace(again, differences=left)
        files = (*again.files[:2], *([again.differences.file] if again.differences.file else ()))
        settled = verdict.failed - again.differences.failed
        made = kpi_verdict(self.case, r, verdict.inputs_hash, replace(again, files=files))
        return replace(
            made, basis=verdict.basis, summary=f"{made.summary}; {counted(settled, 'cell')} settled {self.when}"
        )


def _place(found: Finding) -> tuple[object, ...]:
    """Which row a finding is on; without a key its values tell."""
    return found.key or tuple(found.values.items())


def _seconds(after: timedelta) -> str:
    return f"{after.total_seconds():g} s"
