"""Filters on partition columns and sorted ones, flattened out of JSON or not, plan fewer files; what the plan says is what happens."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.expressions import (
    BooleanExpression,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    StartsWith,
)
from tests.lakes import MIGRATION, batch, open_lake, sql_connection

from lakeward.adapters.duck import DuckEngine
from lakeward.domain.duck import Rows
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.flatten import table_sql
from lakeward.domain.partition import order_terms
from lakeward.domain.planning import plan_table
from lakeward.domain.pruning import pruning
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.spec.models import TableSpec

ROWS = 40_000
COLUMNS = {"id": "int8", "at": "timestamptz", "code": "text", "payload": "jsonb"}
RAW = f"""
SELECT i AS id, TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_hours(CAST(i % 4000 AS INT)) AS at, md5(i::VARCHAR) || md5((i * 7)::VARCHAR) AS code,
    CASE WHEN i % 100 = 0 THEN NULL ELSE format('{{{{"city": "{{}}", "sku": "{{:02d}}-{{}}", "score": {{}}}}}}',
        ['Bern', 'Genève', '東京'][1 + i % 3], i % 20, i, (i * 7919) % {ROWS}) END AS payload
FROM range({ROWS}) t(i)
"""


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw table as the landing holds it."""
    path = tmp_path_factory.mktemp("raw") / "visits.parquet"
    with duckdb.connect() as con:
        con.execute(f"SET TimeZone = 'UTC'; COPY ({RAW}) TO '{path}'")
    return path


def planned(partition: list[str], sort: list[str]) -> TablePlan:
    fields = {"city": "string", "sku": "string", "score": "long"}
    spec = TableSpec.model_validate(
        {
            "table": "public.visits",
            "flatten": [{"column": "payload", "fields": fields, "prefix": ""}],
            "partition": partition,
            "sort": sort,
        }
    )
    columns = tuple(SourceColumn(name, kind, kind, nullable=name != "id") for name, kind in COLUMNS.items())
    source = SourceTable("public", "visits", "table", columns, ("id",), (), False, False, True, 0, 0)
    return plan_table(spec, source, lambda *_: ())


@pytest.mark.parametrize(
    ("partition", "sort", "asked", "rows"),
    [
        (["month(at)"], [], LessThan("at", "2024-02-01T00:00:00+00:00"), 7440),
        (["city"], [], EqualTo("city", "東京"), 13_200),
        (["city"], [], IsNull("city"), 400),
        (["bucket(8, id)"], [], EqualTo("id", 4711), 1),
        (["bucket(8, id)"], [], In("id", [1, 2]), 2),
        (["bucket(8, code)"], [], EqualTo("code", "no such code"), 0),
        (["truncate(1, sku)"], [], StartsWith("sku", "07-"), 2000),
        (["truncate(2, sku)"], [], GreaterThanOrEqual("sku", "19"), 2000),
        (["truncate(10000, id)"], [], LessThan("id", 5), 5),
        ([], ["score"], LessThan("score", 100), 99),
        ([], ["-score"], GreaterThan("score", 39_900), 99),
        (["city"], ["score"], EqualTo("score", 7919), 1),
        ([], ["city", "score"], EqualTo("city", "Bern"), 13_200),
    ],
)
def test_fewer_files_are_planned_and_no_row_is_missed(
    landed: Path, tmp_path: Path, partition: list[str], sort: list[str], asked: BooleanExpression, rows: int
) -> None:
    plan = planned(partition, sort)
    (table,) = plan.lake
    raw = FileSet((str(landed),), StorageAccess(), tuple((c.source, c.type) for c in plan.columns))
    lake = open_lake(sql_connection(tmp_path))
    lake.prepare([table], MIGRATION)
    sql = table_sql(plan, table, Rows.ALL)
    with DuckEngine(temp_dir=tmp_path).ordered(sql, order_terms(table), {"visits": raw}, ROWS) as batches:
        small = (b.slice(n, 2000) for b in batches for n in range(0, b.num_rows, 2000))
        files = lake.write(table, pa.RecordBatchReader.from_batches(batches.schema, small), "try1", lambda *_: None)
    lake.commit([batch("c1", files, table)], "c1", MIGRATION)
    scan = lake._open("visits").scan(row_filter=asked)
    every, few = len(files), len(list(scan.plan_files()))
    assert every >= 3
    assert few < every
    assert scan.to_arrow().num_rows == rows
    named = asked.term.name  # type: ignore[attr-defined]
    assert any(line.startswith(f"filters on {named} read fewer files: ") for line in pruning(table))
    other = "code" if named != "code" else "score"
    assert f" {other}" in pruning(table)[-1]
    unsorted = GreaterThan("code", "5") if other == "code" else GreaterThan("score", 20_000)
    assert len(list(lake._open("visits").scan(row_filter=unsorted).plan_files())) == every
    lake.close()
