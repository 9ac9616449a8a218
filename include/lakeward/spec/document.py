"""YAML as a tree that remembers where each thing stands. Nothing in a file is ever executed or constructed by tag.

Scalars follow YAML 1.2: only `true` and `false` are booleans (`NO` is Norway), decimals are Decimal from their own text,
`2026-01-31` is a date, and keys are always text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import yaml
from yaml import events as ev

from lakeward.spec.problems import Place, Problem

Atom = bool | int | Decimal | date | datetime | str | None
Key = str | int
Path = tuple[Key, ...]

MAX_DEPTH = 40
MAX_NODES = 100_000
MAX_DIGITS = 400
"""More than a double can have."""

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]+([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)"
    r"\s*(Z|z|[-+][0-9]{2}(?::?[0-9]{2})?)?"
)
_WORDS: dict[str, Atom] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, list or mapping; ``size`` counts the nodes below it as if every alias were written out."""

    place: Place
    value: Atom | list[Node] | dict[str, tuple[Place, Node]]
    size: int = 1

    def plain(self) -> object:
        """The same as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, (_, node) in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, key: Key) -> tuple[Place, Node] | None:
        """Where a key or list item stands and what it is, or None when there is none."""
        if isinstance(self.value, dict) and isinstance(key, str):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            return self.value[key].place, self.value[key]
        return None

    def rename(self, path: Path, name: str) -> Node:
        """The same tree with another name for the key at ``path``."""
        head, rest = path[0], path[1:]
        if isinstance(self.value, dict):
            entries = {
                (name if key == head and not rest else key): (
                    at,
                    node.rename(rest, name) if key == head and rest else node,
                )
                for key, (at, node) in self.value.items()
            }
            return Node(self.place, entries, self.size)
        if isinstance(self.value, list):
            items = [node.rename(rest, name) if n == head else node for n, node in enumerate(self.value)]
            return Node(self.place, items, self.size)
        return self


@dataclass
class Reader:
    """Builds the tree of one document from YAML's events, and collects what is wrong with it."""

    text: str
    problems: list[Problem] = field(default_factory=list)
    _anchors: dict[str, Node] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)
    _merged: int = 0

    def read(self) -> Node | None:
        """The tree, or None when the document is empty or can't be read; look at ``problems``."""
        root: Node | None = None
        documents = 0
        try:
            stream = yaml.parse(self.text, Loader=_LOADER)
            for event in stream:
                if isinstance(event, ev.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self._refuse(_place(event), "a second document begins here", "Write one migration per file.")
                        break
                elif not isinstance(event, (ev.StreamStartEvent, ev.StreamEndEvent, ev.DocumentEndEvent)):
                    root = self._node(event, stream, 0)
        except _TooMuchError as error:
            self._refuse(error.place, error.reason, "A migration file is small; write it out flat.")
            return None
        except yaml.YAMLError as error:
            self.problems.append(_syntax(error, self.text))
            return None
        return root

    def _node(self, event: ev.Event, stream: Iterator[ev.Event], depth: int) -> Node:
        place = _place(event)
        if depth > MAX_DEPTH:
            raise _TooMuchError(place, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, ev.AliasEvent):
            return self._alias(event.anchor or "", place)
        if not isinstance(event, ev.ScalarEvent | ev.CollectionStartEvent):
            raise TypeError(f"no node begins with {event!r}")
        if event.tag is not None and event.tag not in {"!", "tag:yaml.org,2002:str"}:
            self._refuse(place, f"the tag `{event.tag}` is refused", "Write plain values; nothing here is run as code.")
        if event.anchor:
            self._open.add(event.anchor)
        if isinstance(event, ev.ScalarEvent):
            node = Node(place, self._scalar(event, place))
        elif isinstance(event, ev.SequenceStartEvent):
            node = self._list(place, stream, depth)
        else:
            node = self._mapping(place, stream, depth)
        if node.size > MAX_NODES:
            raise _TooMuchError(place, f"holds more than {MAX_NODES:,} values when its aliases are written out")
        if event.anchor:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = node
        return node

    def _alias(self, anchor: str, place: Place) -> Node:
        if anchor in self._open:
            raise _TooMuchError(place, f"the alias `*{anchor}` contains itself")
        if anchor not in self._anchors:
            self._refuse(place, f"no anchor `&{anchor}` stands before this", "Quote the value when it begins with `*`.")
            return Node(place, None)
        return self._anchors[anchor]

    def _list(self, place: Place, stream: Iterator[ev.Event], depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(stream), ev.SequenceEndEvent):
            items.append(self._node(event, stream, depth + 1))
        return Node(place, items, 1 + sum(item.size for item in items))

    def _mapping(self, place: Place, stream: Iterator[ev.Event], depth: int) -> Node:
        own: dict[str, tuple[Place, Node]] = {}
        merged: dict[str, tuple[Place, Node]] = {}
        while not isinstance(event := next(stream), ev.MappingEndEvent):
            at = _place(event)
            if not isinstance(event, ev.ScalarEvent):
                self._node(event, stream, depth + 1)
                self._refuse(at, "a key must be a plain word", "Put quotes around values that begin with `{` or `[`.")
                self._node(next(stream), stream, depth + 1)
                continue
            key, value = event.value, self._node(next(stream), stream, depth + 1)
            if key == "<<" and event.implicit[0]:
                merged |= {k: v for k, v in self._merge(value, at).items() if k not in merged}
                self._merged += len(merged)  # unlike an alias, what is merged is copied
                if self._merged > MAX_NODES:
                    raise _TooMuchError(at, f"merges more than {MAX_NODES:,} keys by `<<`")
            elif key in own:
                self._refuse(at, f"the key `{key}` stands twice, first in line {own[key][0].line}", "Keep one of them.")
            else:
                own[key] = (at, value)
        entries = merged | own
        return Node(place, entries, 1 + sum(node.size for _, node in entries.values()))

    def _merge(self, value: Node, place: Place) -> dict[str, tuple[Place, Node]]:
        found: dict[str, tuple[Place, Node]] = {}
        for node in value.value if isinstance(value.value, list) else [value]:
            if isinstance(node.value, dict):
                found = node.value | found
            else:
                self._refuse(place, "`<<` takes an alias of a mapping", "Write `<<: *name`.")
        return found

    def _scalar(self, event: ev.ScalarEvent, place: Place) -> Atom:
        if not event.implicit[0]:  # quoted, or tagged as text
            return str(event.value)
        try:
            return atom(event.value)
        except ValueError as error:
            self._refuse(place, str(error), "Put quotes around it if it is text.")
            return None

    def _refuse(self, place: Place, reason: str, todo: str) -> None:
        self.problems.append(Problem(place, reason, todo))


class _TooMuchError(Exception):
    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(reason)
        self.place, self.reason = place, reason


def atom(text: str) -> Atom:
    """What a plain scalar is; ValueError for a date that no calendar has, and for NaN and infinities."""
    if text in _WORDS:
        return _WORDS[text]
    if _DECIMAL.fullmatch(text):
        number = Decimal(text)
        if len(text) > MAX_DIGITS or abs(number.adjusted()) > MAX_DIGITS:
            raise ValueError(f"`{text}` is a number of more than {MAX_DIGITS} digits")
        return int(text) if _INT.fullmatch(text) else number
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        raise ValueError(f"`{text}` is no number that can be compared with")
    if _DATE.fullmatch(text) or _INSTANT.fullmatch(text):
        return _instant(text)
    return text


def _instant(text: str) -> date | datetime:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        day, clock, offset = _INSTANT.fullmatch(text).groups()  # type: ignore[union-attr]  # it matched just before
        return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=_zone(offset))
    except ValueError as error:
        raise ValueError(f"`{text}` looks like a date, but {error}") from error


