"""One round of a group, from the source to its gate: the steps of any cut, each by its own kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from lakeward.domain.decision import GateDecision
from lakeward.domain.facts import Plan
from lakeward.domain.file_facts import Mark
from lakeward.errors import DataError
from lakeward.ports import Ports
from lakeward.steps.artifacts import read_staged
from lakeward.steps.gate import evaluate
from lakeward.steps.journal import Entry
from lakeward.steps.meter import keep_round
from lakeward.steps.prepare import prepare
from lakeward.steps.round_extract import extract_round
from lakeward.steps.round_publish import append_round, judged_round, round_of
from lakeward.steps.round_stage import MustBeWholeError, as_it_will_be, orphans, stage_round
from lakeward.steps.validate import judge_rules, put_rules
from lakeward.steps.window_run import Means, WindowRun


class RoundRun(WindowRun):
    """The steps of one round of a group; each finds what was done before.

    :param before: the mark from which on it reads.
    :param whole: it compares all rows and proves them; else the gate is not asked.
    """

    def __init__(
        self,
        plan: Plan,
        group: str,
        ports: Ports,
        means: Means,
        sure: Callable[[], None],
        before: Mark | None,
        *,
        whole: bool,
        deletes: bool,
    ) -> None:
        super().__init__(plan, ports, means, sure)
        self._group, self._before, self._whole, self._deletes = group, before, whole, deletes

    def _extract(self, _at: datetime, entry: Entry) -> None:
        # First, since what is read is compared with the tables as they will be.
        evolved = prepare(self._plan, self._group, self._ports)
        manifest = extract_round(
            self._plan,
            self._group,
            self._ports,
            self._means.attempt(),
            self._before,
            whole=self._whole,
            deletes=self._deletes,
            progress=self._means.progress,
        )
        self._whole = round_of(manifest).whole  # that with which it was begun
        entry.rows = sum(file.rows for table in manifest.tables for file in table.files)
        entry.message = "; ".join((f"landed at cut {manifest.cut_id}", *evolved))

    def _prepare(self, _at: datetime, entry: Entry) -> None:
        entry.message = "the tables are there"

    def _flatten(self, _at: datetime, entry: Entry) -> None:
        staged = stage_round(self._plan, self._group, self._ports, self._means.attempt(), self._means.progress)
        entry.rows = staged.upserted + staged.deleted
        entry.message = f"{staged.upserted:,} rows to upsert, {staged.deleted:,} to delete"

    def _validate(self, at: datetime, entry: Entry) -> None:
        if lost := orphans(self._plan, self._group, self._ports):
            if not self._whole:
                raise MustBeWholeError(f"{'; '.join(lost)}.", todo="The next round compares all rows.")
            raise DataError(
                f"Group {self._group}: {'; '.join(lost)}: these don't fit what is declared. Nothing was published.",
                todo="Mend the rows that are named at the source: they are set aside, and the quarantine tells of them once a round is published. The next run looks again.",
            )
        if not self._whole:
            return
        group = self._plan.group(self._group)
        staged = as_it_will_be(read_staged(self._ports.store, self._plan, group))
        verdict = judge_rules(put_rules(self._plan, group, staged, self._ports, at, self._means.progress))
        entry.rows, entry.message = verdict.checked, f"{verdict.outcome}: {verdict.summary}"

    def _append(self, at: datetime, entry: Entry) -> None:
        pointer = append_round(self._plan, self._group, self._ports, at)
        entry.message = pointer.why
        if pointer.moved_at >= at:  # else a try before this one has shown it
            keep_round(self._plan, self._group, self._ports, self._means.clock, self._before)

    def _compare(self, at: datetime, entry: Entry) -> None:
        if not self._whole:
            entry.message = "left to the round at the run's end"
            return
        super()._compare(at, entry)

    def _judge(self, took: float) -> GateDecision | None:  # noqa: ARG002
        if not self._whole:
            return None
        alone = replace(self._plan, groups=(self._plan.group(self._group),))
        decision = evaluate(alone, self._ports, self._means.clock())
        judged_round(self._plan, self._group, self._ports, "open" if decision.open else "held")
        return decision
