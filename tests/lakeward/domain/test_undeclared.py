"""Keys that no field names are counted and told."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from flattening import make_plan

from lakeward.adapters.duck import DuckEngine
from lakeward.domain.undeclared import undeclared_sql, undeclared_told


def test_keys_that_no_field_names_are_counted_and_told(tmp_path: Path) -> None:
    child = {"path": "items", "table": "t_items", "fields": {"sku": "int"}}
    plan = make_plan(key=["id"], flatten=[{"column": "doc", "fields": {"a": "int", "b.c": "int"}, "children": [child]}])
    ((source, sql),) = undeclared_sql(plan)
    name = next(c.name for c in plan.lake[0].columns if c.role == "undeclared")

    def told(*docs: str | None) -> str:
        rows = pa.table({name: pa.array(docs, pa.string())})
        (row,) = DuckEngine(temp_dir=tmp_path).table(sql, {"lake": rows}).to_pylist()
        return undeclared_told(plan.lake[0], source, row["n"], row["keys"])

    assert told(None, None) == ""
    assert told('{"a": 1, "coupon": 2, "items": []}', None, '{"b": {}, "gift": 1, "coupon": 1}') == (
        "t.doc: 2 records with keys that no field names (coupon, gift)"
    )
    assert told('{"b": {"d": 1}}') == "t.doc: 1 record with keys that no field names (inside of others)"
    many = "{" + ", ".join(f'"k{n}": 1' for n in range(9)) + "}"
    assert told(many) == "t.doc: 1 record with keys that no field names (k0, k1, k2, k3, k4, ...)"