def _zone(offset: str | None) -> timezone | None:
    if offset is None:
        return None
    if offset in "Zz":
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return timezone((-1 if offset[0] == "-" else 1) * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def _place(event: ev.Event) -> Place:
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:
        return Place(1, 0, 0)
    width = end.column - start.column if end.line == start.line else 0
    return Place(start.line + 1, start.column, max(width, 0))


def _syntax(error: yaml.YAMLError, text: str) -> Problem:
    """YAML's own words, but for what people meet most."""
    mark = (error.problem_mark or error.context_mark) if isinstance(error, yaml.MarkedYAMLError) else None
    if isinstance(error, yaml.MarkedYAMLError) and mark is not None:
        place = Place(mark.line + 1, mark.column, 1)
        lines = text.splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        if "\t" in line[: mark.column + 1]:
            at = line.index("\t")
            return Problem(Place(mark.line + 1, at, 1), "a tab; YAML is indented with blanks", "Put blanks instead.")
        reason = " ".join(part for part in (error.context, error.problem) if part)
        return Problem(
            place, f"this is no YAML: {reason}", "Look at indentation, quotes and colons on the lines shown."
        )
    position = getattr(error, "position", 0)
    before = text[:position] if isinstance(position, int) else ""
    place = Place(before.count("\n") + 1, len(before) - before.rfind("\n") - 1, 1)
    return Problem(place, f"a character that YAML does not allow: {getattr(error, 'reason', error)}", "Take it out.")
