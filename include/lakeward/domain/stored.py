"""Facts as JSON, and back."""

from __future__ import annotations

import json
from typing import TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from lakeward.errors import UnreadableError

T = TypeVar("T")


_ADAPTERS: dict[type, TypeAdapter[object]] = {}


def _adapter(kind: type) -> TypeAdapter[object]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_json(fact: object) -> bytes:
    """A fact as JSON, the same bytes for the same fact."""
    return _adapter(type(fact)).dump_json(fact, indent=1)


def is_stored(fact: object, data: bytes) -> bool:
    """Whether these bytes are the fact as it was stored, by this version or by one that knew fewer of its fields."""
    found: object = json.loads(data)
    return to_json(found) == data and _within(found, json.loads(to_json(fact)))


def _within(part: object, whole: object) -> bool:
    match part, whole:
        case dict(), dict():
            return all(key in whole and _within(value, whole[key]) for key, value in part.items())
        case list(), list():
            return len(part) == len(whole) and all(map(_within, part, whole))
        case _:
            return (type(part), part) == (type(whole), whole)


def from_json(kind: type[T], data: bytes | str, at: str = "") -> T:
    """Read a fact back; UnreadableError when it is another, or was cut off or changed.

    :param at: where it is stored, for the message.
    """
    try:
        return cast("T", _adapter(kind).validate_json(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise UnreadableError(
            f"What is stored as {kind.__name__}{f' at {at}' if at else ''} ({len(data)} bytes) can't be read: {where}: {first['msg']}.",
            todo="It was changed, cut off, or written by another version: find out who writes below the landing path. Put the object "
            "back from a copy or the store's versions if there is one; a landing or plan that is lost is made anew by a new run "
            "(`lakeward run --new`), and docs/operating.md tells how pointers and claims are.",
        ) from None
