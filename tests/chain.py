"""The chain of steps as operators and CLI call it, each step with ports of its own, as in separate processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_ports
from lakeward.domain.facts import Plan
from lakeward.ports import Ports
from lakeward.steps.append import append
from lakeward.steps.artifacts import read_plan
from lakeward.steps.check import check_file
from lakeward.steps.compare import compare
from lakeward.steps.extract import extract
from lakeward.steps.flatten import flatten
from lakeward.steps.plan import make_plan
from lakeward.steps.prepare import prepare
from lakeward.steps.validate import validate

Step = Callable[[Plan, str, Ports, str], object]

STEPS: dict[str, Step] = {
    "extract": extract,
    "prepare": lambda plan, group, ports, attempt: prepare(plan, group, ports),
    "flatten": flatten,
    "validate": lambda plan, group, ports, attempt: validate(plan, group, ports, datetime.now(UTC)),
    "append": lambda plan, group, ports, attempt: append(plan, group, ports, datetime.now(UTC)),
    "compare": lambda plan, group, ports, attempt: compare(plan, group, ports, datetime.now(UTC)),
}


class Chain:
    """One run of one migration file."""

    def __init__(self, file: Path, home: Path, run_key: str) -> None:
        self.loaded = check_file(file)
        self.home = home
        self.run_key = run_key

    @contextmanager
    def ports(self) -> Iterator[Ports]:
        """Fresh ports."""
        with open_ports(self.loaded.spec, from_environment, self.home) as ports:
            yield ports

    def plan(self) -> Plan:
        """The plan step."""
        with self.ports() as ports:
            return make_plan(self.loaded, ports, self.run_key, datetime.now(UTC))

    def step(self, name: str, attempt: str = "try1") -> dict[str, object]:
        """One step for every group; what it returned, by group."""
        with self.ports() as ports:
            plan = read_plan(ports.store, self.loaded.spec.migration, self.run_key)
            return {group.name: STEPS[name](plan, group.name, ports, attempt) for group in plan.groups}

    def run(self, until: str = "compare", attempt: str = "try1") -> dict[str, object]:
        """Plan and every step up to ``until``; what the last one returned."""
        self.plan()
        for name in STEPS:
            result = self.step(name, attempt)
            if name == until:
                return result
        raise ValueError(f"there is no step {until}")
