"""Random records, flattened by DuckDB, come back from the rows as they were: nothing is lost, nothing is made equal."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from flattening import flatten, make_plan
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rebuilding import SQL_NULL, read, rebuild

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # an example takes half a second
ABSENT = object()
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20).map(
    lambda d: d.normalize() + 0
)
LONGS = st.integers(-(2**63), 2**63 - 1)
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ANYTHING = st.recursive(
    st.booleans() | LONGS | DECIMALS | STRINGS,
    lambda inner: st.lists(inner | st.none(), max_size=3) | st.dictionaries(STRINGS, inner | st.none(), max_size=3),
    max_leaves=4,
).filter(lambda value: '"\\u0001' not in write(value, ""))


def maybe(value: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.just(ABSENT) | st.none() | value | value


def record(**members: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    named = {name.replace("_DOT_", "."): maybe(value) for name, value in members.items()}
    return st.fixed_dictionaries(named).map(lambda d: {k: v for k, v in d.items() if v is not ABSENT})


FIELDS = {"a": "decimal(38,6)", "b": "string", "c.d": "long", "c.e.f": "boolean", '"x.y"': "json", "c.j": "json"}
CHILDREN = [
    {
        "path": "items",
        "table": "t_items",
        "fields": {"sku": "string", "price": "decimal(38,6)", "q.r": "long", "j": "json"},
    },
    {"path": "c.codes", "table": "t_codes", "fields": {"$": "long"}},
    {"path": '"l,1:"', "table": "t_any", "fields": {"$": "json"}},
]
MAPS = [{"path": "m", "table": "t_m", "value": "decimal(38,6)"}]
ITEM = record(sku=STRINGS, price=DECIMALS, q=record(r=LONGS), j=ANYTHING)
RECORDS = record(
    **{
        "a": DECIMALS,
        "b": STRINGS,
        "c": record(d=LONGS, e=record(f=st.booleans()), j=ANYTHING, codes=st.lists(LONGS | st.none(), max_size=3)),
        "x_DOT_y": ANYTHING,
        "items": st.lists(ITEM | st.none(), max_size=3),
        "l,1:": st.lists(ANYTHING | st.none(), max_size=2),
        "m": st.dictionaries(STRINGS, DECIMALS | st.none(), max_size=3),
    }
)


def write(value: object, blank: str) -> str:
    """JSON text with every digit; ``blank`` between its parts."""
    match value:
        case Decimal():
            return str(value)
        case list():
            return f"[{blank}{f',{blank}'.join(write(v, blank) for v in value)}]"
        case dict():
            return (
                f"{{{blank}{f',{blank}'.join(f'{json.dumps(k)}:{blank}{write(v, blank)}' for k, v in value.items())}}}"
            )
        case _:
            return json.dumps(value, ensure_ascii=len(blank) == 1)


@pytest.mark.parametrize("form", ["jsonb", "text"])
@given(
    records=st.lists(RECORDS | st.none() | st.just(SQL_NULL), min_size=20, max_size=40),
    blank=st.sampled_from(["", " ", "\n  "]),
)
@settings(max_examples=8, deadline=None, phases=NO_SHRINKING)
def test_records_come_back(form: str, records: list[object], blank: str) -> None:
    plan = make_plan(form, flatten=[{"column": "doc", "fields": FIELDS, "children": CHILDREN, "maps": MAPS}])
    docs = [None if r is SQL_NULL else write(r, blank) for r in records]
    with tempfile.TemporaryDirectory() as folder:
        found = flatten(plan, docs, Path(folder), files=2)
    assert found.bad == {}
    assert found.read == {name: len(rows) for name, rows in found.tables.items()}
    assert rebuild(plan, found.tables) == {n: SQL_NULL if doc is None else read(doc) for n, doc in enumerate(docs)}


@given(st.lists(st.lists(ITEM | st.none(), max_size=4) | st.none() | st.just(SQL_NULL), min_size=5, max_size=20))
@settings(max_examples=3, deadline=None, phases=NO_SHRINKING)
def test_a_list_at_the_root_comes_back(records: list[object]) -> None:
    child = {"path": "$", "table": "t_items", "fields": CHILDREN[0]["fields"]}
    plan = make_plan("json", flatten=[{"column": "doc", "fields": {}, "children": [child]}])
    docs = [None if r is SQL_NULL else write(r, " ") for r in records]
    with tempfile.TemporaryDirectory() as folder:
        found = flatten(plan, docs, Path(folder))
    assert found.bad == {}
    assert rebuild(plan, found.tables) == {n: SQL_NULL if doc is None else read(doc) for n, doc in enumerate(docs)}


@given(st.lists(st.dictionaries(STRINGS, DECIMALS | st.none(), max_size=4) | st.none(), min_size=5, max_size=20))
@settings(max_examples=3, deadline=None, phases=NO_SHRINKING)
def test_a_map_at_the_root_comes_back(records: list[object]) -> None:
    plan = make_plan(
        flatten=[{"column": "doc", "fields": {}, "maps": [{"path": "$", "table": "t_m", "value": "decimal(38,6)"}]}]
    )
    docs = [write(r, "") for r in records]
    with tempfile.TemporaryDirectory() as folder:
        found = flatten(plan, docs, Path(folder))
    assert found.bad == {}
    assert rebuild(plan, found.tables) == {n: read(doc) for n, doc in enumerate(docs)}
