"""A real Airflow as four processes, started and ended by the demo: nothing of it stays behind."""

from __future__ import annotations

import fcntl
import json
import os
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
from lakeward.lab.processes import Piece, birth_of, interrupts_deferred, is_alive, start, wait_until
from lakeward_airflow.demo.settings import AirflowHome

_INIT = "from airflow.utils.db import initdb; initdb()"
_READY_WITHIN = 120.0


class DemoError(LakewardError):
    """The demo could not be played to its end."""


@contextmanager
def running(airflow: AirflowHome, environment: Mapping[str, str]) -> Iterator[dict[str, Path]]:
    """Start api-server, scheduler, dag-processor and triggerer; hand out their logs; end them whatever happens."""
    airflow.folder.mkdir(parents=True, exist_ok=True)
    with _only_one(airflow.folder):
        note = airflow.folder / "sessions.json"
        _end(_noted(note))  # of a demo that was killed
        pieces: list[Piece] = []
        try:
            _fresh_database(airflow, environment)
            logs = {name: airflow.folder / f"{name}.log" for name in _commands(airflow)}
            for name, command in _commands(airflow).items():
                logs[name].unlink(missing_ok=True)
                with interrupts_deferred():
                    argv = [sys.executable, "-m", "airflow", *command]
                    pieces.append(start(name, argv, log=logs[name], env=environment))
                    note.write_text(json.dumps([(piece.pid, piece.birth) for piece in pieces]))
            wait_until(pieces[0], lambda: _answers(airflow), log=logs["api-server"], seconds=_READY_WITHIN)
            yield logs
        finally:
            with interrupts_deferred():
                _stop(pieces)
                _end([(piece.pid, piece.birth) for piece in pieces])
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
def _only_one(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"An Airflow runs in {folder} already.", todo="End it, or give LAKEWARD_HOME another folder."
            ) from None
        yield


def _stop(pieces: Sequence[Piece], patience: float = 8.0) -> None:
    """End all of them at once, the scheduler first, so that it fails no task whose server has gone."""
    for piece in sorted(pieces, key=lambda piece: piece.name != "scheduler"):
        if is_alive(piece):
            with suppress(ProcessLookupError):
                os.kill(piece.pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while any(is_alive(piece) for piece in pieces) and time.monotonic() < deadline:
        time.sleep(0.05)


Session = tuple[int, str]
"""The pid of the process that a session was started with, and its birth."""


def _noted(note: Path) -> list[Session]:
    with suppress(FileNotFoundError, json.JSONDecodeError):
        return [(int(pid), str(birth)) for pid, birth in json.loads(note.read_text())]
    return []


def _end(sessions: Sequence[Session]) -> None:
    """Kill what is left of the sessions that were started: children of children too, whatever they call themselves."""
    for _ in range(50):
        found = [pid for pid in _processes() if any(_belongs(pid, session) for session in sessions)]
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _belongs(pid: int, session: Session) -> bool:
    """Its session has that leader's pid, and the leader lives as it was born, or is dead: a session's pid is not given anew."""
    leader, birth = session
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        now = birth_of(leader)
        same_boot = (birth_of(pid) or "").partition(":")[0] == birth.partition(":")[0]
        return fields[0] != "Z" and int(fields[3]) == leader and now in {None, birth} and same_boot
    return False
