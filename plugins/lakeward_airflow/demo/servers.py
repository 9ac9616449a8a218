"""A real Airflow as four processes, started and ended by the demo: nothing of it stays behind."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from lakeward.errors import LakewardError
from lakeward.lab.processes import Piece, is_alive, start, wait_until
from lakeward_airflow.demo.settings import AirflowHome

_TOKEN = "LAKEWARD_STARTED_BY"  # noqa: S105 - the name of a variable
_INIT = "from airflow.utils.db import initdb; initdb()"
_READY_WITHIN = 120.0


class DemoError(LakewardError):
    """The demo could not be played to its end."""


@contextmanager
def running(airflow: AirflowHome, environment: Mapping[str, str]) -> Iterator[dict[str, Path]]:
    """Start api-server, scheduler, dag-processor and triggerer; hand out their logs; end them whatever happens."""
    airflow.folder.mkdir(parents=True, exist_ok=True)
    with _only_one(airflow.folder) as note:
        _end(note.read_text().strip() if note.exists() else "")  # of a demo that was killed
        token = secrets.token_hex(16)
        note.write_text(token)
        env = dict(environment) | {_TOKEN: token}
        pieces: list[Piece] = []
        try:
            _fresh_database(airflow, env)
            logs = {name: airflow.folder / f"{name}.log" for name in _commands(airflow)}
            for name, command in _commands(airflow).items():
                logs[name].unlink(missing_ok=True)
                pieces.append(start(name, [sys.executable, "-m", "airflow", *command], log=logs[name], env=env))
            wait_until(pieces[0], lambda: _answers(airflow), log=logs["api-server"], seconds=_READY_WITHIN)
            yield logs
        finally:
            _stop(pieces)
            _end(token)
            note.unlink(missing_ok=True)


def _commands(airflow: AirflowHome) -> dict[str, list[str]]:
    return {
        "api-server": ["api-server", "--host", "127.0.0.1", "--port", str(airflow.port), "--workers", "1"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag-processor": ["dag-processor"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    }


def _fresh_database(airflow: AirflowHome, env: Mapping[str, str]) -> None:
    """Empty metadata: a run that was cut off must not hold up the next one. Its making takes seconds and is kept."""
    from airflow import __version__

    pristine = airflow.folder / f"empty-{__version__}.db"
    for old in airflow.folder.glob("airflow.db*"):
        old.unlink()
    if not pristine.exists():
        made = subprocess.run(
            [sys.executable, "-c", _INIT],
            env=dict(env),
            capture_output=True,
            text=True,
            cwd=airflow.folder,
            check=False,
        )
        if made.returncode:
            raise DemoError(f"Airflow's metadata could not be made:\n{made.stderr[-2000:]}", todo="See the text above.")
        draft = pristine.with_suffix(".draft")
        shutil.copyfile(airflow.database, draft)
        draft.replace(pristine)
        return
    shutil.copyfile(pristine, airflow.database)


def _answers(airflow: AirflowHome) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{airflow.url}/api/v2/version", timeout=2, trust_env=False).is_success
    return False


@contextmanager
def _only_one(folder: Path) -> Iterator[Path]:
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"An Airflow runs in {folder} already.", todo="End it, or give LAKEWARD_HOME another folder."
            ) from None
        yield folder / "started_by"


def _stop(pieces: Sequence[Piece], patience: float = 15.0) -> None:
    """End all of them at once, the scheduler first, so that it fails no task whose server has gone."""
    for piece in sorted(pieces, key=lambda piece: piece.name != "scheduler"):
        if is_alive(piece):
            with suppress(ProcessLookupError):
                os.kill(piece.pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while any(is_alive(piece) for piece in pieces) and time.monotonic() < deadline:
        time.sleep(0.05)


def _end(token: str) -> None:
    """End everything that carries the token in its environment: children of children, in whatever session they are."""
    if not token:
        return
    for _ in range(50):
        found = [pid for pid in _processes() if _carries(pid, f"{_TOKEN}={token}")]
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _processes() -> list[int]:
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()
    ]


def _carries(pid: int, variable: str) -> bool:
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" and variable.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False
