"""Steps in processes of their own: killed at a chosen call of a port, or run twice at once.

The processes are forked off a server that has everything imported, so that one costs a fraction of a second.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

from tests.chain import Chain

from lakeward.errors import LakewardError
from lakeward.ports import Ports

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["tests.kill", "lakeward.adapters.iceberg", "lakeward.adapters.postgres", "lakeward.adapters.expectations.gx"]
)


class Call(NamedTuple):
    """The n-th call, beginning with 1, of a port's method in a step."""

    port: str
    name: str
    nth: int


class Kill(NamedTuple):
    """Where a step's process ends: before or after a call is made."""

    step: str
    call: Call
    when: str


class Watched:
    """A port of whose calls somebody is told before and after they are made; a cut is a port too."""

    def __init__(self, port: object, name: str, tell: Callable[[Call, str], None], counts: Counter[str]) -> None:
        self._port, self._name, self._tell, self._counts = port, name, tell, counts

    def __getattr__(self, name: str) -> object:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def told(*args: object, **named: object) -> object:
            self._counts[f"{self._name}.{name}"] += 1
            call = Call(self._name, name, self._counts[f"{self._name}.{name}"])
            self._tell(call, "before")
            result = self._opened(found(*args, **named)) if name == "cut" else found(*args, **named)
            self._tell(call, "after")
            return result

        return told

    @contextmanager
    def _opened(self, cut: object) -> Iterator[object]:
        with cut as reader:  # type: ignore[attr-defined]
            yield Watched(reader, "cut", self._tell, self._counts)


def watched(ports: Ports, tell: Callable[[Call, str], None]) -> Ports:
    """Ports of which ``tell`` is told every call."""
    counts: Counter[str] = Counter()
    names = [f.name for f in fields(ports) if f.name not in {"log", "timed"}]
    named = {name: Watched(getattr(ports, name), name, tell, counts) for name in names}
    return Ports(**named, log=ports.log, timed=ports.timed)  # type: ignore[arg-type]


def record(chain: Chain, step: str) -> list[Call]:
    """Run a step undisturbed; the calls that it made, in order."""
    calls: list[Call] = []
    with chain.ports() as ports:
        chain.do(step, watched(ports, lambda call, when: calls.append(call) if when == "before" else None), "recorded")
    return calls


def killed(chain: Chain, kill: Kill) -> bool:
    """Run a step in a process that dies by SIGKILL at a call; False when it ended without coming to it."""
    attempt = f"killed-{kill.when}-{kill.call.port}-{kill.call.name}-{kill.call.nth}"
    process, told = _start(chain, kill.step, attempt, kill)
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}, f"{kill}: exit code {process.exitcode}"
    if process.exitcode == 0:
        assert (said := told.recv()) == "", f"{kill}: {said}"
    return process.exitcode == -signal.SIGKILL


def run_twice(chain: Chain, step: str) -> list[str]:
    """Run a step in two processes at once; what each of them said: nothing, or its error."""
    together = CONTEXT.Barrier(2)
    started = [_start(chain, step, f"worker-{n}", None, together) for n in "ab"]
    said = [told.recv() for _, told in started]
    for process, _ in started:
        process.join()
    return said


def _start(
    chain: Chain, step: str, attempt: str, kill: Kill | None, together: Barrier | None = None
) -> tuple[ForkServerProcess, Connection]:
    here, there = CONTEXT.Pipe(duplex=False)
    where = (str(chain.file), str(chain.home), chain.run_key)
    process = CONTEXT.Process(target=_child, args=(dict(os.environ), *where, step, attempt, kill, together, there))
    process.start()
    there.close()
    return process, here


def _child(
    environment: Mapping[str, str],
    file: str,
    home: str,
    run_key: str,
    step: str,
    attempt: str,
    kill: Kill | None,
    together: Barrier | None,
    told: Connection,
) -> None:
    os.environ.clear()
    os.environ.update(environment)

    def tell(call: Call, when: str) -> None:
        if kill and (call, when) == (kill.call, kill.when):
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        chain = Chain(Path(file), Path(home), run_key)
        with chain.ports() as ports:
            if together:
                together.wait()
            chain.do(step, watched(ports, tell), attempt)
    except LakewardError as error:
        told.send(str(error) if error.todo else f"says not what to do: {error!r}")
    except BaseException as error:  # noqa: BLE001 - the parent asserts that there is none
        told.send(f"not one of ours: {error!r}")
    else:
        told.send("")
