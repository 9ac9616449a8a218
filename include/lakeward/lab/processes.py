"""Start, recognise and end exactly the processes that a lab started (Linux)."""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from lakeward.errors import LakewardError

_children: dict[int, subprocess.Popen[bytes]] = {}  # kept so that ended children are reaped and not left as zombies


class LabError(LakewardError):
    """The loopback lab can't be started, stopped or used."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One running part of a lab: its pid is only trusted together with the instant at which the kernel started it."""

    name: str
    pid: int
    birth: str


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged user that a server runs as when the lab is started by root."""

    name: str
    uid: int
    gid: int


def birth_of(pid: int) -> str | None:
    """Boot id and kernel start tick of a process, dying ones included; None when there is none."""
    if pid in _children:
        _children[pid].poll()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{_stat(pid)[19]}"
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(piece: Piece) -> bool:
    """True while the very process that was started still runs; a zombie does not."""
    try:
        return birth_of(piece.pid) == piece.birth and _stat(piece.pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold spaces: [0] is the state, [19] the start tick."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def start(
    name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, account: Account | None = None
) -> Piece:
    """Start a process in a session of its own, so that Ctrl-C in the terminal does not reach it; output goes to `log`."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
            env=dict(env) if env is not None else None,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    _children[child.pid] = child
    return Piece(name, child.pid, birth_of(child.pid) or "")


def stop(piece: Piece, *, how: signal.Signals = signal.SIGTERM, patience: float = 10.0) -> None:
    """End a piece: politely, after `patience` seconds by SIGKILL. A pid that is another process by now is left alone.

    Returns when its last thread has gone: a killed server is a zombie while its threads still hold its ports.
    """
    try:
        handle = os.pidfd_open(piece.pid)
    except ProcessLookupError:
        _forget(piece)
        return
    try:
        if birth_of(piece.pid) != piece.birth:
            return
        for kind, seconds in ((how, patience), (signal.SIGKILL, 10.0)):
            signal.pidfd_send_signal(handle, kind)
            if select.select([handle], [], [], seconds)[0]:
                return
        raise LabError(f"{piece.name} (pid {piece.pid}) does not end, even by SIGKILL", todo="look at it with ps")
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
        _forget(piece)


def _forget(piece: Piece) -> None:
    if child := _children.pop(piece.pid, None):
        child.poll()  # reaps it


def wait_until(piece: Piece, ready: Callable[[], bool], *, log: Path, seconds: float = 30.0) -> None:
    """Return when `ready`; raise LabError with the end of the log when the process ends or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if is_alive(piece) and time.monotonic() < deadline:
            time.sleep(0.03)
            continue
        why = f"is not ready after {seconds:.0f} s" if is_alive(piece) else "ended while starting"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise LabError(f"{piece.name} {why}; the end of its log:\n{tail}", todo=f"read {log}, then start the lab again")


def port_is_free(port: int) -> bool:
    """True when the port can be bound on loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Distinct free ports whose twins 10,000 higher are free too (the store derives its gRPC ports so), all below
    the range that the kernel hands out for outgoing connections."""
    found: list[int] = []
    for port in random.SystemRandom().sample(range(11_000, 22_000), k=2_000):
        if port_is_free(port) and port_is_free(port + 10_000):
            found.append(port)
        if len(found) == count:
            return found
    raise LabError(f"there are no {count} free ports between 11000 and 22000 on 127.0.0.1", todo="end some servers")


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Hold back Ctrl-C so that no process is started without being recorded; it is raised at the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pending.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pending and callable(before):
            before(*pending[0])
