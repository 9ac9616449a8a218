"""Numbers with their nouns, and values that people can tell from others."""

from __future__ import annotations

from unicodedata import is_normalized


def counted(number: int, one: str, many: str = "") -> str:
    """`1 cell`, `2 cells`."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def spelled(value: str | None, absent: str = "null") -> str:
    """A value so that it looks like no other: text that is empty, has blanks around it or is in another normal form stands in quotes."""
    if value is None:
        return absent
    if not is_normalized("NFC", value):
        return ascii(value)
    return f"'{value}'" if value != value.strip() or value[:1] in {"", "'"} or value in {"null", absent} else value
