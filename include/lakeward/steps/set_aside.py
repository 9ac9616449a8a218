"""Find what of a group's landing must be set aside: records that do not fit, and rows that refer to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeward.domain.duck import FILE, ROW, Rows, bad_rows
from lakeward.domain.facts import GroupPlan, LakeTable, ReferencePlan, TablePlan
from lakeward.domain.file_facts import FileSet, Manifest
from lakeward.domain.flatten_checks import counts_sql, faults_sql, inexact_sql, quarantine_sql, referring_sql
from lakeward.errors import DataError
from lakeward.ports import Engine, Input, Ports, Progress

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 5


@dataclass(slots=True)
class SetAside:
    """The landing of a group as SQL reads it, and what is known of it.

    ``bad`` holds a main table's ids of rows that are set aside, with reason and column; tables without any are not in it.
    ``exact`` are the nested columns of a main table that hold no inexact number.
    """

    group: GroupPlan
    landed: Mapping[str, FileSet]
    bad: dict[str, pa.Table] = field(default_factory=dict)
    exact: dict[str, frozenset[str]] = field(default_factory=dict)

    def inputs(self, *tables: str) -> dict[str, Input]:
        """The inputs of SQL over these main tables."""
        return {t: self.landed[t] for t in tables} | {bad_rows(t): self.bad[t] for t in tables if t in self.bad}

    def rows(self, table: str) -> Rows:
        """Which rows of a main table go to the lake."""
        return Rows.GOOD if table in self.bad else Rows.ALL

    def counts(self, plan: TablePlan, engine: Engine) -> dict[str, tuple[int, int]]:
        """Rows of each lake table of a source table that are in the landing, and that are set aside."""
        read = _one(engine.table(counts_sql(plan, Rows.ALL), self.inputs(plan.name)))
        gone = {}
        if plan.name in self.bad:
            gone = _one(engine.table(counts_sql(plan, Rows.BAD), self.inputs(plan.name)))
        return {name: (count, gone.get(name, 0)) for name, count in read.items()}


def landing_of(group: GroupPlan, manifest: Manifest, ports: Ports) -> SetAside:
    """The landing with nothing set aside yet."""
    columns = {plan.name: tuple((c.source, c.type) for c in plan.columns) for plan in group.tables}
    files = {t.table: tuple(f.url for f in t.files) for t in manifest.tables}
    return SetAside(group, {name: FileSet(files[name], ports.store.access, columns[name]) for name in columns})


def set_aside(landing: SetAside, rows: Mapping[str, int], engine: Engine, progress: Progress) -> None:
    """Fill in what must be set aside; DataError when it is more of a table than the group permits.

    :param rows: how many landed in each table.
    """
    for done, plan in enumerate(landing.group.tables):
        progress("check records", done, len(landing.group.tables))
        _judge(landing, plan, rows[plan.name], engine)
    progress("check records", len(landing.group.tables), len(landing.group.tables))
    _follow(landing, engine)
    for plan in landing.group.tables:
        if plan.name in landing.bad:
            _refuse(landing, plan, landing.bad[plan.name].num_rows, rows[plan.name], engine)


def _judge(landing: SetAside, plan: TablePlan, rows: int, engine: Engine) -> None:
    import pyarrow as pa

    inputs = landing.inputs(plan.name)
    if sql := inexact_sql(plan):
        landing.exact[plan.name] = frozenset(name for name, held in _one(engine.table(sql, inputs)).items() if not held)
    sql = faults_sql(plan, exact=landing.exact.get(plan.name, ()))
    if not sql:
        return
    kept: list[pa.RecordBatch] = []
    found, most = 0, landing.group.max_quarantine_share * rows
    with engine.stream(sql, inputs) as reader:
        for batch in reader:
            found += batch.num_rows
            if found <= most or not kept:  # what is too much is counted only
                kept.append(batch)
        if found:
            landing.bad[plan.name] = pa.Table.from_batches(kept, reader.schema)
    if found > most:
        _refuse(landing, plan, found, rows, engine)


def _follow(landing: SetAside, engine: Engine) -> None:
    """Set aside what refers to rows that are set aside, until nothing more does."""
    import pyarrow as pa

    references = [r for r in landing.group.references if r.origin != "parent"]
    grown = bool(landing.bad)
    while grown:
        grown = False
        for reference in references:
            table, to = (_find(landing.group, name) for name in (reference.table, reference.to))
            if to[0].name not in landing.bad:
                continue
            found = engine.table(*_referring(landing, reference, table, to))
            if found.num_rows:
                name, grown = table[0].name, True
                before = [landing.bad[name]] if name in landing.bad else []
                landing.bad[name] = pa.concat_tables([*before, found.select([FILE, ROW, "reason", "column_name"])])


def _referring(
    landing: SetAside, reference: ReferencePlan, table: tuple[TablePlan, LakeTable], to: tuple[TablePlan, LakeTable]
) -> tuple[str, dict[str, Input]]:
    rows = landing.rows(table[0].name)
    return referring_sql(reference, table, to, rows), landing.inputs(table[0].name, to[0].name)


def _find(group: GroupPlan, name: str) -> tuple[TablePlan, LakeTable]:
    return next((plan, table) for plan in group.tables for table in plan.lake if table.name == name)


def _refuse(landing: SetAside, plan: TablePlan, found: int, rows: int, engine: Engine) -> None:
    """DataError when too many rows of a table are set aside."""
    most = landing.group.max_quarantine_share
    if found <= most * rows:
        return
    sql = f"SELECT row_key, reason FROM ({quarantine_sql(plan, landing.group.cut_id)}) ORDER BY ALL LIMIT {_SHOWN}"
    first = engine.table(sql, landing.inputs(plan.name)).to_pylist()
    shown = "\n  ".join(f"{row['row_key'] or 'a row'}: {row['reason']}" for row in first)
    raise DataError(
        f"{plan.label}: {found} of {rows} rows ({found / rows:.2%}) would be quarantined, more than the permitted "
        f"{most:.2%}. The first are\n  {shown}",
        todo="Repair them at the source, declare the types that the records have, or raise quarantine.max_share of the group.",
    )


def _one(table: pa.Table) -> dict[str, int]:
    (row,) = table.to_pylist()
    return dict(row)
