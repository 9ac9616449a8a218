"""What of a wrong file can be checked all the same: misspelt keys as what was meant, stand-ins for what can't be read.

No item of a list is taken out, so that the paths of the file stay those of the mended one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lakeward.spec.diagnose import locate
from lakeward.spec.document import Node, Path
from lakeward.spec.known import meant_key, model_at
from lakeward.spec.problems import MOST, Place, Problem, Trouble

Model = TypeVar("Model", bound=BaseModel)

_ROUNDS = 10
_EXPECT = "expect_unread"
_ITEMS: dict[str, Callable[[str], object]] = {
    "groups": lambda word: {"name": word, "tables": [{"table": word}]},
    "tables": lambda word: {"table": word},
    "kpis": lambda word: {"name": word, "table": word, "measure": "count()"},
    "flatten": lambda word: {"column": word},
    "children": lambda word: {"path": word, "table": word},
    "maps": lambda word: {"path": word, "table": word},
    "rules": lambda _: {"expect": _EXPECT},
    "references": lambda word: {"table": word, "columns": [word], "to": word, "to_columns": [word]},
    "filter": lambda word: {"column": word, "op": "is null"},
}
_KEYS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("migration", "connection", "namespace", "name", "table", "to", "column"), lambda word: word),
    **dict.fromkeys(("columns", "to_columns"), lambda word: [word]),
    **{name: lambda word, name=name: [_ITEMS[name](word)] for name in ("groups", "tables", "kpis")},  # type: ignore[misc]
    "source": lambda word: {"connection": word},
    "target": lambda word: {"connection": word, "namespace": word},
    "landing": lambda _: {"path": "/unread"},
    "path": lambda _: "/unread",
    "pattern": lambda _: "lift_and_shift",
    "measure": lambda _: "count()",
    "expect": lambda _: _EXPECT,
}


def respell(root: Node, model: type[BaseModel]) -> tuple[Node, list[Problem]]:
    """The file with its misspelt keys put right, and what is to be said of each; a key that is not near any stays."""
    problems: list[Problem] = []
    for _ in range(_ROUNDS):
        before = len(problems)
        for path in [path for path, kind in _wrong(root.plain(), model) if kind == "extra_forbidden"]:
            _, place, _, _ = locate(root, path)
            holder = locate(root, path[:-1])[2]
            here = model_at(model, path[:-1])
            if here and holder and isinstance(holder.value, dict):
                key = str(path[-1])
                if name := meant_key(key, here, holder.value):
                    root = root.rename(path, name)
                    problems.append(Problem(place, f"unknown key `{key}`", f"Did you mean `{name}`?"))
        if len(problems) == before:
            break
    return root, problems


def mend(root: Node, model: type[Model]) -> tuple[Model | None, frozenset[Path]]:
    """The file with stand-ins for what is wrong in it, and where they are; no model when that can't be had."""
    data = root.plain()
    handled: set[Path] = set()
    unread: set[Path] = set()
    for _ in range(_ROUNDS):
        wrong = dict(_wrong(data, model))
        if not wrong:
            return model.model_validate(data), frozenset(unread)
        mended: set[Path] = set()
        for found in sorted(wrong, key=len, reverse=True):
            path = found
            if any(other[: len(path)] == path for other in mended):
                continue  # a list with a wrong item looks too short
            while path in handled:  # what stood in for it was wrong too
                path = path[:-1]
            if not path:
                return None, frozenset(unread)
            mended.add(path)
            inside = next((n for n, part in enumerate(path) if part in {"filter", "rules"}), None)
            if wrong[found] != "extra_forbidden" or inside is not None:
                # Of a filter all parts belong together.
                unread.add(path[: inside + 2] if inside is not None and path[inside] == "filter" else path)
            _stand_in(data, path, f"unread_{len(handled | mended)}", unknown=wrong[found] == "extra_forbidden")
        handled |= mended
    return None, frozenset(unread)


def unreadable(root: Node, places: Iterable[Place]) -> frozenset[Path]:
    """Where values are that YAML could not read; they look like none."""
    wanted = frozenset(places)

    def walk(node: Node, path: Path) -> Iterator[Path]:
        if node.value is None and node.place in wanted:
            yield path
        if isinstance(node.value, dict):
            for key, (_, inner) in node.value.items():
                yield from walk(inner, (*path, key))
        if isinstance(node.value, list):
            for n, inner in enumerate(node.value):
                yield from walk(inner, (*path, n))

    return frozenset(walk(root, ())) if wanted else frozenset()


def follows(trouble: Trouble, unread: frozenset[Path]) -> bool:
    """Whether a trouble may come from what could not be read alone."""
    return any(
        _within(trouble.path, path) or _within(path, trouble.path) or any(_within(b, path) for b in trouble.because)
        for path in unread
    )


def _within(path: Path, other: Path) -> bool:
    return path[: len(other)] == other


def _wrong(data: object, model: type[BaseModel]) -> list[tuple[Path, str]]:
    """Paths that the model does not take, with the kind of error."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)[:MOST]
        return [
            ((*_there(data, e["loc"][:-1]), str(e["loc"][-1])), e["type"])
            if e["type"] == "missing"
            else (_there(data, e["loc"]), e["type"])
            for e in errors
        ]
    return []


def _there(data: object, loc: Iterable[object]) -> Path:
    """The part of an error's location that the data has; branches of unions are left out."""
    path: Path = ()
    for part in loc:
        if isinstance(part, str | int) and (inner := _inner(data, part)):
            (data,) = inner
            path = (*path, part)
    return path


def _inner(data: object, part: str | int) -> tuple[object] | None:
    if isinstance(data, dict) and part in data:
        return (data[part],)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return (data[part],)
    return None


def _stand_in(data: object, path: Path, word: str, *, unknown: bool) -> None:
    for part in path[:-1]:
        (data,) = _inner(data, part) or (None,)
    last, above = path[-1], str(path[-2]) if len(path) > 1 else ""
    if isinstance(data, list) and isinstance(last, int):
        data[last] = _ITEMS[above](word) if above in _ITEMS else word
    elif isinstance(data, dict):
        data.pop(last, None)
        if above in {"fields", "types"}:
            data[last] = "string"
        elif not unknown and last in _KEYS:
            data[last] = _KEYS[str(last)](word)
