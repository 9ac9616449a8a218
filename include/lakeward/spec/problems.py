"""What is wrong with a migration file, shown with its lines, its place and what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lakeward.errors import SpecError, visible

MOST = 100
"""Problems that are looked for before the file is given back; what follows is told of the corrected file."""
_SHOWN = 40
_WIDTH = 150
_LONGEST = 600
_MANY = 1000


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line (from 1), a column (from 0) and how many characters; 0 is to the line's end."""

    line: int
    column: int
    width: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: where, why, and what to do."""

    place: Place
    reason: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem that is not placed yet: the path of keys and list indexes in the file, why, and what to do.

    ``at`` is the offset of the blamed character in the text that stands there; ``key`` points at the key, not the value.
    ``because`` are the paths of other parts that it rests on: where one of them can't be read, nothing is said.
    """

    path: tuple[str | int, ...]
    reason: str
    todo: str = ""
    at: int | None = None
    key: bool = False
    because: tuple[tuple[str | int, ...], ...] = ()


def meant(word: str, known: Iterable[str]) -> str:
    """`Did you mean ...?` over the known words, or nothing."""
    by_lower = {k.lower(): k for k in known}
    if len(by_lower) > _MANY:  # comparing with each of them would take seconds
        by_lower = {lower: k for lower, k in by_lower.items() if lower[:1] == word[:1].lower()}
    close = difflib.get_close_matches(word.lower(), by_lower, n=2, cutoff=0.6)
    return f"Did you mean {' or '.join(f'`{by_lower[c]}`' for c in close)}?" if close else ""


def refuse(path: str, text: str, problems: Sequence[Problem], command: str = "check") -> SpecError:
    """One error that shows all of them, in the order of the file; ``command`` finds them again."""
    ordered = sorted(set(problems))
    lines = text.splitlines()
    shown = [_show(path, lines, problem) for problem in ordered[:_SHOWN]]
    if len(ordered) > _SHOWN:
        shown.append(f"... and {len(ordered) - _SHOWN} more.")
    count = "1 problem" if len(ordered) == 1 else f"{len(ordered)} problems{' or more' if len(ordered) >= MOST else ''}"
    return SpecError(
        "\n\n".join([f"{path}: {count}.", *shown]) + "\n",
        todo=f"Correct the file and run `lakeward {command} {path}`; docs/migration-file.md explains every key.",
    )


def _show(path: str, lines: Sequence[str], problem: Problem) -> str:
    place = problem.place
    said = f"{path}:{place.line}:{place.column + 1}: {_line(problem.reason)}"
    if problem.todo:
        said = f"{said.rstrip('.')}{':' if problem.todo[0].islower() else '.'} {_line(problem.todo)}"
    if not 0 < place.line <= len(lines):
        return said
    gutter = len(str(place.line))
    shown = []
    if place.line > 1:
        shown.append(f"  {place.line - 1:>{gutter}} | {lines[place.line - 2][:_WIDTH]}")
    line = lines[place.line - 1]
    start = max(0, place.column - _WIDTH // 2) if len(line) > _WIDTH else 0
    cut = line[start : start + _WIDTH]
    width = min(place.width or len(line) - place.column, len(cut) - (place.column - start))
    blank = "".join("\t" if c == "\t" else " " for c in cut[: place.column - start])
    shown += [f"> {place.line:>{gutter}} | {cut}", f"  {'':>{gutter}} | {blank}{'^' * max(1, width)}"]
    return "\n".join([said, *shown])


def _line(text: str) -> str:
    """Words of the file in one line of bearable length: what they hold can't look like lines of ours."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return visible(text).replace("\n", r"\n")
