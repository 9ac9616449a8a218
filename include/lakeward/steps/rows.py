"""Prove that every column of every row of a table is in the lake as the source has it: verdicts of kind ``rows``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeward.domain.evidence import Finding, Outcome, Pointer, Verdict
from lakeward.domain.facts import GroupPlan, LakeTable, Plan, TablePlan
from lakeward.domain.file_facts import FileFact, FileSet, Manifest, Staged
from lakeward.domain.identity import batch_id
from lakeward.domain.kpi_resolve import ResolvedKpi, resolve_all
from lakeward.domain.quarantine import quarantine_table
from lakeward.domain.row_classes import Known
from lakeward.domain.row_findings import attribution, for_kpis, known_of
from lakeward.domain.rows import EXPECTED, FIGURES, FOUND, differing_sql, figures_sql, total_sql
from lakeward.domain.sides import LAKE, Subject, whole
from lakeward.domain.sql import ident, text
from lakeward.domain.stored import to_json
from lakeward.domain.words import counted
from lakeward.ports import CutReader, Input, Ports, silent
from lakeward.steps.figures import SHOWN, take_figures, taken_figures, write_figures
from lakeward.steps.locate import Located, Side, local, locate
from lakeward.steps.measure import Case, cut_basis, cut_files, table_files
from lakeward.steps.set_aside import SetAside, landing_of, set_aside

if TYPE_CHECKING:
    import pyarrow as pa

RULE_VERSION = "1"
"""Grows when rows are hashed or compared otherwise: then everything is measured anew."""
_FOUND = ".findings"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the verdicts on a group's rows need."""

    plan: Plan
    group: GroupPlan
    ports: Ports
    pointer: Pointer
    source: CutReader | None = None  # the cut's snapshot, as long as it is open

    def subject(self, table: TablePlan, lake: LakeTable) -> Subject:
        """A table with all its columns."""
        return whole(table, lake, self.plan.migration.kpis, self.plan.migration.calendar)

    def known(self, lake: LakeTable) -> Known:
        """What the plan tells of a table's columns."""
        return known_of(self.group, self._kpis, self.plan.migration.calendar, lake.name)

    def named(self, findings: Sequence[Finding], lake: LakeTable) -> tuple[Finding, ...]:
        """Findings with the figures that they enter."""
        reading = [r for r in self._kpis if any(table.name == lake.name for _, table in r.tables)]
        return for_kpis(findings, {r.spec.name: r.entering(lake.name) for r in reading})

    @property
    def _kpis(self) -> tuple[ResolvedKpi, ...]:
        return resolve_all(self.plan, self.group)


def proven(group: GroupPlan) -> Iterator[tuple[TablePlan, LakeTable]]:
    """Every lake table whose rows are to be proved."""
    return ((plan, table) for plan in group.tables if plan.prove_rows for table in plan.lake)


def rows_file(lake: LakeTable) -> str:
    """What the name of the file with the source's fingerprints of a lake table ends with."""
    return f"/rows/{lake.name}.parquet"


def source_figures_sql(plan: Plan, table: TablePlan, lake: LakeTable) -> str:
    """The source's own fingerprints of a lake table; columns as ``FIGURES``."""
    return figures_sql(whole(table, lake, plan.migration.kpis, plan.migration.calendar).source())


def rows_basis(manifest: Manifest, staged: Staged, lake: LakeTable, ports: Ports, pointer: Pointer) -> dict[str, str]:
    """Everything that the verdict on a table's rows depends on."""
    figures = next((f.checksum for f in manifest.figures if f.url.endswith(rows_file(lake))), "none")
    qualified = ports.lake.qualified(lake.name)
    return {
        "rule": RULE_VERSION,
        **cut_basis(manifest),
        "figures": figures,
        "staged": f"{staged.table(lake.name).quarantined} quarantined",
        "table": qualified,
        "snapshot": str(pointer.content.get(qualified)),
    }


