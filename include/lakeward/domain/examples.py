"""What an example of a type is: values of a column and what is in the lake for them."""

from __future__ import annotations

from dataclasses import dataclass

Value = str | tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Example:
    """A column of some type, the lake's type, and values: the same text on both sides, or the source's and the lake's (None: null).

    ``types``, ``special`` and ``trim`` are what the migration file says of the column.
    """

    declared: str
    lake: str
    values: tuple[Value, ...]
    types: str = ""
    special: str = ""
    trim: bool = False
