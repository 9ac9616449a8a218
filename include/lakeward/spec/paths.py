"""Dotted paths into records: ``address.city``; a key that holds a dot or a quote is quoted, ``"a.b".c``; ``$`` is the whole."""

from __future__ import annotations

import re

ROOT = "$"
_PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')
_PLAIN = re.compile(r'[^.",:]+')


def parse_path(text: str) -> tuple[str, ...]:
    """The keys that a path names, outermost first; ``$`` is (). ValueError when it is malformed. ``"$"`` quoted is a key."""
    if text == ROOT:
        return ()
    keys: list[str] = []
    at = 0
    while True:
        found = _PART.match(text, at)
        if found is None:
            raise ValueError(f'{text!r} is no path: keys joined by dots, as address.city; a key with a dot as "a.b".c')
        keys.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        at = found.end()
        if at == len(text):
            return tuple(keys)
        if text[at] != ".":
            raise ValueError(f"{text!r} is no path: a dot is missing before {text[at:]!r}")
        at += 1


def format_path(path: tuple[str, ...]) -> str:
    """The path as it is written in a migration file; ``parse_path`` reads it back."""
    if not path:
        return ROOT
    if path == (ROOT,):
        return '"$"'
    return ".".join(key if _PLAIN.fullmatch(key) else '"' + key.replace('"', '""') + '"' for key in path)
