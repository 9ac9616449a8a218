"""Problems of a file that are found one after the other and told together, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from lakeward.domain.facts import TablePlan
from lakeward.errors import LakewardError, SpecError
from lakeward.spec.document import Path
from lakeward.spec.problems import Trouble


class FaultsError(SpecError):
    """One problem or several; ``troubles`` have them with paths in the part of the file that was looked at.

    ``plan`` is the table as it would be planned, when what is wrong touches neither names nor types of its columns.
    """

    def __init__(self, troubles: Sequence[Trouble], plan: TablePlan | None = None) -> None:
        if len(troubles) == 1:
            super().__init__(troubles[0].reason, todo=troubles[0].todo)
        else:
            super().__init__("\n  ".join(f"{t.reason}: {t.todo}" if t.todo else t.reason for t in troubles))
        self.troubles = tuple(troubles)
        self.plan = plan


class Faults:
    """Collects problems; nothing is raised before all of them are known."""

    def __init__(self) -> None:
        self.troubles: list[Trouble] = []

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self.troubles)

    def add(self, path: Path, reason: str, todo: str = "", *, key: bool = False) -> None:
        """Add one, at a path of the file."""
        self.troubles.append(Trouble(path, reason, todo, key=key))

    def extend(self, path: Path, troubles: Iterable[Trouble]) -> None:
        """Add problems of the part at ``path``."""
        self.troubles += [replace(trouble, path=(*path, *trouble.path)) for trouble in troubles]

    @contextmanager
    def at(self, *path: str | int) -> Iterator[None]:
        """What is raised inside is a problem of the part at ``path``."""
        try:
            yield
        except FaultsError as error:
            self.extend(path, error.troubles)
        except LakewardError as error:
            self.add(path, error.what, error.todo)
        except ValueError as error:
            self.add(path, str(error))

    def check(self, plan: TablePlan | None = None) -> None:
        """Raise what was found."""
        if self.troubles:
            raise FaultsError(self.troubles, plan)
