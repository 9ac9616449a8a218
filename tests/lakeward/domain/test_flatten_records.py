"""What becomes of records: values, children, shape, undeclared keys, and what is set aside with which reason."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flattening import Flattened, by_id, flatten, make_plan

from lakeward.adapters.duck import DuckEngine
from lakeward.domain.duck import Rows, bad_rows
from lakeward.domain.facts import (
    LakeColumn,
    LakeTable,
    LandedColumn,
    NestedColumn,
    PartitionField,
    SortField,
    TablePlan,
)
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.flatten import table_sql
from lakeward.domain.flatten_checks import faults_sql, inexact_sql, quarantine_sql
from lakeward.errors import UnsupportedError


def one(tmp_path: Path, docs: list[str | None], form: str = "json", **flattening: object) -> Flattened:
    """Flatten a column ``doc`` by one rule."""
    return flatten(make_plan(form, flatten=[{"column": "doc", **flattening}]), docs, tmp_path)


def reasons(found: Flattened) -> dict[int, str]:
    return {n: reason.removeprefix("doc: ") for n, (reason, _) in found.bad.items()}


@pytest.mark.parametrize(
    ("written", "kind", "expected"),
    [
        ("123456789012345.67", "decimal(20,2)", Decimal("123456789012345.67")),
        ("1234567890123456789012345.678", "decimal(28,3)", Decimal("1234567890123456789012345.678")),
        ("9007199254740993", "long", 9007199254740993),
        ("18446744073709551615", "decimal(20,0)", Decimal(18446744073709551615)),
        ("0.1234567890123456789", "decimal(38,19)", Decimal("0.1234567890123456789")),
        ("-0", "decimal(12,2)", Decimal(0)),
        ("1e5", "decimal(12,2)", Decimal(100000)),
        ("1E-7", "decimal(12,7)", Decimal("1E-7")),
        ("1.10", "decimal(12,2)", Decimal("1.10")),
        ("1.239", "decimal(12,2)", None),
        ("1.2300000000000000000000001", "decimal(12,2)", None),
        ("99999999999.99", "decimal(12,2)", None),
    ],
)
def test_numbers_are_exact_or_set_aside(tmp_path: Path, written: str, kind: str, expected: object) -> None:
    docs: list[str | None] = [f'{{"n": {written}, "l": [{{"n": {written}}}], "m": {{"k": {written}}}}}']
    children = [{"path": "l", "table": "t_l", "fields": {"n": kind}}]
    maps = [{"path": "m", "table": "t_m", "value": kind}]
    found = one(tmp_path, docs, fields={"n": kind}, children=children, maps=maps)
    if expected is None:
        assert reasons(found) == {0: f"n: expected {kind}, found the number {written}"}
        assert found.tables == {"t": [], "t_l": [], "t_m": []}
        assert found.set_aside == found.read == {"t": 1, "t_l": 1, "t_m": 1}
    else:
        assert found.bad == {}
        values = [found.tables["t"][0]["doc_n"], found.tables["t_l"][0]["n"], found.tables["t_m"][0]["value"]]
        assert values == [expected] * 3
        assert {type(v) for v in values} == {type(expected)}


def test_exact_numbers_beside_tricky_strings(tmp_path: Path) -> None:
    """The slow route must not touch digits in strings, escapes or keys."""
    record = {"n": "X", "s": '12.5 "7" \\ 1e5', "k1": {"2": "3", '4"5': 6}, "t": ["\\u0031", "8"]}
    text = json.dumps(record, indent=2).replace('"X"', "12345678901234567890.12")
    fields = {"n": "decimal(22,2)", "s": "string", "k1.2": "string", 'k1."4""5"': "long"}
    children = [{"path": "t", "table": "t_t", "fields": {"$": "string"}}]
    found = one(tmp_path, [text], fields=fields, children=children)
    assert by_id(found.tables["t"])[0] == {
        "doc_n": Decimal("12345678901234567890.12"),
        "doc_s": record["s"],
        "doc_k1_2": "3",
        "doc_k1_4_5": 6,
        "doc_shape": None,
        "doc_undeclared": None,
    }
    assert [r["value"] for r in found.tables["t_t"]] == ["\\u0031", "8"]


def test_parts_kept_as_json_text_keep_their_numbers(tmp_path: Path) -> None:
    docs: list[str | None] = [
        '{"s": "\\u00015", "n": 12345678901234567.5, "j": [1.10]}',
        '{"s": "", "n": 12345678901234567.5, "j": "\\u00015"}',
        '{"n": 1.5, "j": "\\u00015"}',
        '{"j": {"a": 1.10, "b": [1e5, -0, 12345678901234567890.123]}, "l": [{"j": 2.50}, {"j": "2.50"}]}',
        '{"j": "\\u00015", "l": [{"j": [1.0]}]}',
        '{"j": "\\\\u00015x\\u0001", "l": [{"j": [1.0]}]}',
    ]
    found = one(
        tmp_path,
        docs,
        fields={"j": "json", "n": "decimal(20,1)", "s": "string"},
        children=[{"path": "l", "table": "t_l", "fields": {"j": "json"}}],
    )
    rows = by_id(found.tables["t"])
    assert (rows[0]["doc_s"], rows[0]["doc_j"]) == ("\x015", "[1.10]")
    assert rows[2]["doc_j"] == '"\\u00015"'
    assert rows[3]["doc_j"] == '{"a":1.10,"b":[1e5,-0,12345678901234567890.123]}'
    assert rows[5]["doc_j"] == '"\\\\u00015x\\u0001"'
    assert [r["j"] for r in found.tables["t_l"]] == ["2.50", '"2.50"', "[1.0]"]
    why = "a string begins with the control character U+0001 beside numbers that are kept as they are spelled"
    assert reasons(found) == {1: why, 4: why}


def test_types_are_strict(tmp_path: Path) -> None:
    fields = {"b": "boolean", "n": "long", "s": "string", "o.x": "long"}
    docs: list[str | None] = [
        '{"b": 1}',
        '{"b": "true"}',
        '{"n": "1"}',
        '{"n": true}',
        '{"n": 1.5}',
        '{"s": 1}',
        '{"s": {"a": 1}}',
        '{"s": [1]}',
        '{"o": 1}',
        '{"o": []}',
        "[]",
        '"text"',
        "7",
    ]
    found = one(tmp_path, docs, fields=fields, children=[{"path": "l", "table": "t_l", "fields": {"x": "long"}}])
    assert reasons(found) == {
        0: "b: expected boolean, found the number 1",
        1: 'b: expected boolean, found the string "true"',
        2: 'n: expected long, found the string "1"',
        3: "n: expected long, found true",
        4: "n: expected long, found the number 1.5",
        5: "s: expected string, found the number 1",
        6: "s: expected string, found an object",
        7: "s: expected string, found a list",
        8: "o: expected an object, found a number",
        9: "o: expected an object, found a list",
        10: "$: expected an object, found a list",
        11: "$: expected an object, found a string",
        12: "$: expected an object, found a number",
    }


def test_faults_inside_lists_and_maps_name_the_place(tmp_path: Path) -> None:
    docs: list[str | None] = [
        '{"l": [{"x": 1}, {"x": "2"}]}',
        '{"l": [{}, {}, 3]}',
        '{"l": {"x": 1}}',
        '{"m": {"a": 1, "b": "2"}}',
        '{"m": [1]}',
        '{"l": [{"x": "first"}], "m": {"a": "second"}}',
        '{"l": [{"o": {"y": "no"}}, {"x": "later"}]}',
    ]
    children = [{"path": "l", "table": "t_l", "fields": {"x": "long", "o.y": "long"}}]
    found = one(tmp_path, docs, fields={}, children=children, maps=[{"path": "m", "table": "t_m", "value": "long"}])
    got = reasons(found)
    assert got.pop(5) in {
        'l[0].x: expected long, found the string "first"',
        'm["a"]: expected long, found the string "second"',
    }
    assert got == {
        0: 'l[1].x: expected long, found the string "2"',
        1: "l[2]: expected an object, found a number",
        2: "l: expected a list, found an object",
        3: 'm["b"]: expected long, found the string "2"',
        4: "m: expected an object, found a list",
        6: 'l[0].o.y: expected long, found the string "no"',
    }
    assert found.set_aside == {"t": 7, "t_l": 8, "t_m": 3}


MALFORMED = ["", " ", "{", '{"a": 01}', "{'a': 1}", '{"a": 1} x', '{"a": "\\ud800"}', '{"a": "\t"}']
LENIENT = ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1,}', '{"l": [1, ]}']


def test_what_is_no_json_is_set_aside(tmp_path: Path) -> None:
    docs: list[str | None] = [*MALFORMED, *LENIENT, '{"s": "NaN, inf,] ,}"}', None, "null"]
    found = one(tmp_path, docs, form="text", fields={"s": "string", "a": "double"})
    bad = [*MALFORMED, *LENIENT]
    assert reasons(found) == {n: f"not JSON: {doc}" for n, doc in enumerate(bad)}
    assert by_id(found.tables["t"]) == {
        len(bad): {"doc_s": "NaN, inf,] ,}", "doc_a": None, "doc_shape": "a:missing", "doc_undeclared": None},
        len(bad) + 1: {"doc_s": None, "doc_a": None, "doc_shape": "$:sqlnull", "doc_undeclared": None},
        len(bad) + 2: {"doc_s": None, "doc_a": None, "doc_shape": "$:null", "doc_undeclared": None},
    }


def test_keys_that_stand_twice(tmp_path: Path) -> None:
    docs: list[str | None] = [
        '{"a": 1, "b": 2, "a": 1}',
        '{"o": {"x": 1, "x": null}}',
        '{"l": [{}, {"x": 1, "x": 1}]}',
        '{"m": {"k": 1, "k": 1}}',
        '{"j": {"k": 1, "k": 2.50}}',
    ]
    found = one(
        tmp_path,
        docs,
        fields={"a": "long", "o.x": "long", "j": "json"},
        children=[{"path": "l", "table": "t_l", "fields": {"x": "long"}}],
        maps=[{"path": "m", "table": "t_m", "value": "long"}],
    )
    assert reasons(found) == {
        0: '$: the key "a" stands twice',
        1: 'o: the key "x" stands twice',
        2: 'l[1]: the key "x" stands twice',
        3: 'm: the key "k" stands twice',
    }
    assert by_id(found.tables["t"])[4]["doc_j"] == '{"k":1,"k":2.50}'


UNDECLARED = [
    '{"a": 1}',
    '{"a": 1, "z": null}',
    '{"o": {"x": 1, "y": 2.50}}',
    '{"l": [{"x": 1}, {"w": 1.10}]}',
    '{"l": [{"p": {"q": 1, "r": 1}}]}',
    '{"m": {"any": 1}}',
    "{}",
    "null",
]
FLATTENING: dict[str, Any] = {
    "fields": {"a": "long", "o.x": "long"},
    "children": [{"path": "l", "table": "t_l", "fields": {"x": "long", "p.q": "long"}}],
    "maps": [{"path": "m", "table": "t_m", "value": "long"}],
}


@pytest.mark.parametrize("form", ["json", "jsonb", "text"])
def test_undeclared_keys_keep_the_whole_record(tmp_path: Path, form: str) -> None:
    found = one(tmp_path, [*UNDECLARED], form=form, **FLATTENING)
    kept = {row["id"]: row["doc_undeclared"] for row in found.tables["t"]}
    assert kept == {n: doc if 1 <= n <= 4 else None for n, doc in enumerate(UNDECLARED)}
    assert found.bad == {}


def test_undeclared_keys_are_ignored_by_choice(tmp_path: Path) -> None:
    found = one(tmp_path, [*UNDECLARED], undeclared="ignore", **FLATTENING)
    assert found.bad == {}
    assert "doc_undeclared" not in found.tables["t"][0]


@pytest.mark.parametrize("form", ["json", "jsonb"])
def test_undeclared_keys_set_the_record_aside(tmp_path: Path, form: str) -> None:
    found = one(tmp_path, [*UNDECLARED], form=form, undeclared="quarantine", **FLATTENING)
    assert reasons(found) == {
        1: '$: no field names the key "z"',
        2: 'o: no field names the key "y"',
        3: 'l[1]: no field names the key "w"',
        4: 'l[0].p: no field names the key "r"',
    }


def test_the_whole_is_kept_beside_promoted_fields(tmp_path: Path) -> None:
    docs: list[str | None] = ['{"a":  1.10, "b": [1e5]}', "null", None, '{"a": "x"}']
    found = one(tmp_path, docs, fields={"a": "decimal(4,2)"}, keep_json=True)
    assert by_id(found.tables["t"]) == {
        0: {"doc": docs[0], "doc_a": Decimal("1.10"), "doc_shape": None},
        1: {"doc": "null", "doc_a": None, "doc_shape": "$:null"},
        2: {"doc": None, "doc_a": None, "doc_shape": "$:sqlnull"},
    }
    assert list(found.bad) == [3]


def test_kept_as_it_is_with_nothing_declared_it_may_be_anything(tmp_path: Path) -> None:
    docs: list[str | None] = ["[1.10]", "5", '"x"', "{", None]
    found = one(tmp_path, docs, form="text", fields={}, keep_json=True)
    assert {row["id"]: row["doc"] for row in found.tables["t"]} == {0: "[1.10]", 1: "5", 2: '"x"', 4: None}
    assert reasons(found) == {3: "not JSON: {"}


def test_a_scalar_at_the_root(tmp_path: Path) -> None:
    found = one(tmp_path, ["1.10", "null", None, "12345678901234567.25", '"1"'], fields={"$": "decimal(20,2)"})
    assert by_id(found.tables["t"]) == {
        0: {"doc": Decimal("1.10"), "doc_shape": None, "doc_undeclared": None},
        1: {"doc": None, "doc_shape": "$:null", "doc_undeclared": None},
        2: {"doc": None, "doc_shape": "$:sqlnull", "doc_undeclared": None},
        3: {"doc": Decimal("12345678901234567.25"), "doc_shape": None, "doc_undeclared": None},
    }
    assert reasons(found) == {4: '$: expected decimal(20,2), found the string "1"'}


def test_two_nested_columns_and_odd_names(tmp_path: Path) -> None:
    columns = (
        LandedColumn('I"d', "long", "int8", "", native=True, nullable=False),
        LandedColumn("it's", "json", "json", "", native=True, nullable=True),
        LandedColumn("#file", "json", "text", "", native=True, nullable=True),
    )
    main = LakeTable(
        "odd",
        (
            LakeColumn("id", "long", required=True, role="value", source='I"d'),
            LakeColumn("x", "long", required=False, role="value", source="it's", path=("a'b", 'c"d', "")),
            LakeColumn("shape", "string", required=False, role="shape", source="it's"),
        ),
        ("id",),
    )
    nested = NestedColumn("it's", (((("a'b", 'c"d', "")), "long"),), (), (), "ignore", nullable=True)
    plan = TablePlan("s", "odd", (), columns[:2], (nested,), (main,), scan=True, ctid=True, estimated_rows=0)
    pq.write_table(pa.table({'I"d': [1, 2], "it's": ['{"a\'b": {"c\\"d": {"": 5}}}', "[]"]}), tmp_path / "o.parquet")
    engine = DuckEngine(temp_dir=tmp_path)
    inputs = {"odd": FileSet((str(tmp_path / "o.parquet"),), StorageAccess(), ())}
    sql = faults_sql(plan)
    assert sql is not None
    bad = engine.table(sql, inputs)
    assert bad.column("reason").to_pylist() == ["it's: $: expected an object, found a list"]
    rows = engine.table(table_sql(plan, main, Rows.GOOD), {**inputs, bad_rows("odd"): bad}).to_pylist()
    assert rows == [{"id": 1, "x": 5, "shape": None}]


def test_lists_below_an_empty_key_are_refused() -> None:
    plan = make_plan(
        flatten=[
            {"column": "doc", "fields": {}, "children": [{"path": 'a.""', "table": "t_l", "fields": {"x": "long"}}]}
        ]
    )
    with pytest.raises(UnsupportedError, match="empty key"):
        table_sql(plan, plan.lake[1], Rows.ALL)


def test_a_table_without_records_has_no_faults() -> None:
    plan = make_plan()
    assert faults_sql(plan) is None
    assert inexact_sql(plan) is None


def test_rows_are_typed_and_ordered_as_the_lake_wants(tmp_path: Path) -> None:
    plan = make_plan(flatten=[{"column": "doc", "fields": {"at": "timestamptz", "n": "int"}, "undeclared": "ignore"}])
    main = replace(
        plan.lake[0],
        partition=(PartitionField("month", "doc_at"),),
        sort=(SortField("doc_n", descending=True),),
    )
    plan = replace(plan, lake=(main,))
    days = ["2024-02-28", "2024-01-31", "2024-02-01", None, "1969-12-31"]
    docs = [json.dumps({"at": d and f"{d}T23:00:00-05:00", "n": n}) for n, d in enumerate(days)]
    found = flatten(plan, docs, tmp_path)
    assert [r["doc_n"] for r in found.tables["t"]] == [3, 4, 2, 1, 0] or [r["doc_n"] for r in found.tables["t"]] == [
        3,
        4,
        2,
        0,
        1,
    ]
    months = [str(r["doc_at"])[:7] for r in found.tables["t"]]
    assert months == ["None", "1970-01", "2024-02", "2024-02", "2024-02"]


def test_known_to_be_exact_changes_nothing(tmp_path: Path) -> None:
    docs: list[str | None] = ['{"a": 1.10, "l": [{"p": 2.5}]}', '{"a": 1.239}', '{"l": [{"p": 1e-9}]}']
    plan = make_plan(
        flatten=[
            {
                "column": "doc",
                "fields": {"a": "decimal(10,2)"},
                "children": [{"path": "l", "table": "t_l", "fields": {"p": "decimal(10,2)"}}],
            }
        ]
    )
    found = flatten(plan, docs, tmp_path)
    engine, inputs = DuckEngine(temp_dir=tmp_path), {"t": FileSet((str(tmp_path / "0.parquet"),), StorageAccess(), ())}
    sql, faults = inexact_sql(plan), faults_sql(plan, exact=["doc"])
    assert sql is not None
    assert faults is not None
    assert engine.table(sql, inputs).to_pylist() == [{"doc": False}]
    bad = engine.table(faults, inputs)
    assert sorted(bad.column("reason").to_pylist()) == sorted(r for r, _ in found.bad.values())
    for table in plan.lake:
        quick = engine.table(table_sql(plan, table, Rows.GOOD, exact=["doc"]), {**inputs, bad_rows("t"): bad})
        assert quick.to_pylist() == found.tables[table.name]
    pq.write_table(pa.table({"id": [1], "doc": ['{"a": 12345678901234567.5}']}), tmp_path / "0.parquet")
    assert engine.table(sql, inputs).to_pylist() == [{"doc": True}]


def test_the_quarantine_keeps_the_landed_row(tmp_path: Path) -> None:
    kinds = {
        "id": ("long", pa.array([7], pa.int64())),
        "money": ("decimal(38,2)", pa.array([Decimal("123456789012345678901234567890.12")], pa.decimal128(38, 2))),
        "at": ("timestamptz", pa.array([0], pa.timestamp("us", "UTC"))),
        "blob": ("binary", pa.array([b"\x00\xff"], pa.binary())),
        "none": ("string", pa.array([None], pa.string())),
        "yes": ("boolean", pa.array([True])),
        "doc": ("json", pa.array(['{"a":  1.239, "q": "\\"ü"}'])),
    }
    columns = tuple(LandedColumn(n, k, "", "", native=True, nullable=True) for n, (k, _) in kinds.items())
    base = make_plan(flatten=[{"column": "doc", "fields": {"a": "decimal(4,2)"}}])
    plan = replace(base, columns=columns)
    pq.write_table(pa.table({n: v for n, (_, v) in kinds.items()}), tmp_path / "t.parquet")
    inputs = {"t": FileSet((str(tmp_path / "t.parquet"),), StorageAccess(), ())}
    engine = DuckEngine(temp_dir=tmp_path)
    faults = faults_sql(plan)
    assert faults is not None
    bad = engine.table(faults, inputs)
    (row,) = engine.table(quarantine_sql(plan, "cut"), {**inputs, bad_rows("t"): bad}).to_pylist()
    assert json.loads(row.pop("raw")) == {
        "id": "7",
        "money": "123456789012345678901234567890.12",
        "at": "1970-01-01 00:00:00+00",
        "blob": "00ff",
        "none": None,
        "yes": "true",
        "doc": '{"a":  1.239, "q": "\\"ü"}',
    }
    assert row == {
        "cut_id": "cut",
        "table_name": "t",
        "row_key": '{"id":"7"}',
        "reason": "doc: a: expected decimal(4,2), found the number 1.239",
        "column_name": "doc",
    }
