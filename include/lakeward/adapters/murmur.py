"""Iceberg's bucket hash, murmur3 x86 32 with seed 0, over whole Arrow arrays: for DuckDB's sort and for the writer alike."""

from __future__ import annotations

import mmh3
import numpy as np
import numpy.typing as npt
import pyarrow as pa

_Words = npt.NDArray[np.uint32]


def hashes(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Hashes (int32) of integers, dates, times, instants, decimals, texts and bytes as Iceberg defines them; null of null.

    Source: Iceberg's table specification, appendix B.
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_decimal(array.type):
        found = [mmh3.hash(_smallest(value)) for value in _unscaled(array).to_pylist() if value is not None]
    elif pa.types.is_string(array.type) or pa.types.is_binary(array.type) or pa.types.is_fixed_size_binary(array.type):
        found = [mmh3.hash(value) for value in array.to_pylist() if value is not None]
    else:
        return pa.array(_of_longs(_longs(array)), mask=np.asarray(array.is_null()))
    return _with_nulls(found, array)


def _longs(array: pa.Array) -> npt.NDArray[np.int64]:
    """Storage as 8-byte integers: days of dates, microseconds of times and instants."""
    whole = array.cast(pa.int32()) if pa.types.is_date32(array.type) else array
    return np.asarray(whole.cast(pa.int64()).fill_null(0))


def _unscaled(array: pa.Array) -> pa.Array:
    """Decimals without their point."""
    wide = array.cast(pa.decimal128(38, array.type.scale))
    return pa.Array.from_buffers(pa.decimal128(38, 0), len(wide), wide.buffers(), offset=wide.offset)


def _smallest(value: object) -> bytes:
    """The shortest big-endian two's complement of a whole decimal."""
    number = int(str(value))
    return number.to_bytes(((number if number >= 0 else ~number).bit_length() // 8) + 1, "big", signed=True)


def _with_nulls(found: list[int], array: pa.Array) -> pa.Array:
    if not array.null_count:
        return pa.array(found, pa.int32())
    rest = iter(found)
    return pa.array([next(rest) if valid else None for valid in array.is_valid().to_pylist()], pa.int32())


def _of_longs(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    halves = values.astype("<i8").view("<u4").reshape(-1, 2)
    state = np.zeros(len(values), np.uint32)
    for n in range(2):
        word = _rotated(halves[:, n] * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
        state = _rotated(state ^ word, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    state ^= np.uint32(8)
    state = (state ^ (state >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    state = (state ^ (state >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return (state ^ (state >> np.uint32(16))).view(np.int32)


def _rotated(words: _Words, bits: int) -> _Words:
    return (words << np.uint32(bits)) | (words >> np.uint32(32 - bits))
