"""Names of source tables as they are written, and the lake's names that are made of them."""

from __future__ import annotations

import re

_PART = re.compile(r'"((?:[^"]|"")+)"|([^."\s][^."]*)')


def slug(text: str) -> str:
    """A name in snake case that any catalog takes."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_") or "x"


def split_table(text: str) -> tuple[str, str]:
    """Schema and table of ``schema.table``, quotes taken off; ValueError when it is of another form."""
    first = _PART.match(text)
    if first and text[first.end() : first.end() + 1] == ".":
        second = _PART.fullmatch(text, first.end() + 1)
        if second:
            schema, table = (m[2] if m[1] is None else m[1].replace('""', '"') for m in (first, second))
            return schema, table
    raise ValueError(f"{text!r} is not of the form `schema.table`; a part that holds a dot is put in double quotes")


def is_glob(text: str) -> bool:
    """Whether a table's name stands for several."""
    return any(c in text for c in "*?[")
