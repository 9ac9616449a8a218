"""What of a batch of events is left by key, and which tables can be followed."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeward.domain.changes import (
    GONE,
    LIFE,
    ROOT,
    SEQ,
    UNCHANGED,
    ChangedTable,
    latest_sql,
    not_followed,
    touched_sql,
)
from lakeward.domain.planning import plan_table
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.spec.models import TableSpec

SOURCE = SourceTable(
    schema="public",
    name="t",
    kind="table",
    columns=(
        SourceColumn("id", "bigint", "int8", nullable=False),
        SourceColumn("mail", "text", "text", nullable=True),
    ),
    primary_key=("id",),
    foreign_keys=(),
    has_children=False,
    row_security=False,
    readable=True,
    estimated_rows=1,
    bytes=1,
)
DUCK = duckdb.connect(config={"threads": 1})
EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "drop", "part"]), st.text(max_size=3)), max_size=30
)


@settings(deadline=None, max_examples=40)
@given(events=EVENTS)
def test_the_last_event_of_a_key_decides_and_unchanged_values_come_from_before(
    events: list[tuple[str, str, str]],
) -> None:
    """``part`` carries the column ``a`` and not ``b``; a row that is not there can't be changed in part: the lake has it."""
    rows, state, touched = [], {}, set()
    for n, (key, kind, value) in enumerate(events):
        touched.add(key)
        gone, part = kind == "drop", kind == "part"
        rows.append((n, gone, "001" if part else None, key, None if gone else value, None if gone or part else value))
        if gone:
            state.pop(key, None)
        else:
            state[key] = (value, state.get(key, (None, "lake"))[1] if part else value)
        if gone:
            state[f"dead {key}"] = (None, "")
    names = [SEQ, GONE, UNCHANGED, "k", "a", "b"]
    kinds = [pa.int64(), pa.bool_(), *[pa.string()] * 4]
    columns = {
        name: pa.array([r[i] for r in rows], kind) for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
    }
    table = pa.table(columns | {LIFE: pa.nulls(len(rows), pa.string()), ROOT: pa.nulls(len(rows), pa.string())})
    parts = sum(kind == "part" for _, kind, _ in events)
    changed = ChangedTable("t", ("k", "a", "b"), ("k",), (), len(rows), unfilled=parts)
    DUCK.register("events", table)
    found = DUCK.execute(f'SELECT k, a, b, "#fill" FROM ({latest_sql(changed)})').fetchall()
    keys = DUCK.execute(f"SELECT k FROM ({touched_sql(changed)})").fetchall()
    assert sorted(k for (k,) in keys) == sorted(touched)
    alive = {k: v for k, v in state.items() if not k.startswith("dead ")}
    dead = {k.removeprefix("dead ") for k in state if k.startswith("dead ")}
    assert {k: a for k, a, _, _ in found} == {k: a for k, (a, _) in alive.items()}
    for key, _, b, fill in found:
        if key not in dead:  # what comes after a deletion is a whole row: the log has no other
            assert (b, fill) == ((None, "001") if alive[key][1] == "lake" else (alive[key][1], None))


@pytest.mark.parametrize(
    ("source", "spec", "told"),
    [
        (SOURCE, {}, []),
        (replace(SOURCE, kind="view"), {"key": ["id"]}, ["a view has no change log"]),
        (replace(SOURCE, primary_key=()), {}, ["without a key its changes find no row"]),
        (SOURCE, {"mask": {"mail": "hash"}}, ["mail: masks are done at the source"]),
    ],
)
def test_which_tables_can_be_followed(source: SourceTable, spec: dict[str, object], told: list[str]) -> None:
    plan = plan_table(TableSpec.model_validate({"table": "public.t"} | spec), source, lambda *_: ())
    found = [reason.split(", and ")[0] for reason, _ in not_followed(plan)]
    assert found == told
