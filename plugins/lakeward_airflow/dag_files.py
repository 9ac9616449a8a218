"""From migration files to DAGs: which there are, and what a file that cannot be read looks like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from airflow.sdk import DAG, BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from lakeward.errors import LakewardError
from lakeward.spec.models import Migration
from lakeward.steps.check import check_file

FOLDER = "migrations"
"""Name of the folder, beside the DAG files, that holds the migration files."""


def migration_files(dags: Path) -> list[Path]:
    """Every migration file below a folder of DAG files, sorted."""
    return sorted(path for path in (dags / FOLDER).glob("*.y*ml") if path.suffix in {".yaml", ".yml"})


def read_migrations(dags: Path) -> tuple[dict[Path, Migration], dict[Path, str]]:
    """The good migration files, and for every other one what is wrong with it; one bad file hides no other."""
    good: dict[Path, Migration] = {}
    bad: dict[Path, str] = {}
    for path in migration_files(dags):
        try:
            spec = _checked(path, path.read_bytes())
        except (LakewardError, OSError, UnicodeError) as error:
            bad[path] = str(error)
            continue
        other = next((file for file, known in good.items() if known.migration == spec.migration), None)
        if other:
            bad[path] = (
                f"{path.name} names its migration {spec.migration!r}, as {other.name} does.\n"
                "  What to do: give one of them another name; two files must not move one pointer."
            )
        else:
            good[path] = spec
    return good, bad


@lru_cache(maxsize=100)
def _checked(path: Path, content: bytes) -> Migration:  # noqa: ARG001 - what is read again only when it has changed
    """A migration file; several DAG files ask for it, and one process may parse them all."""
    return check_file(path).spec


class RefuseFileOperator(BaseOperator):
    """Fail with what is wrong with a migration file.

    :param reason: the error's text.
    """

    ui_color = "#fde8e6"

    def __init__(self, *, reason: str, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.reason = reason

    def execute(self, context: Context) -> None:  # noqa: ARG002
        """Fail; trying again would only say the same."""
        raise AirflowFailException(self.reason)


def invalid_dag(path: Path, reason: str) -> DAG:
    """A DAG `invalid__<file>` that shows the error as its documentation and fails with it."""
    with DAG(
        dag_id=f"invalid__{re.sub(r'[^A-Za-z0-9_.-]', '_', path.stem)}",
        description=f"{path.name} cannot be used as a migration file.",
        doc_md=f"### {path.name} cannot be used\n\n{_fenced(reason)}\n\nCorrect the file; this DAG then goes away.",
        schedule=None,
        catchup=False,
        tags=["lakeward", "invalid"],
    ) as dag:
        RefuseFileOperator(task_id="refuse", reason=reason)
    return dag


def _fenced(text: str) -> str:
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{ticks}text\n{text}\n{ticks}"


Kind = TypeVar("Kind", bound=Migration)


def of_pattern(good: Mapping[Path, Migration], kind: type[Kind]) -> Iterator[tuple[Path, Kind]]:
    """The migrations of one pattern."""
    return ((path, spec) for path, spec in good.items() if isinstance(spec, kind))
