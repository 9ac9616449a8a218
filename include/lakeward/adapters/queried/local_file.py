"""A database that is one local file: where it lies, and whether it is still the same one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakeward.domain.identity import digest
from lakeward.errors import SourceError, SpecError

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection


def path_of(connection: Connection) -> Path:
    """The file that a connection names by its host, or else by its schema, as Airflow's own SQLite connections do.

    :raises SpecError: it names none, or not from the root.
    """
    given = connection.host or connection.schema
    if not given.startswith("/"):
        kind = connection.conn_type or "duckdb"
        raise SpecError(
            f"Connection `{connection.conn_id}` names the file {given!r}, which is no absolute path.",
            todo=f'Write {{"conn_type": "{kind}", "host": "/data/shop.db"}}, or a URI with four slashes: {kind}:////data/shop.db.',
        )
    return Path(given)


@dataclass(frozen=True, slots=True)
class Identity:
    """A file and those beside it that belong to it, as the file system tells them: a write, a rename, a copy over it all show."""

    path: Path
    seen: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, beside: tuple[str, ...]) -> Identity:
        """Look at a file; ``beside`` are endings of names that belong to it. SourceError when it is not there."""
        if not path.is_file():
            raise SourceError(f"There is no file {path}.", todo="Check the path that the connection names.")
        names = (str(path), *(f"{path}{ending}" for ending in beside))
        return cls(path, tuple(_seen(name) for name in names))

    @property
    def file(self) -> str:
        """Which file it is, whatever is written to it."""
        return ":".join(self.seen[0].split(":")[:2])

    @property
    def name(self) -> str:
        """Names this state of the file."""
        return digest(*self.seen, length=24)


def _seen(name: str) -> str:
    try:
        found = Path(name).stat()
    except FileNotFoundError:
        return "none"
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
