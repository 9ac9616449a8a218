"""What people see: tables on stdout; progress, errors and advice on stderr; exit codes."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import typer

from lakeward.errors import LakewardError, visible

if TYPE_CHECKING:
    from rich.progress import TaskID

    from lakeward.ports import Progress

P = ParamSpec("P")
R = TypeVar("R")

_SECONDS_BETWEEN_LINES = 5.0
_MARKS = {
    "pass": "green",
    "ok": "green",
    "open": "green",
    "done": "green",
    "warn": "yellow",
    "held": "yellow",
    "running": "yellow",
    "fail": "red",
    "failed": "red",
    "error": "red",
}


def home() -> Path:
    """LAKEWARD_HOME; `.lakeward` in the current folder when it is not set."""
    return Path(os.environ.get("LAKEWARD_HOME") or ".lakeward").absolute()


def exits(code: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Show errors of ours without traceback and exit with ``code``; others keep their traceback."""

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return command(*args, **kwargs)
            except LakewardError as error:
                complain(str(error))
                raise typer.Exit(code) from None

        return wrapped

    return decorate


def complain(text: str) -> None:
    """One error on stderr; `Error` in red on a terminal."""
    typer.echo(f"{typer.style('Error', fg='red', bold=True)}: {visible(text)}", err=True)


def note(text: str) -> None:
    """One line on stderr."""
    typer.echo(visible(text), err=True)


def say(text: str = "") -> None:
    """One line on stdout."""
    typer.echo(visible(text))


def say_json(value: object) -> None:
    """One JSON object on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = (), title: str = "") -> None:
    """A table on stdout; words such as pass and fail are coloured. Nothing in it is read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title or None, title_justify="left", show_edge=False, pad_edge=False)
    for name in columns:
        shown.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(visible(cell), style=_MARKS.get(cell, "")) for cell in row))
    wide = None if sys.stdout.isatty() else 200
    Console(highlight=False, width=wide).print(shown)


@contextmanager
def progressing() -> Iterator[Progress]:
    """Bars on a terminal, else a plain line every few seconds and one at the end of each thing."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        known: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = bars.add_task(what, total=total or None)
            bars.update(known[what], completed=done, total=total or None)

        yield report


def _lines() -> Progress:
    last = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        moment = time.monotonic()
        if moment - last >= _SECONDS_BETWEEN_LINES or (total and done >= total):
            last = moment
            note(f"{what}: {done:,} of {total:,}" if total else f"{what}: {done:,}")

    return report
