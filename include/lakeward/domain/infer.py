"""What a sample of records looks like: a type per path, lists that could be child tables, objects that look like maps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from lakeward.spec.paths import format_path
from lakeward.spec.scalars import LakeType

Path: TypeAlias = tuple[str, ...]
Typed: TypeAlias = tuple[tuple[Path, LakeType], ...]

MAP_KEYS = 24
"""An object with more distinct keys than this, over records that hold few of them each, looks like a map."""
MAX_PRECISION = 38
HEADROOM = 4

_JSON = LakeType("json")


@dataclass(frozen=True, slots=True)
class Inferred:
    """What was found, shaped as NestedColumn's parts. Items or values that are no objects have the path ().

    A list or map candidate is not among ``fields``; whoever declines one declares it ``json``, or leaves it undeclared.
    """

    fields: Typed
    lists: tuple[tuple[Path, Typed], ...]
    maps: tuple[tuple[Path, LakeType], ...]
    notes: tuple[str, ...]
    sampled: int


class _Number(str):
    """A number's own text: nothing is lost by reading it."""

    __slots__ = ()


class _Members(tuple[tuple[str, object], ...]):
    """An object's members as they stand, keys that come twice included."""

    __slots__ = ()


@dataclass(slots=True)
class _Seen:
    """What stood at one path over all samples."""

    kinds: set[str] = field(default_factory=set)  # boolean, integer, decimal, string, object, list
    digits: int = 0  # before the point
    scale: int = 0
    objects: int = 0
    members: int = 0
    children: dict[str, _Seen] = field(default_factory=dict)
    items: _Seen | None = None


@dataclass(slots=True)
class _Found:
    fields: list[tuple[Path, LakeType]] = field(default_factory=list)
    lists: list[tuple[Path, Typed]] = field(default_factory=list)
    maps: list[tuple[Path, LakeType]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def infer_fields(samples: Sequence[str | None]) -> Inferred:
    """Look at a bounded sample of JSON texts; what no type fits exactly becomes ``json``, and a note says why."""
    root, found = _Seen(), _Found()
    malformed = repeated = 0
    for sample in samples:
        if sample is None:
            continue
        try:
            value = _read(sample)
        except (ValueError, RecursionError):
            malformed += 1
            continue
        repeated += _observe(root, value)
    if malformed:
        found.notes.append(f"{malformed} of {len(samples)} sampled records are no JSON; they would be quarantined")
    if repeated:
        found.notes.append(f"{repeated} objects in the sample hold a key twice; they would be quarantined")
    if root.kinds:
        _collect(root, (), found, inside=False)
    return Inferred(tuple(found.fields), tuple(found.lists), tuple(found.maps), tuple(found.notes), len(samples))


def _read(text: str) -> object:
    return json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_refuse, object_pairs_hook=_Members)


def _refuse(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def _observe(seen: _Seen, value: object) -> int:
    """Note a value; the count of objects in it that hold a key twice."""
    match value:
        case None:
            return 0
        case bool():
            seen.kinds.add("boolean")
        case _Number():
            _observe_number(seen, value)
        case str():
            seen.kinds.add("string")
        case _Members():
            return _observe_object(seen, value)
        case list():
            seen.kinds.add("list")
            seen.items = seen.items or _Seen()
            return sum([_observe(seen.items, item) for item in value])
    return 0


def _observe_object(seen: _Seen, value: _Members) -> int:
    seen.kinds.add("object")
    seen.objects += 1
    seen.members += len(value)
    repeated = int(len({key for key, _ in value}) < len(value))
    return repeated + sum([_observe(seen.children.setdefault(key, _Seen()), member) for key, member in value])


def _observe_number(seen: _Seen, text: _Number) -> None:
    seen.kinds.add("integer" if text.lstrip("-").isdigit() else "decimal")
    try:
        _, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        digits, exponent = (), MAX_PRECISION * 2
    if not isinstance(exponent, int):
        exponent = MAX_PRECISION * 2
    seen.scale = max(seen.scale, -exponent)
    seen.digits = max(seen.digits, len(digits) + exponent)


def _collect(seen: _Seen, path: Path, found: _Found, *, inside: bool) -> None:
    """Turn what stood at ``path`` into fields; ``inside`` a list's items, lists stay JSON text."""
    if seen.kinds == {"object"} and seen.children:
        if _looks_like_map(seen):
            _collect_map(seen, path, found, inside=inside)
            return
        for key, child in seen.children.items():
            _collect(child, (*path, key), found, inside=inside)
    elif seen.kinds == {"list"} and not inside:
        below = _Found()
        _collect(seen.items or _Seen(), (), below, inside=True)
        found.lists.append((path, tuple(below.fields)))
        found.notes += [f"in the items of {format_path(path)}: {note}" for note in below.notes]
    else:
        kind, why = _type(seen, path)
        found.fields.append((path, kind))
        found.notes += [why] if why else []


def _looks_like_map(seen: _Seen) -> bool:
    return len(seen.children) > MAP_KEYS and len(seen.children) * seen.objects > 2 * seen.members


def _collect_map(seen: _Seen, path: Path, found: _Found, *, inside: bool) -> None:
    merged = _merge(seen.children.values())
    kind = _JSON if merged.kinds & {"object", "list"} else _type(merged, path)[0]
    note = (
        f"{format_path(path)} holds {len(seen.children)} different keys in {seen.objects} records: it looks like a map"
    )
    found.notes.append(note)
    if inside:
        found.fields.append((path, _JSON))
    else:
        found.maps.append((path, kind))


def _merge(parts: Iterable[_Seen]) -> _Seen:
    merged = _Seen()
    for part in parts:
        merged.kinds |= part.kinds
        merged.digits = max(merged.digits, part.digits)
        merged.scale = max(merged.scale, part.scale)
    return merged


_PLAIN: Mapping[frozenset[str], LakeType] = {
    frozenset({"boolean"}): LakeType("boolean"),
    frozenset({"string"}): LakeType("string"),
}
_UNCLEAR: Mapping[frozenset[str], str] = {
    frozenset(): "only null in the sample, so its type is not known",
    frozenset({"object"}): "only empty objects in the sample",
    frozenset({"list"}): "a list",
}


def _type(seen: _Seen, path: Path) -> tuple[LakeType, str]:
    """The type that takes everything that stood there, and why it is ``json`` when it is."""
    kinds = frozenset(seen.kinds)
    if kinds in _PLAIN:
        return _PLAIN[kinds], ""
    if kinds and kinds <= {"integer", "decimal"}:
        kind, why = _number_type(seen)
    else:
        kind, why = _JSON, _UNCLEAR.get(kinds, f"{', '.join(sorted(kinds))} in the sample")
    return kind, f"{format_path(path)}: {why}; kept as JSON text" if why else ""


def _number_type(seen: _Seen) -> tuple[LakeType, str]:
    if seen.kinds == {"integer"} and seen.digits <= 18:
        return LakeType("long"), ""
    scale = max(seen.scale, 0)
    used = max(seen.digits, 0) + scale
    if used > MAX_PRECISION:
        return _JSON, f"its numbers need more than {MAX_PRECISION} digits"
    return LakeType(f"decimal({min(MAX_PRECISION, max(18, used + HEADROOM))},{scale})"), ""
