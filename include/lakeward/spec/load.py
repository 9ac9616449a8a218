"""A migration file, read and checked; every problem of it is reported at once, with its lines. Nothing in it is executed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from pydantic import ValidationError

from lakeward.errors import SpecError
from lakeward.spec.checks import check
from lakeward.spec.diagnose import diagnose, place
from lakeward.spec.document import Node, Reader
from lakeward.spec.mend import follows, mend, respell, unreadable
from lakeward.spec.models import AnyMigration, Hybrid, LiftAndShift, Migration, Phased, StranglerFig
from lakeward.spec.problems import MOST, Place, Problem, Trouble, meant, refuse

MAX_BYTES = 10_000_000
Known = LiftAndShift | Phased | StranglerFig | Hybrid
PATTERNS: dict[str, type[Known]] = {
    "lift_and_shift": LiftAndShift,
    "phased": Phased,
    "strangler_fig": StranglerFig,
    "hybrid": Hybrid,
}

Check = Callable[[Migration], Iterator[Trouble]]


@dataclass(frozen=True, slots=True)
class LoadedMigration:
    """A migration file that is good: what it says, its text, where it lies and the sha256 of its bytes."""

    spec: AnyMigration
    text: str
    path: str
    file_hash: str

    def refuse(self, troubles: Sequence[Trouble]) -> SpecError:
        """What planning finds wrong with the file, with its lines."""
        root = Reader(self.text).read()
        problems = [place(root, trouble) for trouble in troubles] if root else []
        return refuse(self.path, self.text, problems, "plan")


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
    unread = unreadable(root, (problem.place for problem in problems))
    root, misspelt = respell(root, _pattern(root)[0])
    model, refused = _pattern(root)
    problems = problems + misspelt + refused
    spec, troubles = _shape(root, model)
    hidden = {problem.place for problem in problems}  # a value that could not be read looks like none
    problems += [problem for problem in troubles if problem.place not in hidden]
    if len(troubles) >= MOST:
        return None, problems
    readable, stood_in = (spec, frozenset()) if spec else mend(root, model)
    if readable:
        made = chain(check(readable), also(readable) if also else ())
        told = (trouble for trouble in made if not follows(trouble, unread | stood_in))
        problems += [place(root, trouble) for trouble in islice(told, MOST)]
    return (None if misspelt else spec), problems


def _pattern(root: Node) -> tuple[type[Known], list[Problem]]:
    """The model of the file's pattern; what is wrong is judged as lift_and_shift, so that all of it is seen."""
    known = ", ".join(PATTERNS)
    if (found := root.child("pattern")) is None:
        return LiftAndShift, []
    value = found[1].value
    if not isinstance(value, str) or value not in PATTERNS:
        words = meant(str(value), PATTERNS) if isinstance(value, str) else ""
        shown = value if isinstance(value, (str, int)) else "this"
        return LiftAndShift, [Problem(found[1].place, f"unknown pattern `{shown}`; this version knows {known}", words)]
    return PATTERNS[value], []


def _shape(root: Node, model: type[Known]) -> tuple[Known | None, list[Problem]]:
    try:
        return model.model_validate(root.plain()), []
    except ValidationError as error:
        found = diagnose(root, error.errors(include_url=False)[:MOST], model)
        return None, [problem for path, problem in found if path != ("pattern",)]
