from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg import types as t
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import parse_transform
from pyiceberg.typedef import Record

from lakeward.adapters.iceberg.partition import Partitioner, internal, record, transformed
from lakeward.adapters.iceberg.schema import arrow_type
from lakeward.errors import LakeError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROS = st.none() | st.integers(min_value=-62_135_596_800_000_000, max_value=253_402_300_799_999_999)


@pytest.mark.parametrize("kind", [t.TimestampType(), t.TimestamptzType()])
@pytest.mark.parametrize("name", ["year", "month", "day", "hour", "identity"])
@settings(max_examples=60, deadline=None)
@given(values=st.lists(MICROS, min_size=1, max_size=20))
def test_instants_get_the_values_that_pyiceberg_computes(
    name: str, kind: t.PrimitiveType, values: list[int | None]
) -> None:
    transform = parse_transform(name)
    column = pa.array(values, pa.int64()).cast(arrow_type(kind))
    found = [internal(v) for v in transformed(column, transform)]
    assert found == [None if v is None else transform.transform(kind)(v) for v in values]


@pytest.mark.parametrize("name", ["year", "month", "day", "identity"])
@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.none() | st.integers(min_value=-719_162, max_value=2_932_896), min_size=1, max_size=20))
def test_dates_too(name: str, values: list[int | None]) -> None:
    transform = parse_transform(name)
    found = [internal(v) for v in transformed(pa.array(values, pa.int32()).cast(pa.date32()), transform)]
    assert found == [None if v is None else transform.transform(t.DateType())(v) for v in values]


def schema_and_spec() -> tuple[Schema, PartitionSpec]:
    fields = (
        ("at", t.TimestamptzType()),
        ("price", t.DecimalType(9, 2)),
        ("ref", t.UUIDType()),
        ("ok", t.BooleanType()),
    )
    schema = Schema(*(t.NestedField(n, name, kind) for n, (name, kind) in enumerate(fields, 1)))
    names = ("day", "identity", "identity", "identity")
    parts = [PartitionField(n, 999 + n, parse_transform(name), f"p{n}") for n, name in enumerate(names, 1)]
    return schema, PartitionSpec(*parts)


def test_runs_end_where_any_value_changes_nulls_included() -> None:
    schema, spec = schema_and_spec()
    ref = UUID(int=7)
    batch = pa.record_batch(
        {
            "at": pa.array(
                [EPOCH, EPOCH + timedelta(hours=3), EPOCH - timedelta(microseconds=1), None], pa.timestamp("us", "UTC")
            ),
            "price": pa.array([None, None, Decimal("1.50"), Decimal("1.50")], pa.decimal128(9, 2)),
            "ref": pa.ExtensionArray.from_storage(
                pa.uuid(), pa.array([None, None, ref.bytes, ref.bytes], pa.binary(16))
            ),
            "ok": pa.array([None, None, True, True]),
        }
    )
    found = [(values, part.num_rows) for values, part in Partitioner(schema, spec).runs(batch)]
    assert found == [
        ((0, None, None, None), 2),
        ((-1, "1.50", str(ref), True), 1),
        ((None, "1.50", str(ref), True), 1),
    ]
    assert record(found[1][0], schema, spec) == Record(-1, Decimal("1.50"), ref, True)


def test_identity_of_dates_and_times_is_a_number() -> None:
    assert internal(pa.scalar(date(1969, 12, 31), pa.date32())) == -1
    assert internal(pa.scalar(EPOCH, pa.timestamp("us", "UTC"))) == 0


def test_partition_values_of_another_spec_are_refused() -> None:
    schema, spec = schema_and_spec()
    with pytest.raises(LakeError, match="1 partition values"):
        record((1,), schema, spec)
