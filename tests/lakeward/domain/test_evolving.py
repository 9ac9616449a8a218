"""What becomes of a lake table when source and file say something else than it has."""

from __future__ import annotations

import pytest

from lakeward.domain.evolving import evolve, forgetting, ignored, policy_of, widens, without
from lakeward.domain.facts import LakeColumn, LakeTable, LiveColumn, LiveTable
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.spec.models import DriftSpec, TableSpec

EVERYTHING = DriftSpec(added="evolve", widened="evolve", dropped="evolve", renamed="apart", retyped="quarantine")


def table(**types: str) -> LakeTable:
    columns = tuple(LakeColumn(name, kind, name == "id", "value", name) for name, kind in types.items())
    return LakeTable("t", columns, ("id",))


def live(*columns: LiveColumn) -> LiveTable:
    return LiveTable((LiveColumn("id", "long", required=True, key=True), *columns), filled=True)


@pytest.mark.parametrize(
    ("have", "want", "told"),
    [
        ("int", "long", True),
        ("float", "double", True),
        ("decimal(10,2)", "decimal(12,2)", True),
        ("long", "int", False),
        ("decimal(10,2)", "decimal(12,4)", False),
        ("decimal(10,2)", "decimal(10,2)", False),
        ("int", "double", False),
        ("int", "decimal(10,0)", False),
        ("date", "timestamp", False),
        ("string", "binary", False),
    ],
)
def test_types_widen_where_iceberg_reads_old_files_as_they_are(have: str, want: str, *, told: bool) -> None:
    assert widens(have, want) is told


def test_nothing_is_held_where_nothing_has_changed() -> None:
    there = live(LiveColumn("note", "string", required=False))
    found = evolve(table(id="long", note="json"), there, DriftSpec())
    assert (found.held, found.table.evolve, found.table.drift) == ((), (), ())


def test_keys_and_partitions_hold_whatever_the_policy() -> None:
    there = live(
        LiveColumn("day", "date", required=False, partitioned=True),
        LiveColumn("n", "int", required=False, partitioned=True),
    )
    held = evolve(table(n="long"), there, EVERYTHING).held
    assert [one.partition(",")[0] for one in held] == [
        "column 'n' was int and is long",
        "column 'id' (long) is gone",
        "column 'day' (date) is gone",
    ]


def test_a_type_that_holds_less_is_carried_in_the_lakes() -> None:
    found = evolve(table(id="int"), live(), DriftSpec())
    assert (found.held, found.narrower) == ((), {"id": "long"})


def test_rows_that_do_not_fit_are_asked_for_by_policy_alone_and_never_in_the_key() -> None:
    there = live(LiveColumn("n", "int", required=True))
    assert evolve(table(id="long", n="string"), there, EVERYTHING).fitted == {"n": "int"}
    assert evolve(table(id="string", n="int"), there, EVERYTHING).fitted == {}
    assert "can't become that" in evolve(table(id="long", n="string"), there, DriftSpec()).held[0]
    kept = evolve(table(id="long", n="int"), there, EVERYTHING, fitted=["n"])
    assert (kept.table.evolve, kept.table.column("n").required) == (("n",), False)


def test_what_is_left_behind_may_be_the_new_name_of_what_is_gone() -> None:
    there = live(LiveColumn("note", "string", required=False), LiveColumn("old", "string", required=False, gone=True))
    policy = DriftSpec(dropped="evolve")
    behind = [("remark", "string"), ("size", "int")]
    assert len(evolve(table(id="long"), there, policy, behind).held) == 1
    assert evolve(table(id="long", note="string"), there, policy, behind).held == ()


def test_a_table_says_what_is_otherwise_for_it() -> None:
    every = DriftSpec(added="evolve", dropped="evolve")
    spec = TableSpec(table="a.b", drift=DriftSpec(added="ignore"))
    assert policy_of(every, spec) == DriftSpec(added="ignore", dropped="evolve")
    assert policy_of(every, TableSpec(table="a.b")) == every


def test_what_the_file_says_of_columns_counts_as_long_as_somebody_has_them() -> None:
    columns = tuple(SourceColumn(name, "text", "text", nullable=True) for name in ("id", "new", "a*b", "doc", "left"))
    source = SourceTable("a", "b", "table", columns, ("id",), (), False, False, True, 0, 0)
    spec = TableSpec.model_validate(
        {"table": "a.b", "types": {"old": "string", "typo": "string"}, "rename": {"new": "fresh"}, "drop": ["left"]}
        | {"flatten": [{"column": "doc"}]}
    )
    there = live(LiveColumn("old", "string", required=False))
    assert forgetting(spec, source, there).types == {"typo": "string"}
    assert [c.name for c in ignored(spec, source, there)] == ["new", "a*b"]
    assert without(spec, ["a*b"]).drop == ("left", "a[*]b")
