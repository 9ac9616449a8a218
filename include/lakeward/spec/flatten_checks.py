"""What must hold inside the flatten rules of one table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from lakeward.spec.document import Path
from lakeward.spec.models import ChildSpec, FlattenSpec, TableSpec
from lakeward.spec.paths import format_path, parse_path
from lakeward.spec.problems import Trouble, meant

T = TypeVar("T", bound=Hashable)
Found = tuple[tuple[str, ...], Path]


def flatten(table: TableSpec, at: Path) -> Iterator[Trouble]:
    """Each column once, not masked, dropped or typed besides; paths that don't overlap; renames that name something."""
    for n, column in again(rule.column for rule in table.flatten):
        yield Trouble((*at, "flatten", n, "column"), f"`{column}` is flattened twice", "Join the two rules.")
    for n, rule in enumerate(table.flatten):
        here: Path = (*at, "flatten", n)
        for part, columns in (
            ("drop", table.drop),
            ("mask", table.mask),
            ("types", table.types),
            ("rename", table.rename),
        ):
            if rule.column in columns:
                reason = f"`{rule.column}` is both flattened and listed under `{part}`"
                todo = "Use the rule's own `prefix`, `fields` and `rename`." if part in {"types", "rename"} else ""
                yield Trouble((*here, "column"), reason, todo or "Choose one.")
        yield from _rule(rule, here)


def _rule(rule: FlattenSpec, at: Path) -> Iterator[Trouble]:
    found, troubles = _paths(rule, at)
    yield from troubles
    yield from _overlaps(found)
    yield from _renames(rule, at)
    for n, child in enumerate(rule.children):
        yield from _child(child, (*at, "children", n))


def again(values: Iterable[T]) -> Iterator[tuple[int, T]]:
    """Those that stood before already, with their place."""
    seen: set[T] = set()
    for n, value in enumerate(values):
        if value in seen:
            yield n, value
        seen.add(value)


def _overlaps(found: list[Found]) -> Iterator[Trouble]:
    whole: set[tuple[str, ...]] = set()
    inside: dict[tuple[str, ...], tuple[str, ...]] = {}  # what a path lies in, to the first such path
    for path, where in found:
        above = [path[:n] for n in range(len(path) + 1)]
        other = next((part for part in above if part in whole), inside.get(path))
        if other is not None:
            reason = f"the paths `{format_path(other)}` and `{format_path(path)}` overlap"
            yield Trouble(where, reason, "Declare either the whole or its parts.", key=True)
        whole.add(path)
        for part in above[:-1]:
            inside.setdefault(part, path)


def _paths(rule: FlattenSpec, at: Path) -> tuple[list[Found], list[Trouble]]:
    written: list[tuple[str, Path]] = []
    if rule.fields != "infer":
        written += [(text, (*at, "fields", text)) for text in rule.fields]
    written += [(child.path, (*at, "children", n, "path")) for n, child in enumerate(rule.children)]
    written += [(one.path, (*at, "maps", n, "path")) for n, one in enumerate(rule.maps)]
    return _parsed(written)


def _parsed(written: list[tuple[str, Path]]) -> tuple[list[Found], list[Trouble]]:
    found: list[Found] = []
    troubles: list[Trouble] = []
    for text, where in written:
        try:
            found.append((parse_path(text), where))
        except ValueError as error:
            troubles.append(Trouble(where, str(error), key=True))
    return found, troubles


def _child(child: ChildSpec, at: Path) -> Iterator[Trouble]:
    if child.fields == "infer":
        return
    if not child.fields:
        yield Trouble((*at, "fields"), "the child table has no fields", "Declare them, or write `fields: infer`.")
    found, troubles = _parsed([(text, (*at, "fields", text)) for text in child.fields])
    yield from troubles
    if len(found) > 1 and any(path == () for path, _ in found):
        yield Trouble((*at, "fields", "$"), "`$` is the item itself, which then has no other fields", key=True)
    yield from _renames(child, at)


def _renames(part: FlattenSpec | ChildSpec, at: Path) -> Iterator[Trouble]:
    seen: dict[str, str] = {}
    for text, name in part.rename.items():
        if part.fields != "infer" and text not in part.fields:
            todo = meant(text, part.fields) or "Name a path of `fields`."
            yield Trouble((*at, "rename", text), f"`{text}` is renamed, but is none of `fields`", todo, key=True)
        if (other := seen.setdefault(name, text)) != text:
            yield Trouble((*at, "rename", text), f"`{other}` and `{text}` are both renamed to `{name}`")