def prove_cut(
    proof: Proof,
    case: Case,
    table: TablePlan,
    lake: LakeTable,
    manifest: Manifest,
    staged: Staged,
    stem: str,
    inputs: str,
) -> Verdict:
    """The verdict on a table's rows at the cut; a difference is followed from the landing into the lake, down to cells."""
    ports, subject = proof.ports, proof.subject(table, lake)
    source = taken_figures(ports.store, manifest, rows_file(lake), f"rows of {lake.name}")
    files = cut_files(ports, proof.group, lake, proof.pointer.tables)
    taken = take_figures(ports, figures_sql(subject.lake()), {LAKE: files}, f"{stem}-lake.parquet")
    rows, differing = _beside(ports, source, taken)
    said = Said(proof, case, lake, inputs, rows, len(subject.names), stem)
    if not differing:
        return said.verdict(Located((), whole=True, queries=0), (source, taken))
    if manifest.figures_only and proof.source:
        return _follow(proof, said, table, proof.source, files, (source, taken))
    if manifest.round or manifest.figures_only:  # what has landed tells nothing of all the other rows
        return said.verdict(Located((), whole=False, queries=0), (source, taken))
    aside = _landing(proof, manifest, staged)
    landed = local(ports.engine, aside.inputs(table.name))
    lake_side = Side(subject.lake(), local(ports.engine, {LAKE: files}))
    good = Side(subject.landing(aside.rows(table.name)), landed)
    blank = Finding(lake.name, "landing-lake", table=lake.name)
    located = locate(good, lake_side, ports.engine, table, proof.known(lake), blank)
    kept = less_quarantine(proof, table, located.findings, case.cut_id if proof.group.windowing else "")
    early = _early(ports, table, lake, source, landed(figures_sql(subject.landing())), aside, differing)
    return said.verdict(Located((*early, *kept), located.whole, 0), (source, taken), looked=True)


def prove_now(
    proof: Proof,
    case: Case,
    table: TablePlan,
    lake: LakeTable,
    cut: CutReader,
    inputs: str,
    stem: str,
    drift: tuple[Finding, ...] = (),
) -> Verdict:
    """The verdict on a table's rows as the source has them now; ``drift`` are its columns whose type has changed."""
    ports, subject = proof.ports, proof.subject(table, lake)
    source = write_figures(ports, f"{stem}-source.parquet", cut.query(source_figures_sql(proof.plan, table, lake)))
    files = table_files(ports, lake, proof.pointer.tables)
    taken = take_figures(ports, figures_sql(subject.lake()), {LAKE: files}, f"{stem}-lake.parquet")
    rows, differing = _beside(ports, source, taken)
    said = Said(proof, case, lake, inputs, rows, len(subject.names), stem)
    if not differing:
        return said.verdict(Located(drift, whole=True, queries=1), (source, taken))
    return _follow(proof, said, table, cut, files, (source, taken), drift)


def _follow(
    proof: Proof,
    said: Said,
    table: TablePlan,
    cut: CutReader,
    files: FileSet,
    taken: tuple[FileFact, FileFact],
    drift: tuple[Finding, ...] = (),
) -> Verdict:
    """The verdict on rows whose fingerprints differ, followed from the source's snapshot into the lake."""
    ports, lake = proof.ports, said.lake
    subject = proof.subject(table, lake)
    sides = Side(subject.source(), cut.query), Side(subject.lake(), local(ports.engine, {LAKE: files}))
    blank = Finding(lake.name, "source-lake", table=lake.name)
    figures: tuple[Input, Input] = (_figures(ports, taken[0]), _figures(ports, taken[1]))
    located = locate(*sides, ports.engine, table, proof.known(lake), blank, figures)
    kept = less_quarantine(proof, table, located.findings)
    return said.verdict(Located((*drift, *kept), located.whole, located.queries + 1), taken, looked=True)


@dataclass(frozen=True, slots=True)
class Said:
    """Makes the verdict on one table; ``settled`` tells of rows that differed at first."""

    proof: Proof
    case: Case
    lake: LakeTable
    inputs: str
    rows: int
    columns: int
    stem: str
    settled: str = ""

    def verdict(self, located: Located, files: tuple[FileFact, ...], *, looked: bool = False) -> Verdict:
        """Pass when nothing was found; ``looked``: though fingerprints differ."""
        findings = self.proof.named(located.findings, self.lake)
        asked = [*([self.settled] if self.settled else []), *([_times(located.queries)] if located.queries else [])]
        if not findings and located.whole:
            why = " in value; rows that differ are in quarantine, or only spelled otherwise" if looked else ""
            told = [
                f"{counted(self.rows, 'row')} of {counted(self.columns, 'column')} {'is' if self.rows == 1 else 'are'} equal{why}",
                *asked,
                *self.lake.drift,
            ]
            return self._verdict(Outcome.PASS, "; ".join(told), 0, (), files)
        store = self.proof.ports.store
        data = to_json(findings)
        key = f"{self.stem}{_FOUND}"
        files = (*files, FileFact(store.url(key), len(findings), len(data), store.put(key, data)))
        differing = len({f.key or id(f) for f in findings})
        more = "" if located.whole else "at least "
        hidden = sum(not f.kpis for f in findings)
        told = [f"{more}{differing} of {self.rows} rows differ: {_classes(findings)}"]
        told += [f"{hidden} in columns that no KPI names"] if hidden else []
        shared = attribution(findings, self.proof.known(self.lake))
        told += [shared] if shared else []
        told += [f"batch {batch_id(self.case.cut_id, self.lake.name)}"]
        told += [*asked, *self.lake.drift]
        return self._verdict(
            Outcome.FAIL, "; ".join(told), max(differing, 1), findings[:SHOWN], files, whole=located.whole
        )

    def _verdict(
        self,
        outcome: Outcome,
        summary: str,
        failed: int,
        findings: tuple[Finding, ...],
        files: tuple[FileFact, ...],
        *,
        whole: bool = True,
    ) -> Verdict:
        return self.case.verdict(
            "rows",
            self.lake.name,
            self.inputs,
            outcome,
            summary,
            checked=self.rows,
            failed=failed,
            findings=findings,
            files=files,
            whole=whole,
        )


