"""Batches in the live table's types. Only what loses nothing is cast; everything else is refused by column."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lakeward.errors import DataError, LakeError

_HEX_OF_UUID = 32


def fit(batch: pa.RecordBatch, schema: pa.Schema, table: str) -> pa.RecordBatch:
    """The batch with the schema's columns in its order and types.

    :raises LakeError: a column is missing or not known.
    :raises DataError: a value does not fit, or a required column holds null.
    """
    if set(batch.schema.names) != set(schema.names) or len(batch.schema.names) != len(schema.names):
        raise LakeError(
            f"Table {table}: rows with the columns {', '.join(batch.schema.names)} were to be written, "
            f"the table has {', '.join(schema.names)}.",
            todo="Run the prepare step again; if it finds nothing, report this.",
        )
    return pa.record_batch([_fitted(batch.column(f.name), f, table) for f in schema], schema=schema)


def _fitted(column: pa.Array, field: pa.Field, table: str) -> pa.Array:
    if not field.nullable and column.null_count:
        raise DataError(
            f"Table {table}, column {field.name!r}: {column.null_count} nulls, but the column is required.",
            todo="Mend them at the source, filter them out, or leave the column out of the key.",
        )
    if column.type == field.type:
        return column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        if field.type == pa.uuid():
            return _as_uuid(column)
        if _lossless(column.type, field.type):
            return column.cast(field.type)
    except (pa.ArrowInvalid, ValueError) as error:
        raise DataError(
            f"Table {table}, column {field.name!r}: a value does not fit {field.type}: {str(error)[:300]}",
            todo="Give the column a wider type with `types:` in the migration file, or mend the value at the source.",
        ) from None
    raise DataError(
        f"Table {table}, column {field.name!r}: {column.type} can't become {field.type} without loss.",
        todo="Give the column another type with `types:` in the migration file.",
    )


def _lossless(have: pa.DataType, want: pa.DataType) -> bool:
    """Whether a safe cast keeps every value or raises."""
    is_ = pa.types
    if is_.is_timestamp(have) and is_.is_timestamp(want):
        return (have.tz is None) == (want.tz is None)
    families = (
        ((is_.is_integer,), (is_.is_integer, is_.is_decimal, is_.is_float64)),
        ((is_.is_decimal,), (is_.is_decimal, is_.is_integer)),
        ((is_.is_floating,), (is_.is_float64,)),
        ((is_.is_string, is_.is_large_string, is_.is_string_view), (is_.is_string,)),
        ((is_.is_binary, is_.is_large_binary, is_.is_fixed_size_binary, is_.is_binary_view), (is_.is_binary,)),
        ((is_.is_time,), (is_.is_time,)),
        ((is_.is_date,), (is_.is_date,)),
        ((is_.is_null,), (lambda _: True,)),
    )
    return any(any(f(have) for f in froms) and any(f(want) for f in tos) for froms, tos in families)


def _as_uuid(column: pa.Array) -> pa.Array:
    """From 16 bytes or from text; set-based, since there is no kernel for hex."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if not pa.types.is_fixed_size_binary(column.type):
        if not _lossless(column.type, pa.string()):
            return pa.ExtensionArray.from_storage(pa.uuid(), column.cast(pa.binary(16)))
        digits = pc.replace_substring(column, "-", "").fill_null("0" * _HEX_OF_UUID)
        if pc.any(pc.not_equal(pc.binary_length(digits), _HEX_OF_UUID)).as_py():
            raise ValueError("a text is no uuid")
        data = bytes.fromhex("".join(digits.to_pylist()))
        storage = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(column), [None, pa.py_buffer(data)])
        column = pc.if_else(column.is_valid(), storage, pa.scalar(None, pa.binary(16)))
    return pa.ExtensionArray.from_storage(pa.uuid(), column)
