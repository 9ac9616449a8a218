"""A server that falls silent while it is read from: libpq then waits for ever and heeds no interrupt, so its connections are shut."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GRACE = 10.0
"""Seconds that a server has for refusing a statement by itself once its time is over."""


@contextmanager
def hung_up_after(seconds: float, hang_up: Callable[[], None]) -> Iterator[None]:
    """Call ``hang_up`` when the block has run for so long, ``GRACE`` included."""
    timer = threading.Timer(max(0.0, seconds) + GRACE, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def hang_up_on(address: str, port: int) -> None:
    """Shut every TCP connection of this process to a server; who reads from one is told that it was closed."""
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile, or no socket
            _shut(os.dup(int(entry.name)), address, port)


def _shut(descriptor: int, address: str, port: int) -> None:
    try:
        one = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return
    with one:
        if one.family in {socket.AF_INET, socket.AF_INET6} and one.getpeername()[:2] == (address, port):
            one.shutdown(socket.SHUT_RDWR)
