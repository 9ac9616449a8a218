"""Each PostgreSQL type is carried exactly, or refused by name."""

from __future__ import annotations

import pytest

from lakeward.domain.facts import SourceColumn
from lakeward.domain.postgres_types import guard_condition, land_column
from lakeward.errors import UnsupportedError
from lakeward.spec.models import MaskMethod
from lakeward.spec.scalars import LakeType


def column(base: str, category: str = "plain", **more: int | bool | None) -> SourceColumn:
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
        (column("timestamp"), "timestamp", True, ("infinity",)),
        (column("timestamptz"), "timestamptz", True, ("infinity",)),
        (column("time"), "time", True, ("time24",)),
        (column("uuid"), "uuid", True, ()),
        (column("bytea"), "binary", True, ()),
        (column("jsonb"), "json", True, ()),
        (column("_int4", "array"), "json", False, ()),
        (column("comp", "composite"), "json", False, ()),
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
        column("numeric", precision=5, scale=-2),
        column("numeric", precision=3, scale=5),
        column("interval"),
        column("timetz"),
        column("money"),
        column("inet"),
        column("xml"),
        column("bit"),
        column("tsvector"),
        column("citext", "extension"),
        column("int4range"),
    ],
)
def test_refused_by_name_with_what_to_write(given: SourceColumn) -> None:
    with pytest.raises(UnsupportedError) as error:
        land_column(given)
    assert "'c'" in str(error.value)
    assert "types" in error.value.todo


@pytest.mark.parametrize(
    "base", ["interval", "timetz", "money", "inet", "xml", "bit", "tsvector", "numeric", "date", "int8"]
)
def test_anything_can_be_carried_as_text(base: str) -> None:
    landed = land_column(column(base), wanted=LakeType("string"))
    assert landed.type == "string"
    assert landed.expression == '"c"::text'
    assert not landed.native


@pytest.mark.parametrize(
    ("given", "wanted", "guards"),
    [
        (column("numeric"), "decimal(38,9)", ("nan", "infinity", "scale")),
        (column("numeric", precision=10, scale=4), "decimal(10,2)", ("nan", "infinity", "scale")),
        (column("numeric", precision=10, scale=2), "decimal(20,4)", ("nan", "infinity")),
        (column("numeric", precision=10, scale=0), "long", ("nan", "infinity")),
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
    [("text", "long"), ("timestamp", "timestamptz"), ("timestamptz", "date"), ("int8", "int"), ("bool", "int")],
)
def test_types_that_cannot_become_exactly(base: str, wanted: str) -> None:
    with pytest.raises(UnsupportedError, match=wanted):
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
