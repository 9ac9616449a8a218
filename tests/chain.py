"""The chain of steps as operators and CLI call it, each step with ports of its own, as in separate processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import Resolve, open_ports
from lakeward.domain.facts import Plan
from lakeward.ports import Ports
from lakeward.steps.append import append
from lakeward.steps.artifacts import read_plan
from lakeward.steps.check import check_file
from lakeward.steps.compact import inspect
from lakeward.steps.compare import compare
from lakeward.steps.extract import extract
from lakeward.steps.flatten import flatten
from lakeward.steps.gate import evaluate
from lakeward.steps.plan import make_plan
from lakeward.steps.prepare import prepare
from lakeward.steps.repair import repair
from lakeward.steps.switch import cut_back, cut_over
from lakeward.steps.validate import validate

Step = Callable[[Plan, str, Ports, str], object]
Transition = Callable[[Plan, Ports], object]

STEPS: dict[str, Step] = {
    "extract": extract,
    "prepare": lambda plan, group, ports, attempt: prepare(plan, group, ports),
    "flatten": flatten,
    "validate": lambda plan, group, ports, attempt: validate(plan, group, ports, datetime.now(UTC)),
    "append": lambda plan, group, ports, attempt: append(plan, group, ports, datetime.now(UTC)),
    "compact": lambda plan, group, ports, attempt: inspect(plan, group, ports),
    "compare": lambda plan, group, ports, attempt: compare(plan, group, ports, datetime.now(UTC)),
}

TRANSITIONS: dict[str, Transition] = {
    "gate": evaluate,
    "cut_over": lambda plan, ports: cut_over(
        plan,
        ports,
        approved_hash=evaluate(plan, ports).evidence_hash,
        by="Ann",
        why="agreed",
        at=datetime.now(UTC),
        source_frozen=True,
        accept_quarantine="test records",
    ),
    "cut_back": lambda plan, ports: cut_back(plan, ports, by="Ann", why="not yet", at=datetime.now(UTC)),
}

OTHERS: dict[str, Transition] = {
    "repair": lambda plan, ports: [
        repair(plan, group.name, ports, datetime.now(UTC), "Ann", dry_run=False) for group in plan.groups
    ],
}
"""What is no step of the way."""

WHOLE_WAY = ("plan", *STEPS, *TRANSITIONS)
"""Everything, in order."""


class Chain:
    """One run of one migration file."""

    def __init__(self, file: Path, home: Path, run_key: str, resolve: Resolve = from_environment) -> None:
        self.loaded = check_file(file)
        self.file = file
        self.home = home
        self.run_key = run_key
        self.resolve = resolve

    @contextmanager
    def ports(self) -> Iterator[Ports]:
        """Fresh ports."""
        with open_ports(self.loaded.spec, self.resolve, self.home) as ports:
            yield ports

    def plan(self) -> Plan:
        """The plan step."""
        with self.ports() as ports:
            return make_plan(self.loaded, ports, self.run_key, datetime.now(UTC))

    def step(self, name: str, attempt: str = "try1") -> dict[str, object]:
        """One step for every group; what it returned, by group."""
        with self.ports() as ports:
            return self.do(name, ports, attempt)

    def do(self, name: str, ports: Ports, attempt: str = "try1") -> dict[str, object]:
        """Anything of the whole way through these ports; what is not done group by group returns under no name."""
        if name == "plan":
            return {"": make_plan(self.loaded, ports, self.run_key, datetime.now(UTC))}
        plan = read_plan(ports.store, self.loaded.spec.migration, self.run_key)
        if other := (TRANSITIONS | OTHERS).get(name):
            return {"": other(plan, ports)}
        return {group.name: STEPS[name](plan, group.name, ports, attempt) for group in plan.groups}

    def run(self, until: str = "compare", attempt: str = "try1") -> dict[str, object]:
        """Plan and every step up to ``until``; what the last one returned."""
        self.plan()
        for name in STEPS:
            result = self.step(name, attempt)
            if name == until:
                return result
        raise ValueError(f"there is no step {until}")
