"""Partition values of sorted batches, vectorised, in Iceberg's internal form; checked against PyIceberg's transforms by a test."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg import types as t
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import Transform
from pyiceberg.typedef import Record

from lakeward.errors import LakeError, UnsupportedError

Value = int | str | bool | None
_HOUR = 3_600_000_000


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
    if name == "identity":
        return array.storage if isinstance(array, pa.ExtensionArray) else array
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
        f"Partition transform {name} is not there yet.", todo="Use identity, year, month, day or hour."
    )


def internal(value: pa.Scalar) -> Value:
    """A partition value as Iceberg holds it, decimals and uuids as text."""
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
        return str(UUID(bytes=found))
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
    return value
