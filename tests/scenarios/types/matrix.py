"""Values of a lake, read one by one and compared exactly with what docs/types.md says of them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from uuid import UUID

from tests.chain import Chain
from type_world import lake_rows

from lakeward.domain.examples import Example, Value


def source_text(value: Value) -> str:
    """What stands at the source."""
    return value if isinstance(value, str) else value[0]


def lake_text(value: Value) -> str | None:
    """What is to be in the lake."""
    return value if isinstance(value, str) else value[1]


def bits(form: str) -> Callable[[object], bytes]:
    """A float, compared by its bits."""
    return lambda value: struct.pack(form, float(str(value)))


def moment(value: object) -> str:
    """DuckDB's text of a date or time, as PostgreSQL writes it."""
    written = str(value)
    return f"{written.replace(' (BC)', '')} BC" if "(BC)" in written else written


def octets(value: object) -> bytes:
    """Bytes, however they are written: all in hexadecimal digits, or only those that are not printable."""
    written = str(value)
    if isinstance(value, bytes):
        return value
    plain = all(c in "0123456789abcdef" for c in written.removeprefix("\\x"))
    return (
        bytes.fromhex(written.removeprefix("\\x"))
        if plain
        else written.encode().decode("unicode_escape").encode("latin-1")
    )


READ: dict[str, Callable[[object], object]] = {
    "float": bits("<f"),
    "double": bits("<d"),
    "boolean": lambda v: str(v).lower() in {"t", "true"},
    "int": lambda v: int(str(v)),
    "long": lambda v: int(str(v)),
    "uuid": lambda v: UUID(str(v)),
    "binary": octets,
    "date": moment,
    "time": moment,
    "timestamp": moment,
    "timestamptz": moment,
}


def value_of(kind: str, value: object) -> object:
    """A value of a lake type, to be compared exactly: decimals with their scale, floats by their bits."""
    if value is None:
        return None
    return Decimal(str(value)).as_tuple() if kind.startswith("decimal") else READ.get(kind, str)(value)


def read(chain: Chain, table: str, examples: Sequence[Example]) -> list[dict[str, object]]:
    """The rows of a lake table with a column ``c<n>`` for each example, moments as text."""
    shown = dict.fromkeys(("date", "time", "timestamp"), "{}::VARCHAR")
    shown["timestamptz"] = (
        "make_timestamp(epoch_us({}))::VARCHAR || '+00'"  # DuckDB's own text is a millisecond off in far years
    )
    columns = [f"{shown.get(e.lake, '{}').format(f'c{n}')} AS c{n}" for n, e in enumerate(examples)]
    return lake_rows(chain, table, f"id, {', '.join(columns)}")


def wrong_values(rows: Sequence[dict[str, object]], examples: Sequence[Example]) -> Iterator[tuple[object, ...]]:
    """Every value that is not as its example says; rows beyond an example's values are null."""
    for n, example in enumerate(examples):
        for row, found in enumerate(r[f"c{n}"] for r in rows):
            expected = lake_text(example.values[row]) if row < len(example.values) else None
            if value_of(example.lake, found) != value_of(example.lake, expected):
                yield example.declared, example.lake, row, expected, found


def spec_of(examples: Sequence[Example]) -> dict[str, object]:
    """What the migration file says of the columns."""
    named = {f"c{n}": e for n, e in enumerate(examples)}
    return {
        "types": {c: e.types for c, e in named.items() if e.types},
        "special": {c: e.special for c, e in named.items() if e.special},
        "trim": [c for c, e in named.items() if e.trim],
    }
