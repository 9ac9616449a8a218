"""Seconds and memory of a process."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).resolve().parents[2] / ".venv-bench" / "bin" / "python"
"""The interpreter of the environment that ``make bench`` makes for the peers."""


@dataclass(slots=True)
class Measured:
    """Every round of one process: wall seconds from its start to its end, imports included, its CPU seconds and its peak memory; no
    number (NaN) is told of one that failed in any round, or did not run."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    failed: bool = False

    @property
    def median(self) -> float:
        """Seconds of the middle round."""
        return self._middle(self.seconds)

    @property
    def work(self) -> float:
        """CPU seconds of the middle round; those of servers are not in it."""
        return self._middle(self.cpu)

    def _middle(self, values: Sequence[float]) -> float:
        return statistics.median(values) if values and not self.failed else math.nan

    @property
    def peak(self) -> float:
        """Megabytes of the worst round."""
        return max(self.megabytes) if self.megabytes and not self.failed else math.nan


def run(argv: Sequence[str | Path], into: Measured, env: Mapping[str, str], log: Path) -> str:
    """Run a process to its end and add what it took; what it printed. RuntimeError with the end of its log when it fails."""
    began = time.monotonic()
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(a) for a in argv], env=dict(env), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert process.stdout
        with process.stdout as pipe:
            printed = pipe.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        into.failed = True
        raise RuntimeError(log.read_text()[-3000:] or f"it ended with {process.returncode}")
    into.seconds.append(time.monotonic() - began)
    into.cpu.append(usage.ru_utime + usage.ru_stime)
    into.megabytes.append(usage.ru_maxrss / 1024)
    return printed


def steps(names: Sequence[str], file: Path, home: Path, run_key: str, into: Measured) -> str:
    """Run steps of a migration in one process; what it printed."""
    argv = [sys.executable, "-m", "tests.bench.job", ",".join(names), file, home, run_key]
    return run(argv, into, os.environ, home / "steps.log")
