"""Partition values of sorted batches, vectorised, in Iceberg's internal form; checked against PyIceberg's transforms by a test."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg import types as t
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, Transform, TruncateTransform
from pyiceberg.typedef import Record

from lakeward.adapters.murmur import hashes
from lakeward.errors import DataError, LakeError, UnsupportedError

Value = int | str | bool | None
_HOUR = 3_600_000_000
_WIDE = Context(prec=40)


class Partitioner:
    """Cuts batches where the partition changes.

    :param schema: the live table's schema.
    :param spec: its partition spec.
    """

    def __init__(self, schema: Schema, spec: PartitionSpec) -> None:
        self._columns = [(schema.find_field(f.source_id).name, f.transform) for f in spec.fields]

    def runs(self, batch: pa.RecordBatch) -> Iterator[tuple[tuple[Value, ...], pa.RecordBatch]]:
        """The batch as slices of one partition each, in order, with the partition's values."""
        if not batch.num_rows:
            return
        values = [transformed(batch.column(name), transform) for name, transform in self._columns]
        ends = sorted({end for array in values for end in _run_ends(array)} | {batch.num_rows})
        start = 0
        for end in ends:
            yield tuple(internal(array[start]) for array in values), batch.slice(start, end - start)
            start = end


def _run_ends(array: pa.Array) -> list[int]:
    ends: list[int] = pc.run_end_encode(array, pa.int64()).run_ends.to_pylist()
    return ends


def transformed(array: pa.Array, transform: Transform[object, object]) -> pa.Array:
    """The transform's values; for identity the column's storage."""
    name = str(transform)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if name == "identity":
        return array
    if isinstance(transform, BucketTransform):
        return _bucketed(array, transform.num_buckets)
    if isinstance(transform, TruncateTransform):
        return _truncated(array, transform.width)
    return _since_epoch(array, name)


def _since_epoch(array: pa.Array, name: str) -> pa.Array:
    if name == "hour":
        micros = array.cast(pa.int64())
        whole = pc.divide(micros, _HOUR)  # rounds toward zero
        down = pc.less(micros, pc.multiply(whole, _HOUR))
        return pc.subtract(whole, down.cast(pa.int64())).cast(pa.int32())
    plain = array.cast(pa.int64()).cast(pa.timestamp("us")) if pa.types.is_timestamp(array.type) else array
    if name == "day":
        return pc.floor_temporal(plain, unit="day").cast(pa.date32()).cast(pa.int32())
    years = pc.subtract(pc.year(plain), 1970)
    if name == "year":
        return years.cast(pa.int32())
    if name == "month":
        return pc.add(pc.multiply(years, 12), pc.subtract(pc.month(plain), 1)).cast(pa.int32())
    raise UnsupportedError(
        f"Partition transform {name} is not there yet.",
        todo="Use identity, year, month, day, hour, bucket or truncate.",
    )


def _bucketed(array: pa.Array, count: int) -> pa.Array:
    positive = pc.bit_wise_and(hashes(array), 0x7FFFFFFF)
    return pc.subtract(positive, pc.multiply(pc.divide(positive, count), count)).cast(pa.int32())


def _truncated(array: pa.Array, width: int) -> pa.Array:
    """The first code points of texts, the first bytes of binaries; whole numbers rounded down, decimals in their last digit."""
    if pa.types.is_string(array.type):
        return pc.utf8_slice_codeunits(array, 0, width)
    if pa.types.is_binary(array.type):
        return pc.binary_slice(array, 0, width)
    distinct = array.dictionary_encode()
    scale = array.type.scale if pa.types.is_decimal(array.type) else 0
    down = [None if value is None else _rounded_down(value, width, scale) for value in distinct.dictionary.to_pylist()]
    try:
        return pa.array(down, array.type).take(distinct.indices)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise DataError(
            f"A value is so near the smallest of {array.type} that truncate[{width}] leaves the type: {error}",
            todo="Partition by bucket, or give the column a wider type.",
        ) from None


def _rounded_down(value: int | Decimal, width: int, scale: int) -> int | Decimal:
    if isinstance(value, int):
        return value - value % width
    unscaled = int(value.scaleb(scale, _WIDE))
    return Decimal(unscaled - unscaled % width).scaleb(-scale, _WIDE)


def internal(value: pa.Scalar) -> Value:
    """A partition value as Iceberg holds it; decimals, uuids and (in hex) bytes as text."""
    kind = value.type
    if not value.is_valid:
        return None
    if pa.types.is_date32(kind):
        return int(value.cast(pa.int32()).as_py())
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        return int(value.cast(pa.int64()).as_py())
    found = value.as_py()
    if isinstance(found, Decimal):
        return str(found)
    if isinstance(found, bytes):
        return str(UUID(bytes=found)) if pa.types.is_fixed_size_binary(kind) else found.hex()
    if isinstance(found, (bool, int, str)):
        return found
    raise UnsupportedError(f"A partition value of type {kind} can't be written.", todo="Partition by another column.")


def record(values: tuple[Value, ...], schema: Schema, spec: PartitionSpec) -> Record:
    """A staged file's partition values as a manifest wants them; LakeError when the table's spec is another one."""
    if len(values) != len(spec.fields):
        raise LakeError(
            f"A staged file has {len(values)} partition values, but the table is partitioned by {spec}.",
            todo="The table was changed since the files were written: run the cut anew.",
        )
    kinds = [f.transform.result_type(schema.find_field(f.source_id).field_type) for f in spec.fields]
    return Record(*(_restored(value, kind) for value, kind in zip(values, kinds, strict=True)))


def _restored(value: Value, kind: t.IcebergType) -> object:
    if isinstance(value, str) and isinstance(kind, t.DecimalType):
        return Decimal(value)
    if isinstance(value, str) and isinstance(kind, t.UUIDType):
        return UUID(value)
    if isinstance(value, str) and isinstance(kind, t.BinaryType):
        return bytes.fromhex(value)
    return value
