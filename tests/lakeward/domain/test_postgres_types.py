"""Each PostgreSQL type is carried exactly, or refused by name."""

from __future__ import annotations

import re

import pytest

from lakeward.domain.guards import guard_condition, is_refused
from lakeward.domain.postgres_rules import RULES, How
from lakeward.domain.postgres_types import land_column
from lakeward.domain.source_facts import SourceColumn
from lakeward.errors import SpecError, UnsupportedError
from lakeward.spec.models import MaskMethod, SpecialPolicy
from lakeward.spec.scalars import LakeType


def column(base: str, category: str = "plain", **more: int | str | None) -> SourceColumn:
    return SourceColumn(name="c", type=base, base=base, nullable=True, category=category, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "kind", "native", "guards"),
    [
        (column("int2"), "int", True, ()),
        (column("int4"), "int", True, ()),
        (column("int8"), "long", True, ()),
        (column("bool"), "boolean", True, ()),
        (column("float4"), "float", True, ()),
        (column("float8"), "double", True, ()),
        (column("numeric", precision=12, scale=2), "decimal(12,2)", True, ("nan",)),
        (column("numeric", "domain", precision=12, scale=2), "decimal(12,2)", False, ("nan",)),
        (column("text"), "string", True, ()),
        (column("varchar", length=9), "string", True, ()),
        (column("bpchar", length=5), "string", True, ()),
        (column("bpchar"), "string", False, ()),
        (column("mood", "enum"), "string", True, ()),
        (column("date"), "date", True, ("infinity",)),
        (column("timestamp"), "timestamp", True, ("infinity", "far")),
        (column("timestamptz"), "timestamptz", True, ("infinity", "far")),
        (column("time"), "time", True, ("time24",)),
        (column("uuid"), "uuid", True, ()),
        (column("bytea"), "binary", True, ()),
        (column("jsonb"), "json", True, ()),
        (column("_int4", "array"), "json", False, ("bounds",)),
        (column("comp", "composite"), "json", False, ("bounds",)),
        (column("numeric", precision=5, scale=-2), "decimal(7,0)", False, ("nan",)),
        (column("numeric", precision=3, scale=5), "decimal(5,5)", False, ("nan",)),
        (column("numeric", precision=36, scale=-2), "decimal(38,0)", False, ("nan",)),
        (column("money", scale=2), "decimal(19,2)", False, ()),
        (column("money", scale=3), "decimal(19,3)", False, ()),
        (column("oid"), "long", False, ()),
        (column("citext", "extension"), "string", False, ()),
    ],
)
def test_natural_type(given: SourceColumn, kind: str, native: bool, guards: tuple[str, ...]) -> None:
    landed = land_column(given)
    assert (landed.type, landed.native, landed.guards) == (kind, native, guards)


@pytest.mark.parametrize(
    "given",
    [
        column("numeric"),
        column("numeric", precision=50, scale=2),
        column("numeric", precision=37, scale=-2),
        column("numeric", precision=3, scale=39),
        column("aclitem"),
        column("pg_node_tree"),
    ],
)
def test_refused_by_name_with_what_to_write(given: SourceColumn) -> None:
    with pytest.raises(UnsupportedError) as error:
        land_column(given)
    assert "'c'" in str(error.value)
    assert "types" in error.value.todo


@pytest.mark.parametrize("base", sorted({b for rule in RULES for b in rule.bases} | {"aclitem", "pg_node_tree"}))
def test_anything_can_be_carried_as_text(base: str) -> None:
    landed = land_column(column(base), wanted=LakeType("string"))
    assert (landed.type, landed.guards, landed.policy) == ("string", (), "")


@pytest.mark.parametrize("base", [b for rule in RULES if rule.how is How.OUTPUT for b in rule.bases])
def test_text_is_what_the_output_function_writes(base: str) -> None:
    """A cast is another text: '10.0.0.1'::inet::text is 10.0.0.1/32."""
    assert land_column(column(base)).expression == """CASE WHEN "c" IS NOT NULL THEN concat("c") END"""


