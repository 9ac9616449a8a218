"""Messages of PostgreSQL's output plugin pgoutput, protocol version 1, as its documentation lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Final

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_ALIVE = Struct(">QQB")
_STATUS = Struct(">cQQQQB")
_BEGIN = Struct(">QQI")
_COMMIT = Struct(">BQQQ")
_OID = Struct(">I")
_SHORT = Struct(">H")
_LONG = Struct(">i")

UNCHANGED: Final = object()
"""Stands for a value that is stored out of line and was not changed: the log does not carry it."""

Value = bytes | None | object
"""Text of a value, null, or ``UNCHANGED``."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as the log describes it from here on. A column: name, type's oid and modifier, and whether it identifies a row."""

    oid: int
    schema: str
    table: str
    full: bool  # old rows come whole
    columns: tuple[tuple[str, int, int, bool], ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins: where its commit is, and when it was committed."""

    position: int
    at: datetime


def payload(data: bytes) -> bytes:
    """The plugin's message in an XLogData; before it stand where it begins, where the server is, and its clock."""
    return data[25:]


def keepalive(data: bytes) -> tuple[int, bool]:
    """How far the server has come, and whether it wants an answer."""
    end, _, wanted = _ALIVE.unpack_from(data, 1)
    return end, bool(wanted)


def status(position: int) -> bytes:
    """A standby's status update: everything before the position is kept."""
    return _STATUS.pack(b"r", position, position, position, 0, 0)


def begin(data: bytes) -> Begin:
    """A ``B``."""
    position, micros, _ = _BEGIN.unpack_from(data, 1)
    return Begin(position, _EPOCH + timedelta(microseconds=micros))


def commit_end(data: bytes) -> int:
    """The end of a ``C``: later commits come at this position or after it."""
    return int(_COMMIT.unpack_from(data, 1)[2])


def relation(data: bytes) -> Relation:
    """An ``R``."""
    (oid,) = _OID.unpack_from(data, 1)
    schema, at = _text(data, 5)
    table, at = _text(data, at)
    full = data[at : at + 1] == b"f"
    (count,) = _SHORT.unpack_from(data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        flags = data[at]
        name, at = _text(data, at + 1)
        (kind,), (modifier,) = _OID.unpack_from(data, at), _LONG.unpack_from(data, at + 4)
        columns.append((name, kind, modifier, bool(flags & 1)))
        at += 8
    return Relation(oid, schema or "pg_catalog", table, full, tuple(columns))


def oid_of(data: bytes) -> int:
    """The table of an ``I``, ``U`` or ``D``."""
    return int(_OID.unpack_from(data, 1)[0])


def truncated(data: bytes) -> Sequence[int]:
    """The tables of a ``T``."""
    (count,) = _OID.unpack_from(data, 1)
    return [_OID.unpack_from(data, 6 + 4 * n)[0] for n in range(count)]


def row(data: bytes, at: int) -> tuple[list[Value], int]:
    """The values of a tuple that begins there, and where it ends. It runs for every value of the log: hence its shape."""
    (count,) = _SHORT.unpack_from(data, at)
    at += 2
    values: list[Value] = []
    add, length_at = values.append, _OID.unpack_from
    for _ in range(count):
        kind = data[at]
        at += 1
        if kind == 0x74:  # t
            end = at + 4 + length_at(data, at)[0]
            add(data[at + 4 : end])
            at = end
        else:
            add(None if kind == 0x6E else UNCHANGED)  # n, u
    return values, at


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1
