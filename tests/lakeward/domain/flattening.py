"""Plans for flattening tests, made by the planner, and rows run through the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakeward.adapters.duck import DuckEngine
from lakeward.domain.duck import Rows, bad_rows
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.flatten import MISFIT, table_sql
from lakeward.domain.flatten_checks import counts_sql, faults_sql, quarantine_sql
from lakeward.domain.partition import order_by
from lakeward.domain.planning import plan_table
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.errors import DataError
from lakeward.ports import Input
from lakeward.spec.models import TableSpec


def make_plan(form: str = "jsonb", samples: Sequence[str] = (), **spec: object) -> TablePlan:
    """A table ``t`` with the key ``id`` and a nested column ``doc`` of a source's type."""
    columns = (SourceColumn("id", "int8", "int8", nullable=False), SourceColumn("doc", form, form, nullable=True))
    source = SourceTable("public", "t", "table", columns, ("id",), (), False, False, True, 0, 0)
    return plan_table(TableSpec.model_validate({"table": "public.t", **spec}), source, lambda *_: samples)


@dataclass
class Flattened:
    """What became of some records."""

    tables: dict[str, list[dict[str, object]]]
    bad: dict[int, tuple[str, str]]  # id of the row: reason, column
    quarantine: list[dict[str, object]]
    read: dict[str, int]
    set_aside: dict[str, int]


def flatten(plan: TablePlan, docs: Sequence[str | None], folder: Path, files: int = 1) -> Flattened:
    """Run records through every statement, as the step does."""
    engine = DuckEngine(temp_dir=folder / "spill")
    rows = pa.table({"id": pa.array(range(len(docs)), pa.int64()), "doc": pa.array(docs, pa.string())})
    urls = []
    for n in range(files):
        urls.append(str(folder / f"{n}.parquet"))
        pq.write_table(
            rows.slice(n * len(docs) // files, (n + 1) * len(docs) // files - n * len(docs) // files), urls[-1]
        )
    inputs: dict[str, Input] = {plan.name: FileSet(tuple(urls), StorageAccess(), ())}
    sql = faults_sql(plan)
    assert sql is not None
    bad = engine.table(sql, inputs)
    inputs[bad_rows(plan.name)] = bad
    quarantine = engine.table(quarantine_sql(plan, "c1"), inputs).to_pylist()
    sql = {t.name: f"SELECT * FROM ({table_sql(plan, t, Rows.GOOD)}) {order_by(t)}" for t in plan.lake}
    tables = {name: engine.table(rows, inputs).to_pylist() for name, rows in sql.items()}
    check_strict(plan, engine, inputs, bad.num_rows, tables)
    named = 'SELECT id, reason, column_name FROM "t#rows" JOIN "t#bad" USING ("#file", "#row")'
    reasons = engine.table(named, inputs).to_pylist()
    return Flattened(
        tables,
        {r["id"]: (r["reason"], r["column_name"]) for r in reasons},
        quarantine,
        _only(engine.table(counts_sql(plan, Rows.ALL), inputs)),
        _only(engine.table(counts_sql(plan, Rows.BAD), inputs)),
    )


def check_strict(
    plan: TablePlan,
    engine: DuckEngine,
    inputs: Mapping[str, Input],
    bad: int,
    tables: Mapping[str, Sequence[Mapping[str, object]]],
) -> None:
    """Read at one go, records give the same rows or, where one does not fit, none at all."""
    for rows in (Rows.ALL, Rows.GOOD):
        read = strict(plan, engine, inputs, rows)
        assert read is None or _unordered(read) == _unordered(tables)
        assert read is None or rows is Rows.GOOD or not bad


def _unordered(tables: Mapping[str, Sequence[Mapping[str, object]]]) -> dict[str, list[str]]:
    return {name: sorted(map(repr, rows)) for name, rows in tables.items()}


def strict(
    plan: TablePlan, engine: DuckEngine, inputs: Mapping[str, Input], rows: Rows
) -> dict[str, list[dict[str, object]]] | None:
    """The lake's rows read without looking for faults first; None when a record may not fit."""
    nested = [n.source for n in plan.nested]
    sql = {t.name: table_sql(plan, t, rows, exact=nested, strict=True) for t in plan.lake}
    try:
        return {name: engine.table(text, inputs).to_pylist() for name, text in sql.items()}
    except DataError as error:
        if MISFIT in str(error):
            return None
        raise


def _only(table: pa.Table) -> dict[str, int]:
    (row,) = table.to_pylist()
    return dict(row)


def by_id(rows: Sequence[Mapping[str, object]]) -> dict[object, dict[str, object]]:
    """Rows by their id, without it."""
    return {row["id"]: {k: v for k, v in row.items() if k != "id"} for row in rows}
