"""One window of a group, from the source to its gate: the steps of any cut, each kept in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lakeward.domain.decision import GateDecision
from lakeward.domain.facts import Plan
from lakeward.ports import Ports, Progress
from lakeward.steps.append import append
from lakeward.steps.compare import compare
from lakeward.steps.extract import extract
from lakeward.steps.flatten import flatten
from lakeward.steps.gate import evaluate
from lakeward.steps.journal import Entry, journal
from lakeward.steps.prepare import prepare
from lakeward.steps.publish import judged
from lakeward.steps.validate import validate

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Means:
    """What moving a window needs of whoever runs it: a clock, a name for each try, somebody to tell, and a way to wait."""

    clock: Callable[[], datetime]
    attempt: Callable[[], str]
    progress: Progress
    say: Say
    wait: Callable[[float], None] = time.sleep


class WindowRun:
    """The steps of one window; each finds what was done before.

    :param plan: of the window, frozen; it has one group.
    :param sure: called before each step; raises when the window is somebody else's now.
    """

    def __init__(self, plan: Plan, ports: Ports, means: Means, sure: Callable[[], None]) -> None:
        self._plan, self._ports, self._means, self._sure = plan, ports, means, sure
        self._group = plan.groups[0].name

    def move(self) -> GateDecision | None:
        """Move the window; the gate's decision, kept beside the pointer, if it was asked."""
        began = time.monotonic()
        for step, work in (
            ("extract", self._extract),
            ("prepare", self._prepare),
            ("flatten", self._flatten),
            ("validate", self._validate),
            ("append", self._append),
            ("compare", self._compare),
        ):
            self._sure()
            at = self._means.clock()
            with journal(self._plan, self._ports, self._group, step, at) as entry:
                work(at, entry)
        self._sure()
        with journal(self._plan, self._ports, self._group, "gate", self._means.clock()) as entry:
            decision = self._judge(time.monotonic() - began)
            if decision:
                entry.outcome, entry.message = "done" if decision.open else "held", "; ".join(decision.reasons)
        return decision

    def _judge(self, took: float) -> GateDecision | None:
        decision = evaluate(self._plan, self._ports, self._means.clock())
        judged(self._plan, self._group, self._ports, "open" if decision.open else "held", took)
        return decision

    def _extract(self, _at: datetime, entry: Entry) -> None:
        manifest = extract(self._plan, self._group, self._ports, self._means.attempt(), self._means.progress)
        entry.rows = sum(table.rows for table in manifest.tables)
        entry.message = f"landed at cut {manifest.cut_id}"

    def _prepare(self, _at: datetime, entry: Entry) -> None:
        entry.message = ", ".join(prepare(self._plan, self._group, self._ports))

    def _flatten(self, _at: datetime, entry: Entry) -> None:
        staged = flatten(self._plan, self._group, self._ports, self._means.attempt(), self._means.progress)
        entry.rows = sum(table.rows for table in staged.tables)

    def _validate(self, at: datetime, entry: Entry) -> None:
        verdict = validate(self._plan, self._group, self._ports, at, self._means.progress)
        entry.rows, entry.message = verdict.checked, f"{verdict.outcome}: {verdict.summary}"

    def _append(self, at: datetime, entry: Entry) -> None:
        appended = append(self._plan, self._group, self._ports, at, self._means.progress)
        entry.rows = sum(table.rows for table in appended.tables)

    def _compare(self, at: datetime, entry: Entry) -> None:
        verdicts = compare(self._plan, self._group, self._ports, at, self._means.progress)
        worse = [v for v in verdicts if v.failed]
        entry.rows = sum(v.checked for v in verdicts)
        entry.message = f"{len(verdicts) - len(worse)} of {len(verdicts)} are equal"
