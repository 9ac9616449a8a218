from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest

from lakeward.adapters.iceberg.casting import fit
from lakeward.errors import DataError, LakeError


def cast(column: pa.Array, kind: pa.DataType, *, nullable: bool = True) -> pa.Array:
    return fit(pa.record_batch({"c": column}), pa.schema([pa.field("c", kind, nullable)]), "orders").column("c")


@pytest.mark.parametrize(
    ("values", "have", "want"),
    [
        ([1, None], pa.int16(), pa.int64()),
        ([2**31 - 1], pa.int64(), pa.int32()),
        ([Decimal("1.20"), None], pa.decimal128(38, 4), pa.decimal128(12, 2)),
        (["a", None], pa.large_string(), pa.string()),
        (["a", "a"], pa.dictionary(pa.int32(), pa.string()), pa.string()),
        ([datetime(2020, 1, 1, tzinfo=UTC)], pa.timestamp("us", "Europe/Zurich"), pa.timestamp("us", "UTC")),
        ([b"a"], pa.large_binary(), pa.binary()),
        ([1.5], pa.float32(), pa.float64()),
        ([None], pa.null(), pa.decimal128(12, 2)),
    ],
)
def test_what_loses_nothing_is_cast(values: list[object], have: pa.DataType, want: pa.DataType) -> None:
    assert cast(pa.array(values, have), want).to_pylist() == values


@pytest.mark.parametrize(
    ("values", "have", "want"),
    [
        ([2**31], pa.int64(), pa.int32()),
        ([Decimal("1.239")], pa.decimal128(12, 3), pa.decimal128(12, 2)),
        ([Decimal("12345.00")], pa.decimal128(12, 2), pa.decimal128(5, 2)),
        ([1.1], pa.float64(), pa.decimal128(12, 2)),
        ([1.1], pa.float64(), pa.float32()),
        ([2**53 + 1], pa.int64(), pa.float64()),
        (["1"], pa.string(), pa.int64()),
        ([datetime(2020, 1, 1)], pa.timestamp("us"), pa.timestamp("us", "UTC")),  # noqa: DTZ001 - that is the point
        ([1], pa.timestamp("ns"), pa.timestamp("us")),
        (["6ba7b810"], pa.string(), pa.uuid()),
        (["z" * 32], pa.string(), pa.uuid()),
    ],
)
def test_what_would_lose_something_is_refused_by_column(
    values: list[object], have: pa.DataType, want: pa.DataType
) -> None:
    with pytest.raises(DataError, match="Table orders, column 'c'"):
        cast(pa.array(values, have), want)


def test_uuids_come_as_text_or_bytes() -> None:
    values = [UUID(int=1), None, UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")]
    for column in (
        pa.array([v and str(v) for v in values]),
        pa.array([v and v.hex for v in values], pa.large_string()),
        pa.array([v and v.bytes for v in values], pa.binary(16)),
        pa.array([v and v.bytes for v in values]),
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([v and v.bytes for v in values], pa.binary(16))),
    ):
        assert cast(column, pa.uuid()).to_pylist() == values


def test_a_null_in_a_required_column_is_refused() -> None:
    with pytest.raises(DataError, match="1 nulls"):
        cast(pa.array([1, None]), pa.int64(), nullable=False)


def test_missing_and_unknown_columns_are_named() -> None:
    with pytest.raises(LakeError, match="columns b were to be written, the table has a"):
        fit(pa.record_batch({"b": pa.array([1])}), pa.schema([("a", pa.int64())]), "orders")
