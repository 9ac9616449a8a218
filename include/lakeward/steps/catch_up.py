"""A group whose windows are done follows its source, round after round, until it is near enough; the last round proves all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from lakeward.domain.catch_up import CATCH_UP, caught_up
from lakeward.domain.decision import GateDecision
from lakeward.domain.evidence import CaughtUp
from lakeward.domain.facts import Plan
from lakeward.domain.file_facts import Mark
from lakeward.domain.identity import catch_up_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import AlteredError, ConflictError, LakewardError
from lakeward.ports import ObjectStore, Ports, StepRecord
from lakeward.spec.models import PhasedGroup
from lakeward.steps.artifacts import find_manifest, freeze_plan, read_plan, read_staged
from lakeward.steps.publish import find_pointer
from lakeward.steps.round_run import RoundRun
from lakeward.steps.round_stage import MustBeWholeError
from lakeward.steps.throttle import wait_for_source
from lakeward.steps.window_claim import NOTHING_LANDED, HeldGroup
from lakeward.steps.window_run import Means

_MOST = 20
"""Rounds of one run before the one that proves."""


@dataclass(frozen=True, slots=True)
class Caught:
    """How a run's catching up ended. ``lag`` is how far the cut is behind the source, ``reasons`` why the gate is held, ``why`` it ended early."""

    rounds: int
    upserted: int
    deleted: int
    lag: timedelta
    reasons: tuple[str, ...] = ()
    why: str = ""

    def told(self, limit: timedelta) -> str:
        """In one line."""
        behind = f"{_seconds(self.lag)} behind the source"
        state = "caught up" if self.lag <= limit else f"not caught up (limit {_seconds(limit)})"
        return (
            f"{state}: {behind} after {self.rounds} rounds, {self.upserted:,} rows upserted, {self.deleted:,} deleted"
        )


def _seconds(span: timedelta) -> str:
    return str(timedelta(seconds=round(span.total_seconds())))


def take_start(plan: Plan, group_name: str, ports: Ports) -> None:
    """Before a group's first window is read: keep from where on its first round will read. Done again, nothing changes."""
    key = catch_up_key(plan.migration.migration, group_name)
    if ports.store.etag(key) is None:
        horizon = ports.source.horizon()
        ports.store.put_new(key, to_json(Mark(horizon.at, horizon.oldest)))


def start_of(store: ObjectStore, plan: Plan, group_name: str) -> Mark | None:
    """The mark that was taken before the first window; None when the file asked for no catch-up then."""
    found = store.get(key := catch_up_key(plan.migration.migration, group_name))
    return from_json(Mark, found[0], store.url(key)) if found else None


def round_plan(plan: Plan, specs: tuple[PhasedGroup, ...], run_key: str) -> Plan:
    """The plan of one round over some groups, each at a cut of its own."""
    name = plan.migration.migration
    groups = tuple(caught_up(name, plan.group(spec.name), spec.window, run_key) for spec in specs)
    return replace(plan, run_key=run_key, groups=groups)


