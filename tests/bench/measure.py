"""Seconds and memory of a process."""

from __future__ import annotations

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
    """Every round of one process: wall seconds from its start to its end, imports included, and its peak memory."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds of the middle round."""
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float:
        """Megabytes of the worst round."""
        return max(self.megabytes)


def run(argv: Sequence[str | Path], into: Measured, env: Mapping[str, str], log: Path) -> str:
    """Run a process to its end and add what it took; what it printed. RuntimeError with the end of its log when it fails."""
    began = time.monotonic()
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(a) for a in argv], env=dict(env), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert process.stdout
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(log.read_text()[-3000:])
    into.seconds.append(time.monotonic() - began)
    into.megabytes.append(usage.ru_maxrss / 1024)
    return printed


def steps(names: Sequence[str], file: Path, home: Path, run_key: str, into: Measured) -> str:
    """Run steps of a migration in one process; what it printed."""
    argv = [sys.executable, "-m", "tests.bench.job", ",".join(names), file, home, run_key]
    return run(argv, into, os.environ, home / "steps.log")
