"""Names of source tables as they are written, and the lake's names that are made of them."""

from __future__ import annotations

import re

from lakeward.spec.paths import parse_path


def slug(text: str) -> str:
    """A name in snake case that any catalog takes."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_") or "x"


HOMES = {"postgres": "public"}
"""Schema that a table without one is in, by kind of source; ``main`` for all others."""


def home_of(kind: str) -> str:
    """The schema that a table without one is in."""
    return HOMES.get(kind, "main")


def split_table(text: str, home: str = "public") -> tuple[str, str]:
    """Schema and table of ``schema.table``; a table alone is in ``home``. ValueError when it is of another form."""
    try:
        parts = parse_path(text)
    except ValueError:
        parts = ()
    if len(parts) == 1 and parts[0].strip():
        return home, parts[0]
    if len(parts) == 2:
        return parts[0], parts[1]
    raise ValueError(f"{text!r} is not of the form `schema.table`; a part that holds a dot is put in double quotes")


def is_glob(text: str) -> bool:
    """Whether a table's name stands for several."""
    return any(c in text for c in "*?[")
