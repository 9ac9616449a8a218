"""A migration file, read and checked; every problem of it is reported at once, with its lines. Nothing in it is executed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from pydantic import ValidationError

from lakeward.errors import SpecError
from lakeward.spec import document
from lakeward.spec.checks import check
from lakeward.spec.diagnose import diagnose, locate
from lakeward.spec.document import Node, Reader
from lakeward.spec.models import AnyMigration, LiftAndShift, Migration
from lakeward.spec.problems import MOST, Place, Problem, Trouble, meant, refuse

MAX_BYTES = 10_000_000
PATTERNS: dict[str, type[LiftAndShift]] = {"lift_and_shift": LiftAndShift}
NOT_YET = ("phased", "strangler_fig", "hybrid")

Check = Callable[[Migration], Iterator[Trouble]]

# A wrong item of these is left out, and the cross checks are made without it; nothing else looks wrong for that.
_ITEMS = frozenset({"rules", "references", "filter", "partition", "sort", "dimensions", "tags"})
# Without these other parts would look wrong.
_NAMING = frozenset({"name", "table", "tables", "groups", "flatten", "children", "maps", "kpis", "to"})


@dataclass(frozen=True, slots=True)
class LoadedMigration:
    """A migration file that is good: what it says, its text, where it lies and the sha256 of its bytes."""

    spec: AnyMigration
    text: str
    path: str
    file_hash: str


def load(path: Path, *, also: Check | None = None) -> LoadedMigration:
    """Read and check a migration file.

    :param also: further checks of the models, reported together with the others.
    :raises SpecError: every problem of the file, each with line, reason and what was meant.
    """
    data = _read(path)
    text = _decode(data, path)
    reader = Reader(text)
    root = reader.read()
    spec, problems = _validate(root, reader.problems, also)
    if problems or spec is None:
        raise refuse(str(path), text, problems)
    return LoadedMigration(spec, text, str(path), hashlib.sha256(data).hexdigest())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise SpecError(f"{path}: there is no such file.", todo=meant(path.name, near) or "Check the path.") from None
    except IsADirectoryError:
        raise SpecError(f"{path} is a folder.", todo="Name the migration files in it.") from None
    except OSError as error:
        raise SpecError(f"{path} can't be read: {error.strerror}.", todo="Check the file's rights.") from None
    if len(data) > MAX_BYTES:
        raise SpecError(f"{path} is larger than {MAX_BYTES // 10**6} MB.", todo="A migration file is small text.")
    return data


def _decode(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(
            f"{path}:{line}: this is no UTF-8 (byte 0x{data[error.start]:02x}).", todo="Save the file as UTF-8."
        ) from None


def _validate(
    root: Node | None, problems: list[Problem], also: Check | None
) -> tuple[AnyMigration | None, list[Problem]]:
    if root is None or root.value is None:
        whole = Problem(Place(1, 0, 0), "the file is empty", "`lakeward init CONN` writes one to begin with.")
        return None, problems or [whole]
    if not isinstance(root.value, dict):
        return None, [*problems, Problem(root.place, "the top level must be `key: value` lines, not a list or text")]
    model, refused = _pattern(root)
    problems = problems + refused
    spec, troubles = _shape(root, model)
    unreadable = {problem.place for problem in problems}  # a value that could not be read looks like none
    problems += [problem for _, problem in troubles if problem.place not in unreadable]
    if len(troubles) >= MOST:
        return None, problems
    whole_spec, tree = (spec, root) if spec else _mend(root, [path for path, _ in troubles], model)
    if whole_spec:
        made = islice(chain(check(whole_spec), also(whole_spec) if also else ()), MOST)
        problems += [_place(tree, trouble) for trouble in made]
    return spec, problems


def _pattern(root: Node) -> tuple[type[LiftAndShift], list[Problem]]:
    """The model of the file's pattern; what is wrong is judged as lift_and_shift, so that all of it is seen."""
    known = ", ".join(PATTERNS)
    if (found := root.child("pattern")) is None:
        return LiftAndShift, []
    value = found[1].value
    if isinstance(value, str) and value in NOT_YET:
        reason = f"the pattern `{value}` is not there yet; this version knows {known}"
        return LiftAndShift, [Problem(found[1].place, reason, "Use `lift_and_shift`, or wait for a later version.")]
    if not isinstance(value, str) or value not in PATTERNS:
        words = meant(str(value), (*PATTERNS, *NOT_YET)) if isinstance(value, str) else ""
        shown = value if isinstance(value, (str, int)) else "this"
        return LiftAndShift, [Problem(found[1].place, f"unknown pattern `{shown}`; this version knows {known}", words)]
    return PATTERNS[value], []


def _shape(root: Node, model: type[LiftAndShift]) -> tuple[LiftAndShift | None, list[tuple[document.Path, Problem]]]:
    try:
        return model.model_validate(root.plain()), []
    except ValidationError as error:
        found = diagnose(root, error.errors(include_url=False)[:MOST], model)
        return None, [(path, problem) for path, problem in found if path != ("pattern",)]


def _mend(root: Node, paths: list[document.Path], model: type[LiftAndShift]) -> tuple[LiftAndShift | None, Node]:
    """The file without what is wrong in it, where that leaves something to check."""
    cuts: dict[document.Path, str | None] = {}
    if (found := root.child("pattern")) and found[1].value != "lift_and_shift":
        cuts["pattern",] = "lift_and_shift"
    for path in paths:
        inside = next((n for n, part in enumerate(path[:-1]) if part in _ITEMS and isinstance(path[n + 1], int)), None)
        if inside is not None:
            cuts[path[: inside + 2]] = None
        elif not path or path[-1] in _NAMING or isinstance(path[-1], int):
            return None, root
        else:
            cuts[path] = "count()" if path[-1] == "measure" else None
    # Items of one list are taken out from its end, so that the paths of those before them stay right.
    for path in sorted(cuts, key=lambda p: (len(p), [part for part in p if isinstance(part, int)]), reverse=True):
        value = cuts[path]
        root = root.put(path, None if value is None else Node(locate(root, path)[1], value))
    try:
        return model.model_validate(root.plain()), root
    except ValidationError:
        return None, root


def _place(root: Node, trouble: Trouble) -> Problem:
    path, place, node, _ = locate(root, trouble.path)
    if path == trouble.path and node is not None and not isinstance(node.value, (list, dict)) and not trouble.key:
        place = node.place
    if trouble.at is not None and isinstance(node, Node) and isinstance(node.value, str) and place.width:
        quoted = place.width - len(node.value)  # two for a quoted scalar without escapes
        if quoted in {0, 2}:
            place = Place(place.line, place.column + quoted // 2 + trouble.at, 1)
    return Problem(place, trouble.reason, trouble.todo)
