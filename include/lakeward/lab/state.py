"""What a lab remembers between commands: its credentials (0600) and its ports and processes."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lakeward.lab.processes import Piece


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys of one lab, generated at its first start."""

    access_key: str
    secret_key: str = field(repr=False)
    admin_password: str = field(repr=False)
    reader_password: str = field(repr=False)

    @classmethod
    def of(cls, folder: Path) -> Credentials:
        """Read the lab's credentials; make them when there are none."""
        path = folder / "credentials.json"
        if not path.exists():
            made = cls(
                access_key="LAB" + secrets.token_hex(8).upper(),
                secret_key=secrets.token_hex(20),
                admin_password=secrets.token_hex(16),
                reader_password=secrets.token_hex(16),
            )
            write_private(path, json.dumps(asdict(made), indent=1))
        return cls(**json.loads(path.read_text()))


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one lab; the store's gRPC ports lie 10,000 above its HTTP ports."""

    postgres: int
    s3: int
    store: int
    catalog: int
    master: int
    volume: int
    filer: int
    admin: int


@dataclass(frozen=True, slots=True)
class Record:
    """The ports last used and the processes started."""

    ports: Ports
    pieces: dict[str, Piece]

    @classmethod
    def read(cls, folder: Path) -> Record | None:
        """The record on disk; None when there is none."""
        try:
            raw = json.loads((folder / "state.json").read_text())
        except FileNotFoundError:
            return None
        return cls(Ports(**raw["ports"]), {name: Piece(**piece) for name, piece in raw["pieces"].items()})

    def write(self, folder: Path) -> None:
        """Replace the record on disk in one step."""
        write_private(folder / "state.json", json.dumps(asdict(self), indent=1))


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file that is either whole or not there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    draft.replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one command at a time start or stop the lab in `folder`."""
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
