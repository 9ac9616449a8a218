"""Moving the pointer, and moving it back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from lakeward.domain.evidence import State, Transition
from lakeward.errors import GateError
from lakeward.spec.models import Followed, Freezable, StranglerFig
from lakeward_airflow.operators.base import RunOperator
from lakeward_airflow.runs import attempt, now, open_migration

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lakeward.domain.decision import GateDecision
    from lakeward.domain.facts import Plan
    from lakeward.ports import Ports
    from lakeward.spec.load import LoadedMigration
    from lakeward.spec.models import Migration

UNFROZEN = timedelta(hours=1)
"""How long the feed rests at most while an approval is waited for, where no hook freezes the source."""


class CutOverOperator(RunOperator):
    """Switch readers and writers to the lake, on one person's approval of exactly this evidence; of a strangler fig the readers first.

    :param migration_file: path of the migration file. (templated)
    :param run_key: names the run; of a strangler fig's readers what was compared last is meant. (templated)
    :param approval: what ApproveCutoverOperator returned. (templated)
    :param dry: ``True`` looks at every precondition and moves nothing. (templated)
    :param writers: a strangler fig's writers are switched, whose readers are at the lake already.
    """

    template_fields: Sequence[str] = ("migration_file", "run_key", "approval", "dry")
    ui_color = "#e3f4e3"

    def __init__(self, *, approval: object, dry: str | bool = False, writers: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval = approval
        self.writers = writers
        self.dry = dry

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Take the source's figures once more, then move the pointer or change nothing."""
        from lakeward.steps.approve import answer, keep_approval
        from lakeward.steps.switch import cut_over

        dry = str(self.dry) == "True"
        with self.opened(dry=dry) as (plan, ports, _), lifted_unless_switched(plan, ports, dry=dry) as ready:
            readers = isinstance(plan.migration, StranglerFig) and not self.writers
            given = answer(plan, self._approval(), now())
            if not dry:
                keep_approval(ports, given)
            transition = cut_over(
                plan,
                ports,
                approved_hash=given.evidence_hash,
                by=given.by,
                why=given.why,
                at=now(),
                source_frozen=given.source_frozen,
                accept_quarantine=given.accept_quarantine,
                dry_run=dry,
                ready=(lambda: None) if readers else ready,
                to=State.READERS if readers else State.WRITERS,
            )
            if not dry:
                self.keep_dossier(plan, ports)
            return summary(transition)

    def plan(self, loaded: LoadedMigration, ports: Ports) -> Plan:
        """The plan of the run; of a strangler fig's readers that of what was compared last, put to the record rules first."""
        from lakeward.steps.compared import judge_compared

        if isinstance(loaded.spec, StranglerFig) and not self.writers:
            return judge_compared(loaded, ports, now(), self.progress())[0]
        return super().plan(loaded, ports)

    def _approval(self) -> Mapping[str, object]:
        if isinstance(self.approval, Mapping) and self.approval.get("approved") is True:
            return self.approval
        raise GateError(
            "Nobody has approved this cutover: the approval task has no answer.",
            todo="Clear the approval task and answer it; marking it as successful is no approval.",
        )