class CatchUp:
    """The rounds of one group in one run, the group being held."""

    def __init__(self, plan: Plan, spec: PhasedGroup, ports: Ports, means: Means, held: HeldGroup) -> None:
        self._plan, self._spec, self._ports, self._means, self._held = plan, spec, ports, means, held
        if spec.catch_up is None:
            raise ValueError(spec.name)
        self._how = spec.catch_up
        self._began, self._done = means.clock(), Caught(0, 0, 0, timedelta(0))

    def run(self, deadline: datetime | None) -> Caught:
        """Rounds by watermarks until the lag is under the limit, then one that proves; more of those as long as the lag shrinks."""
        limit, last = self._how.lag.delta, timedelta.max
        whole = not self._has_marks()
        if not whole and not self._ports.source.horizon().known:
            self._means.say(
                f"{self._spec.name}: transactions of others can't be seen, so that rows which one commits later than `overlap` are left to "
                "the round at the run's end; grant pg_read_all_stats"
            )
        while True:
            over = deadline is not None and self._means.clock() >= deadline
            whole = whole or over or self._done.rounds >= _MOST
            spent = "the time budget is spent" if over and not self._done.rounds else ""
            if why := spent or wait_for_source(self._plan, self._ports, self._means, deadline):
                self._done = replace(self._done, lag=self._lag(), why=why)
                self._tell("done")
                return self._done
            try:
                decision = self._round(self._plan.run_key, whole=whole)
            except MustBeWholeError as error:
                if whole:
                    raise
                self._means.say(f"{self._spec.name}: {error.what} All rows are compared next.")
                whole = True
                continue
            lag = self._lag()
            reasons = tuple(decision.reasons) if decision else ()
            self._done = replace(self._done, lag=lag, reasons=reasons)
            self._tell("running")
            if whole and (lag <= limit or over or reasons or lag > last * 0.8):
                self._tell("held" if reasons else "done")
                return self._done
            whole, last = whole or lag <= limit, lag

    def close(self) -> None:
        """The last round, of a run that holds all groups: its plan is this one, frozen, and all rows are compared."""
        self._move(self._plan, whole=True)
        self._done = replace(self._done, lag=self._lag())
        self._tell("done")

    @property
    def told(self) -> str:
        """How it went, in one line."""
        return self._done.told(self._how.lag.delta)

    def resume(self, run_key: str) -> None:
        """Go on with a round that was left unfinished, at its cut; one that failed again and again is given up."""
        if not run_key:
            self._held.finish()
            return
        try:
            plan = read_plan(self._ports.store, self._plan.migration.migration, run_key)
        except LakewardError as error:
            self._means.say(f"{self._spec.name}: the round is read anew: {error.what}")
            self._held.finish()
            return
        try:
            self._move(plan, whole=not self._has_marks())
        except (AlteredError, MustBeWholeError) as error:
            self._means.say(f"{self._spec.name}: {error.what} It is read anew.")

    def _has_marks(self) -> bool:
        """Whether every table has a watermark, and a cut to begin at that was compared whole."""
        group = self._plan.group(self._spec.name)
        marked = {w.table for w in group.watermarks}
        return all(t.name in marked for t in group.tables) and self._before() is not None

    def _before(self) -> Mark | None:
        caught = self.published()
        return caught.mark if caught else start_of(self._ports.store, self._plan, self._spec.name)

    def published(self) -> CaughtUp | None:
        """The round that readers see."""
        found = find_pointer(self._ports.store, self._plan, self._plan.group(self._spec.name))
        return found[0].caught if found else None

    def _round(self, run_key: str, *, whole: bool) -> GateDecision | None:
        caught = self.published()
        number = (caught.rounds if caught else 0) + 1
        tries = count(1)
        while True:  # what was read before and did not land is not gone on with: the lake may have moved on
            key = f"{run_key}.{self._spec.name}.{CATCH_UP}.{number}.{next(tries)}"
            plan = round_plan(self._plan, (self._spec,), key)
            if find_manifest(self._ports.store, plan, plan.groups[0]) is None:
                return self._move(freeze_plan(self._ports.store, plan), whole=whole)

    def _move(self, plan: Plan, *, whole: bool) -> GateDecision | None:
        """One round; its decision when it was whole."""
        name = self._spec.name
        self._held.begin(CATCH_UP, plan.run_key)
        self._means.say(f"{name}: {'whole' if whole else 'quick'} round, cut {plan.group(name).cut_id}")
        run = RoundRun(
            plan,
            name,
            self._ports,
            self._means,
            self._held.make_sure,
            self._before(),
            whole=whole,
            deletes=self._how.deletes == "compare",
        )
        try:
            decision = run.move()
        except (ConflictError, *NOTHING_LANDED):
            self._held.finish()
            raise
        except Exception:  # also what nobody foresaw: else the round would be met again for ever
            self._held.failed()
            raise
        self._held.finish()
        staged = read_staged(self._ports.store, plan, plan.group(name))
        self._done = replace(
            self._done,
            rounds=self._done.rounds + 1,
            upserted=self._done.upserted + staged.upserted,
            deleted=self._done.deleted + staged.deleted,
        )
        for reason in decision.reasons if decision else ():
            self._means.say(f"{name}: the round is held: {reason}")
        if decision and not decision.open:
            for warning in decision.warnings:
                self._means.say(f"{name}: beside that: {warning}")
        return decision

    def _lag(self) -> timedelta:
        caught = self.published()
        return self._ports.source.horizon().at - caught.mark.at if caught else timedelta.max

    def _tell(self, outcome: str) -> None:
        self._means.say(f"{self._spec.name}: {self.told}")
        self._ports.ledger.record_step(
            StepRecord(
                self._plan.migration.migration,
                self._plan.run_key,
                self._spec.name,
                CATCH_UP,
                outcome,
                self._began,
                round((self._means.clock() - self._began).total_seconds(), 3),
                self._done.upserted + self._done.deleted,
                self.told[:500],
            )
        )
