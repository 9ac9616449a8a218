"""Figures of values inside documents: the source's own SQL, and the landing as the flatten step reads it, agree to the digit."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from kpi_support import ZURICH, Both, both, spec, unique

from lakeward.domain import kpi
from lakeward.domain.facts import GroupPlan
from lakeward.domain.kpi_landing import landing_sql
from lakeward.domain.planning import plan_table
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.lab import Lab
from lakeward.spec.models import TableSpec

FIELDS = {
    "price": "decimal(38,9)",
    "count": "long",
    "vat.rate": "decimal(4,4)",
    "name": "string",
    "ok": "boolean",
    "day": "date",
    "at": "timestamptz",
    "id": "uuid",
    '"we.ird key"': "string",
}
GOOD = [
    (
        '{"price": 12345678901234567890123456789.123456789, "count": 7, "vat": {"rate": 0.081}, "name": "a", "ok": true, "day": "2025-03-30",'
        ' "at": "2025-03-29T23:30:00+00:00", "id": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "we.ird key": "", "lines": [{"q": 2, "p": 1.10}, {"q": 3, "p": 0.1}],'
        ' "fees": {"card": 0.25, "it\'s \\"odd\\"": 1}}'
    ),
    (
        '{"price": -0.000000001, "count": 7.0, "vat": {"rate": null}, "name": null, "ok": false, "day": "0900-02-28", "at": "1969-12-31 23:59:59.999999Z",'
        ' "we.ird key": "é\\n\\"", "lines": [], "fees": {}}'
    ),
    '{"price": 1e2, "vat": {}, "name": "", "lines": [{"q": 1, "p": 1.005}, {"p": 5}, {"q": null, "p": 2}]}',
    '{"price": null, "count": -9223372036854775808, "name": "a", "lines": null, "fees": null}',
    "{}",
]
ODD = [
    '{"price": "12", "count": 1.5, "vat": 3, "name": {"a": 1}, "ok": "yes", "day": "2025-02-30", "at": "now", "id": "x", "lines": {"q": 1}, "fees": [1]}',
    '{"price": true, "count": 1e400, "vat": {"rate": [1]}, "name": [1, 2], "ok": 1, "day": "today", "at": "2025-01-01", "id": 5, "lines": "x", "fees": 1}',
    '{"price": 1e300, "count": 99999999999999999999, "day": "infinity", "at": "infinity", "lines": [1, null, [], "x", {"q": "a", "p": {}}]}',
    "[]",
    "null",
    "5",
    '"text"',
]
MALFORMED = ["", "{", "{'a': 1}", '{"price": NaN}', '{"name": "\\u0000"}', '{"name": "\\ud800"}']
MEASURES = {
    "sum(price)": {"date": "day", "dimensions": ("name", "ok")},
    "sum(count * vat_rate - 1.5)": {"dimensions": ("vat_rate",)},
    "count_distinct(price)": {"date": "at"},
    "max(at)": {"dimensions": ("we_ird_key", "id")},
    "min(id)": {},
    "count(day)": {"dimensions": ("day", "at")},
    "count()": {"filter": ({"column": "name", "op": "!=", "value": "b"}, {"column": "count", "op": ">", "value": -5})},
    "sum(q * p)": {
        "table": "lines",
        "dimensions": ("position", "p"),
        "filter": ({"column": "q", "op": "is not null"},),
    },
    "count(p)": {"table": "lines", "dimensions": ("docs_key", "q")},
    "sum(value)": {"table": "fees", "dimensions": ("key",)},
}


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[Both]:
    with both() as connections:
        yield connections


def group_of(base: str) -> GroupPlan:
    """A table `docs` whose documents the file flattens, the column being of the given type."""
    columns = (SourceColumn("key", "bigint", "int8", nullable=False), SourceColumn("doc", base, base, nullable=True))
    table = SourceTable("pg_temp", "docs", "table", columns, ("key",), (), False, False, True, 0, 0)
    flatten = {
        "column": "doc",
        "prefix": "",
        "fields": FIELDS,
        "children": [{"path": "lines", "table": "lines", "fields": {"q": "long", "p": "decimal(20,9)"}}],
        "maps": [{"path": "fees", "table": "fees", "value": "decimal(10,2)"}],
    }
    plan = plan_table(
        TableSpec.model_validate({"table": "pg_temp.docs", "flatten": [flatten]}), table, lambda _, __: ()
    )
    return GroupPlan("shop", "0" * 16, (plan,), (), 0.01)


def fill(world: Both, base: str, documents: list[str]) -> None:
    world.create("docs", {"key": "long", "doc": "string"})
    world.fill("docs", [(n, d) for n, d in enumerate([*documents, None])])
    world.pg.execute(f"ALTER TABLE pg_temp.docs ALTER doc TYPE {base} USING doc::{base}")
    # the landing holds the source's own spelling
    spelled = world.pg.execute("SELECT doc::text, key FROM pg_temp.docs").fetchall()
    world.duck.executemany("UPDATE docs SET doc = ? WHERE key = ?", spelled)


@pytest.mark.parametrize("base", ["jsonb", "json", "text"])
@pytest.mark.parametrize("measure", MEASURES)
def test_source_and_landing_agree_on_documents(world: Both, base: str, measure: str) -> None:
    fill(world, base, GOOD)
    r = kpi.resolve(spec(measure, **({"table": "docs"} | MEASURES[measure])), group_of(base), ZURICH)
    source = unique(world.pg.execute(kpi.source_sql(r)).fetchall())
    assert source == unique(world.duck.execute(landing_sql(r)).fetchall())
    assert any(row[-1] for row in source)


def test_numbers_in_documents_are_exact(world: Both) -> None:
    fill(world, "jsonb", GOOD)
    r = kpi.resolve(spec("sum(price)", table="docs"), group_of("jsonb"), ZURICH)
    exact = Decimal("12345678901234567890123456889.123456788")
    assert world.source(r) == {("total", None, "", exact, 3)}


@pytest.mark.parametrize("base", ["jsonb", "json", "text"])
@pytest.mark.parametrize("measure", MEASURES)
def test_odd_documents_never_fail_the_source(world: Both, base: str, measure: str) -> None:
    fits = {"text": MALFORMED, "json": MALFORMED[-2:], "jsonb": []}[base]
    r = kpi.resolve(spec(measure, **({"table": "docs"} | MEASURES[measure])), group_of(base), ZURICH)
    fill(world, base, GOOD)
    (good,) = [row[-1] for row in world.source(r) if row[0] == "total" and row[2] == ""]
    fill(world, base, [*GOOD, *ODD, *fits])
    (all_of_them,) = [row[-1] for row in world.source(r) if row[0] == "total" and row[2] == ""]
    assert all_of_them >= good > 0  # nothing that was good is lost to what is odd
