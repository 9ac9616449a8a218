"""A step in a process of its own that is killed at a chosen call of a port: ``python -m tests.kill FILE HOME RUN STEP PORT CALL WHEN``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.chain import STEPS, Chain

from lakeward.domain.facts import GroupPlan, Plan
from lakeward.ports import Ports
from lakeward.steps.artifacts import read_plan


class Deadly:
    """A port whose one call is the process's last; ``when`` is before or after the call is made."""

    def __init__(self, port: object, call: str, when: str) -> None:
        self._port, self._call, self._when = port, call, when

    def __getattr__(self, name: str) -> object:
        found = getattr(self._port, name)
        if name != self._call:
            return found

        def last(*args: object, **named: object) -> object:
            if self._when == "after":
                found(*args, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("unreachable")

        return last


def run_killed(file: Path, home: Path, run_key: str, step: str, port: str, call: str, when: str) -> None:
    """Run a step in a child that must die by SIGKILL at the call."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.kill", file, home, run_key, step, port, call, when],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, f"{step} did not come to {port}.{call}: {child.stderr[-3000:]}"


def main() -> None:
    """Be the child."""
    file, home, run_key, step, port, call, when = sys.argv[1:]
    chain = Chain(Path(file), Path(home), run_key)
    with chain.ports() as ports:
        plan: Plan = read_plan(ports.store, chain.loaded.spec.migration, run_key)
        deadly: Ports = replace(ports, **{port: Deadly(getattr(ports, port), call, when)})
        group: GroupPlan
        for group in plan.groups:
            STEPS[step](plan, group.name, deadly, f"killed-{when}-{call}")


if __name__ == "__main__":
    main()