class CutBackOperator(RunOperator):
    """Move the pointer back to the state before the last cutover; as long as nothing is retired, nothing is lost.

    :param migration_file: path of the migration file. (templated)
    :param run_key: names the run. (templated)
    :param by: who asked for it. (templated)
    :param why: kept with the transition. (templated)
    :param to: the state to come back to: a strangler fig has more than one. (templated)
    :param dry: ``True`` looks at every precondition and moves nothing. (templated)
    """

    template_fields: Sequence[str] = ("migration_file", "run_key", "by", "why", "to", "dry")
    ui_color = "#fde8e6"

    def __init__(self, *, by: str, why: str, to: str = "legacy", dry: str | bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.by = by
        self.why = why
        self.to = to
        self.dry = dry

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Move the pointer, or change nothing."""
        from lakeward.steps.switch import cut_back

        dry = str(self.dry) == "True"
        with self.opened(dry=dry) as (plan, ports, _), lifted_unless_switched(plan, ports, dry=dry):
            transition = cut_back(plan, ports, by=self.by, why=self.why, at=now(), dry_run=dry, to=State(self.to))
            if not dry:
                self.keep_dossier(plan, ports)
            return summary(transition)

    def plan(self, loaded: LoadedMigration, ports: Ports) -> Plan:
        """The plan of the run; of a strangler fig that of what readers see."""
        from lakeward.steps.compared import shown_plan

        return shown_plan(loaded, ports) if isinstance(loaded.spec, StranglerFig) else super().plan(loaded, ports)


class FreezeAndSyncOperator(RunOperator):
    """Keep writers out of the source by the file's hook, if it names one, and bring every group to what the source has then.

    Returns the run whose gate is to be approved. What fails lifts the freeze.

    :param migration_file: path of the migration file. (templated)
    :param by: who asked for it; the same one may ask again. (templated)
    :param dry: ``True`` synchronises and freezes nothing. (templated)
    """

    template_fields: Sequence[str] = ("migration_file", "by", "dry")
    ui_color = "#e3f4e3"

    def __init__(self, *, by: str, dry: str | bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.by = by
        self.dry = dry

    def execute(self, context: Context) -> dict[str, object]:
        """Freeze, synchronise, and put the result to the gate; GateError when it is held."""
        from lakeward.steps.compared import last_tenure

        dry = str(self.dry) == "True"
        feed = "" if dry else f"{self.by} ({context['run_id']})"
        with (
            open_migration(self.migration_file) as (loaded, ports),
            freezing(loaded.spec, ports, self.by, dry=dry) as until,
            resting(loaded.spec, ports, feed),
        ):
            self.log.info(
                "%s", f"The source is frozen until {until:%H:%M:%SZ}" if until else "No hook freezes anything"
            )
            if isinstance(loaded.spec, StranglerFig):
                plan, decision = last_tenure(loaded, ports, now, time.sleep, holder=feed, progress=self.progress())
                key = plan.run_key
            else:
                key, decision = self._synchronise(context, loaded, ports, feed, dry=dry)
            if not decision.open:
                raise GateError(f"The gate is held: {'; '.join(decision.reasons)}", todo="Mend it, then ask again.")
        return {"run_key": key, "evidence_hash": decision.evidence_hash, "frozen_until": until and until.isoformat()}

    def _synchronise(
        self, context: Context, loaded: LoadedMigration, ports: Ports, feed: str, *, dry: bool
    ) -> tuple[str, GateDecision]:
        """Whole rounds of every group, under one run; of a hybrid each group by its own pattern."""
        from lakeward.domain.overview import DRY
        from lakeward.steps.final_sync import final_sync
        from lakeward.steps.join import judge_joined
        from lakeward.steps.journal import journal
        from lakeward.steps.plan import preview
        from lakeward.steps.window_run import Means

        number = count(1)
        means = Means(now, lambda: f"{attempt(context)}-{next(number)}", self.progress(), self.log.info)
        key = f"{context['run_id']}.{attempt(context)}"
        plan = final_sync(preview(loaded, ports, key, now()), ports, key, self.by, means, feed=feed)
        with journal(plan, ports, "", f"gate{DRY if dry else ''}", now()) as entry:
            decision = judge_joined(plan, ports, now(), self.progress())
            entry.outcome, entry.message = "done" if decision.open else "held", "; ".join(decision.reasons)
        return plan.run_key, decision


class LiftFreezeOperator(RunOperator):
    """Let writers into the source again, unless readers were switched; skipped when nothing was frozen.

    :param migration_file: path of the migration file. (templated)
    """

    template_fields: Sequence[str] = ("migration_file",)

    def __init__(self, *, dry: str | bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dry = dry

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Lift it once; again, nothing happens."""
        from lakeward.adapters.open import open_freezer
        from lakeward.steps.dual import release_feed
        from lakeward.steps.freeze import last_lease, lift
        from lakeward_airflow.connections import resolve

        with open_migration(self.migration_file) as (loaded, ports):
            release_feed(ports.store, loaded.spec.migration)
            freezer = open_freezer(loaded.spec, resolve)
            lifted = freezer is not None and lift(ports.store, loaded.spec.migration, freezer)
            lease = last_lease(ports.store, loaded.spec.migration)
            if not lifted and (lease is None or lease.state != "kept"):
                raise AirflowSkipException("Nothing is frozen.")
        return {"lifted": lifted}


@contextmanager
def freezing(spec: Migration, ports: Ports, by: str, *, dry: bool) -> Iterator[datetime | None]:
    """The source frozen until the instant that is given, if a hook is named; lifted when the block fails."""
    from lakeward.adapters.open import open_freezer
    from lakeward.steps.freeze import freeze, lift
    from lakeward_airflow.connections import resolve

    freezer = open_freezer(spec, resolve)
    if freezer is None or dry or not isinstance(spec, Freezable):
        yield None
        return
    lease = freeze(spec, ports, freezer, by, now())
    try:
        yield lease.until
    except BaseException:
        lift(ports.store, spec.migration, freezer)
        raise


@contextmanager
def resting(spec: Migration, ports: Ports, holder: str) -> Iterator[None]:
    """Where a change log is followed, no tenure of anybody else until writers are switched, or not; it goes on when the block fails.

    :param holder: who asks; nobody does for a rehearsal.
    """
    from lakeward.steps.dual import hold_feed, release_feed

    if not holder or not isinstance(spec, Followed):
        yield
        return
    lease = spec.freeze.limit.delta if spec.freeze else UNFROZEN
    hold_feed(ports.store, spec.migration, holder, now() + lease, now())
    try:
        yield
    except BaseException:
        release_feed(ports.store, spec.migration)
        raise


@contextmanager
def lifted_unless_switched(plan: Plan, ports: Ports, *, dry: bool) -> Iterator[Callable[[], None]]:
    """What a switch asks right before it moves pointers; when none is switched at the end, however that came, the freeze is lifted."""
    from lakeward.adapters.open import open_freezer
    from lakeward.steps.freeze import keep, lift
    from lakeward_airflow.connections import resolve

    name, freezer = plan.migration.migration, open_freezer(plan.migration, resolve)
    if freezer is None or dry:
        yield lambda: None
        return
    try:
        yield lambda: keep(ports.store, name, now())
    finally:
        lift(ports.store, name, freezer)


def summary(transition: Transition) -> dict[str, object]:
    """A transition as a small dict; GateError when a dry run was told that it would be refused."""
    if transition.outcome == "refused":
        raise GateError(f"This would be refused. {transition.message}")
    return asdict(transition) | {"groups": list(transition.groups), "at": transition.at.isoformat()}