@pytest.mark.parametrize(
    ("given", "wanted", "guards"),
    [
        (column("numeric"), "decimal(38,9)", ("nan", "infinity", "scale", "wide")),
        (column("numeric", precision=10, scale=4), "decimal(10,2)", ("nan", "scale")),
        (column("numeric", precision=10, scale=2), "decimal(20,4)", ("nan",)),
        (column("numeric", precision=10, scale=2), "decimal(9,4)", ("nan", "wide")),
        (column("numeric", precision=10, scale=0), "int", ("nan", "wide")),
        (column("int4"), "decimal(9,0)", ("wide",)),
        (column("numeric", precision=10, scale=0), "long", ("nan",)),
        (column("numeric", precision=19, scale=0), "long", ("nan", "wide")),
        (column("numeric", precision=5, scale=-2), "int", ("nan",)),
        (column("money", scale=2), "decimal(19,0)", ("scale",)),
        (column("money", scale=2), "decimal(9,2)", ("wide",)),
        (column("money", scale=2), "decimal(38,4)", ()),
        (column("float8"), "decimal(12,2)", ("nan", "infinity", "inexact")),
        (column("int4"), "long", ()),
        (column("int4"), "decimal(12,2)", ()),
    ],
)
def test_declared_types_are_guarded_where_they_could_lose(
    given: SourceColumn, wanted: str, guards: tuple[str, ...]
) -> None:
    landed = land_column(given, wanted=LakeType(wanted))
    assert landed.type == wanted
    assert landed.guards == guards


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        *(("text", "long"), ("timestamp", "timestamptz"), ("timestamptz", "date"), ("int8", "int"), ("bool", "int")),
        *(("interval", "long"), ("float8", "long"), ("date", "decimal(8,0)"), ("inet", "uuid"), ("json", "binary")),
    ],
)
def test_types_that_cannot_become_exactly(base: str, wanted: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(wanted)):
        land_column(column(base), wanted=LakeType(wanted))


@pytest.mark.parametrize("method", list(MaskMethod))
def test_a_mask_is_applied_by_the_source(method: MaskMethod) -> None:
    landed = land_column(column("text"), mask=method)
    assert landed.type == "string"
    assert not landed.native
    assert landed.expression != '"c"'
    assert landed.nullable


def test_names_are_quoted_in_guards() -> None:
    odd = SourceColumn(name='a "q', type="date", base="date", nullable=True)
    assert guard_condition(land_column(odd), "infinity").startswith('"a ""q" IN')


@pytest.mark.parametrize(
    ("base", "wanted", "guards"),
    [
        ("float8", None, ("nan", "infinity")),
        ("float8", "decimal(9,2)", ("nan", "infinity", "inexact")),
        ("numeric", "decimal(9,2)", ("nan", "infinity", "scale", "wide")),
        ("timestamp", None, ("infinity", "far")),
        ("time", None, ("time24",)),
    ],
)
def test_a_policy_makes_special_values_null_and_nothing_else(
    base: str, wanted: str | None, guards: tuple[str, ...]
) -> None:
    given = SourceColumn("c", base, base, nullable=False)
    landed = land_column(given, wanted=LakeType(wanted) if wanted else None, special=SpecialPolicy.NULL)
    assert (landed.guards, landed.policy, landed.nullable, landed.native) == (guards, "null", True, False)
    assert [g for g in guards if is_refused(landed, g)] == [g for g in guards if g in {"scale", "wide", "inexact"}]


def test_refusing_is_a_policy_for_floats_too() -> None:
    landed = land_column(column("float8"), special=SpecialPolicy.REFUSE)
    assert (landed.type, landed.guards, landed.policy) == ("double", ("nan", "infinity"), "")


@pytest.mark.parametrize("base", ["numeric", "float4", "date", "time"])
def test_a_policy_may_carry_the_text_of_all_values(base: str) -> None:
    landed = land_column(column(base), special=SpecialPolicy.TEXT)
    assert (landed.type, landed.expression, landed.policy) == ("string", '"c"::text', "text")


@pytest.mark.parametrize(
    ("base", "said", "more"),
    [
        ("int4", "no values that need a policy", {"special": SpecialPolicy.NULL}),
        ("date", "declared timestamp", {"special": SpecialPolicy.TEXT, "wanted": LakeType("timestamp")}),
        ("date", "holds every value", {"special": SpecialPolicy.NULL, "wanted": LakeType("string")}),
        ("text", "no padding", {"trim": True}),
        ("bpchar", "no padding", {"trim": True, "wanted": LakeType("json")}),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(base: str, said: str, more: dict[str, object]) -> None:
    with pytest.raises(SpecError, match=said):
        land_column(column(base), **more)  # type: ignore[arg-type]


def test_bounds_are_looked_for_where_arrays_may_be() -> None:
    plain = land_column(column("_int4", "array", element="int4"))
    rows = land_column(column("_pair", "array", element="record"))
    pair = land_column(column("pair", "composite"))
    assert [
        ("array_dims" in guard_condition(c, "bounds"), "format" in guard_condition(c, "bounds"))
        for c in (plain, rows, pair)
    ] == [
        (True, False),
        (True, True),
        (False, True),
    ]