def _times(queries: int) -> str:
    return f"{queries} {'query' if queries == 1 else 'queries'} of the source"


def _classes(findings: Sequence[Finding]) -> str:
    counted: dict[str, int] = {}
    for finding in findings:
        name = f"{finding.kind} {finding.column}".strip()
        counted[name] = counted.get(name, 0) + 1
    return ", ".join(f"{times} {name}" for name, times in sorted(counted.items())) or "they are more than are looked at"


def _figures(ports: Ports, file: FileFact) -> FileSet:
    return FileSet((file.url,), ports.store.access, FIGURES)


def _beside(ports: Ports, source: FileFact, lake: FileFact) -> tuple[int, list[dict[str, object]]]:
    """How many rows the source has, and the buckets that differ."""
    inputs: dict[str, Input] = {EXPECTED: _figures(ports, source), FOUND: _figures(ports, lake)}
    rows = int(ports.engine.table(total_sql(), inputs).to_pylist()[0]["n"])
    return rows, ports.engine.table(differing_sql(), inputs).to_pylist()


def _landing(proof: Proof, manifest: Manifest, staged: Staged) -> SetAside:
    """The landing, with what was set aside when anything was."""
    landing = landing_of(proof.group, manifest, proof.ports)
    if any(t.quarantined for t in staged.tables):
        set_aside(landing, manifest.landed, proof.ports.engine, silent)
    return landing


def _early(
    ports: Ports,
    table: TablePlan,
    lake: LakeTable,
    source: FileFact,
    landed: pa.Table,
    aside: SetAside,
    differing: Sequence[Mapping[str, object]],
) -> tuple[Finding, ...]:
    """Buckets in which the landing is not what the source told; what cannot be read as declared shows only in the source's sums."""
    inputs: dict[str, Input] = {EXPECTED: _figures(ports, source), FOUND: landed}
    unlike = ports.engine.table(differing_sql(), inputs).to_pylist()
    buckets = {int(str(one["bucket"])) for one in differing}
    odd = [one for one in unlike if int(one["bucket"]) in buckets]
    if table.name in aside.bad:
        odd = [one for one in odd if one["expected_n"] != one["found_n"]]
    return tuple(
        Finding(
            lake.name,
            "source-landing",
            kind="source_landing",
            table=lake.name,
            expected=str(one["expected_n"]),
            found=str(one["found_n"]),
            message=f"bucket {one['bucket']}: {one['expected_n']} rows of the source are not the {one['found_n']} of the landing",
        )
        for one in odd
    )


def less_quarantine(
    proof: Proof, table: TablePlan, findings: tuple[Finding, ...], cut_id: str = ""
) -> tuple[Finding, ...]:
    """Findings without the rows that the lake lacks because they are in quarantine (of one cut)."""
    aside = quarantine_table(proof.group)
    pin = proof.pointer.tables.get(proof.ports.lake.qualified(aside.name))
    if pin is None or not any(f.kind == "missing" for f in findings):
        return findings
    files = proof.ports.lake.snapshot(aside, pin)
    sql = f"SELECT row_key FROM {ident(aside.name)} WHERE table_name = {text(table.name)}"
    sql += f" AND cut_id = {text(cut_id)}" if cut_id else ""
    keys = [row["row_key"] for row in proof.ports.engine.table(sql, {aside.name: files}).to_pylist()]
    if not table.lake[0].key:
        missing = sum(f.times for f in findings)
        explained = missing == len(keys) and all(f.kind == "missing" for f in findings)
        return () if explained else findings
    width = len(table.lake[0].key)
    known = {tuple(json.loads(key).values()) for key in keys if key}
    return tuple(f for f in findings if f.kind != "missing" or tuple(map(str, f.key[:width])) not in known)


def findings_of(ports: Ports, verdict: Verdict) -> tuple[Finding, ...]:
    """All findings of a verdict on rows, as they were stored."""
    from pydantic import TypeAdapter

    file = next((f for f in verdict.files if f.url.endswith(_FOUND)), None)
    found = ports.store.get(file.url.removeprefix(ports.store.url("x")[:-1])) if file else None
    return TypeAdapter(tuple[Finding, ...]).validate_json(found[0]) if found else ()
