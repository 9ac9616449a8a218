"""`lakeward run`: the whole chain without Airflow, up to the gate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from lakeward.cli.console import exits, note, progressing, say
from lakeward.cli.decision import show_decision
from lakeward.cli.session import finish_run, now, open_run, opened
from lakeward.cli.verdicts import show_verdicts
from lakeward.errors import LakewardError, SpecError

if TYPE_CHECKING:
    from lakeward.cli.run_phased import Wanted
    from lakeward.domain.facts import Plan
    from lakeward.ports import Ports, Progress
    from lakeward.spec.models import AnyMigration

_LOOK_EVERY = 5.0


class Step(StrEnum):
    """The steps of the chain, in their order."""

    PLAN = "plan"
    EXTRACT = "extract"
    PREPARE = "prepare"
    FLATTEN = "flatten"
    VALIDATE = "validate"
    APPEND = "append"
    COMPACT = "compact"
    COMPARE = "compare"
    GATE = "gate"


@exits(1)
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")],
    group: Annotated[str, typer.Option("--group", "-g", help="Only this entity group; then the gate is not put.")] = "",
    until: Annotated[Step, typer.Option(help="Stop after this step.")] = Step.GATE,
    new: Annotated[
        bool, typer.Option("--new", help="Give up the run that is under way and begin a new one, with a new cut.")
    ] = False,
    budget: Annotated[str, typer.Option(metavar="TIME", help="Phased: no window is begun after it, as `2h`.")] = "",
    window: Annotated[
        str,
        typer.Option(
            metavar="W", help="Phased: only this window, by its name, its first key, or any day, month or year in it."
        ),
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Phased: read the window again, though it is done.")] = False,
) -> None:
    """Run a migration up to the gate: plan, extract, prepare, flatten, validate, append, compact, compare.

    A run that was killed, failed, or was stopped by `--until`, goes on where it was. One that came to the gate is over: the
    next makes a new cut, which replaces the tables' contents. So does `--new`, for a run whose cut is no good: rows were mended
    at the source since. Cutting over is Airflow's: its DAG makes a cut of its own.

    A phased migration moves its next windows until they are through or the budget is spent, each up to its own gate. A strangler
    fig is loaded once; every later run applies what the source has changed since, for `changes.tenure`, and compares. A hybrid does
    so group by group, reads what it lifts again when it differs, and comes to one gate when every group is there.

    Exits 0 when the gate is open (or `--until` is reached), 1 when a step failed, 3 when the gate is held.

    Example: `lakeward run dags/migrations/retail.yaml`
    """
    from lakeward.cli.run_hybrid import run_hybrid
    from lakeward.cli.run_phased import Wanted, run_phased
    from lakeward.cli.run_strangler import run_strangler
    from lakeward.spec.models import Hybrid, Phased, StranglerFig
    from lakeward.steps.plan import make_plan
    from lakeward.steps.stock import tell_card

    with opened(file) as (loaded, ports):
        names = [g.name for g in loaded.spec.groups]
        if group and group not in names:
            raise SpecError(f"{file} has no group {group!r}.", todo=f"It has: {', '.join(names)}.")
        wanted = Wanted(group, budget, window, again)
        _check_options(loaded.spec, until, wanted, new=new)
        if isinstance(loaded.spec, Hybrid):
            run_hybrid(loaded, loaded.spec, ports, wanted, new=new)
            return
        if isinstance(loaded.spec, Phased):
            run_phased(loaded, loaded.spec, ports, wanted)
            return
        if isinstance(loaded.spec, StranglerFig):
            run_strangler(loaded, loaded.spec, ports, [group] if group else names, new=new)
            return
        with progressing() as progress:
            plan = make_plan(loaded, ports, open_run(ports.store, loaded, new=new), now(), progress)
        tell_card(plan, file.name, ports.ledger)
        note(f"run {plan.run_key} of {plan.migration.migration}, planned {plan.planned_at:%Y-%m-%d %H:%M:%SZ}")
        for name in [group] if group else names:
            Chain(plan, ports, name).run(until)
        if until is Step.GATE and not group:
            put_to_gate(plan, ports, run=plan)


_NOT_FOR = {
    "lift_and_shift": (("--budget", "--window", "--again"), "Leave them out: they are for phased migrations."),
    "phased": (("--until", "--new"), "Choose by --window and --again."),
    "strangler_fig": (("--until", "--budget", "--window", "--again"), "`changes.tenure` says how long it runs."),
    "hybrid": (("--until",), "Choose by --group."),
}


def _check_options(spec: AnyMigration, until: Step, wanted: Wanted, *, new: bool) -> None:
    given = {
        "--until": until is not Step.GATE,
        "--new": new,
        "--budget": wanted.budget,
        "--window": wanted.window,
        "--again": wanted.again,
    }
    if wanted.again and not wanted.window and "--again" not in _NOT_FOR[spec.pattern][0]:
        raise SpecError("--again needs --window.", todo="Name the window that is to be read again.")
    refused, todo = _NOT_FOR[spec.pattern]
    if wrong := [option for option in refused if given[option]]:
        raise SpecError(f"{', '.join(wrong)}: not for migrations of the pattern {spec.pattern}.", todo=todo)


@dataclass(frozen=True, slots=True)
class Chain:
    """The steps of one group."""

    plan: Plan
    ports: Ports
    group: str

    def run(self, until: Step) -> None:
        """Do each step up to ``until``; those that were done find it so."""
        work = {
            Step.EXTRACT: self._extract,
            Step.PREPARE: self._prepare,
            Step.FLATTEN: self._flatten,
            Step.VALIDATE: self._validate,
            Step.APPEND: self._append,
            Step.COMPACT: self._compact,
            Step.COMPARE: self._compare,
        }
        order = list(Step)
        for step, does in work.items():
            if order.index(step) <= order.index(until):
                self._do(step, does)

    def _do(self, step: Step, does: Callable[[datetime, Progress], tuple[int, str]]) -> None:
        """One step, timed, shown and kept in the ledger."""
        from lakeward.steps.journal import journal

        at = now()
        try:
            with journal(self.plan, self.ports, self.group, step, at) as entry, progressing() as progress:
                entry.rows, entry.message = does(at, progress)
        except LakewardError:
            note(
                f"{self.group}  {step:<9} failed. `lakeward run` goes on with this cut, `lakeward run --new` makes a new one."
            )
            raise
        note(f"{self.group}  {step:<9} {entry.seconds:7.1f} s  {entry.message}")

    def _extract(self, _at: datetime, progress: Progress) -> tuple[int, str]:
        from lakeward.steps.extract import extract

        manifest = extract(self.plan, self.group, self.ports, _attempt(), progress)
        rows = sum(t.rows for t in manifest.tables)
        size = sum(f.bytes for t in manifest.tables for f in t.files)
        return rows, f"{rows:,} rows, {size / 1e6:,.1f} MB landed at cut {manifest.cut_id}"

    def _prepare(self, _at: datetime, _progress: Progress) -> tuple[int, str]:
        from lakeward.steps.prepare import prepare

        created = prepare(self.plan, self.group, self.ports)
        return 0, f"created {', '.join(created)}" if created else "all tables are there and as planned"

    def _flatten(self, _at: datetime, progress: Progress) -> tuple[int, str]:
        from lakeward.steps.flatten import flatten

        staged = flatten(self.plan, self.group, self.ports, _attempt(), progress)
        rows = sum(t.rows for t in staged.tables)
        quarantined = sum(t.quarantined for t in staged.tables)
        files = sum(len(t.files) for t in staged.tables)
        return rows, f"{rows:,} rows in {files} files, {quarantined:,} quarantined"

    def _validate(self, at: datetime, progress: Progress) -> tuple[int, str]:
        from lakeward.steps.validate import validate

        verdict = validate(self.plan, self.group, self.ports, at, progress)
        return verdict.checked, f"{verdict.outcome}: {verdict.summary}"

    def _append(self, at: datetime, progress: Progress) -> tuple[int, str]:
        from lakeward.steps.append import append

        appended = append(self.plan, self.group, self.ports, at, progress)
        rows = sum(t.rows for t in appended.tables)
        how = "one transaction" if appended.multi else "table by table"
        again = all(t.already for t in appended.tables)
        return rows, f"{rows:,} rows in {len(appended.tables)} tables, {'they were there' if again else how}"

    def _compact(self, at: datetime, progress: Progress) -> tuple[int, str]:
        from lakeward.domain.compaction import rewriting
        from lakeward.steps.compact import compact, inspect

        spec = self.plan.migration.compaction
        if spec.mode == "rewrite":
            compacted = compact(self.plan, self.group, self.ports, at, progress=progress)
            told = [told for table in compacted.tables if (told := rewriting(table))]
            return 0, "; ".join(told) or "nothing to rewrite"
        waited, limit = 0.0, spec.wait.delta.total_seconds() if spec.mode == "observe" else 0.0
        began = time.monotonic()
        while not (report := inspect(self.plan, self.group, self.ports)).settled and waited < limit:
            progress("wait for the store's compaction", int(waited), int(limit))
            time.sleep(min(_LOOK_EVERY, limit - waited))
            waited = time.monotonic() - began
        before, after = (sum(getattr(t, name) for t in report.tables) for name in ("files_before", "files_now"))
        size = sum(t.bytes_now for t in report.tables) / 1e6
        left = "" if report.settled else "; small files remain"
        return 0, f"{before} files before, {after} now, {size:,.1f} MB{left}"

    def _compare(self, at: datetime, progress: Progress) -> tuple[int, str]:
        from lakeward.steps.compare import compare

        verdicts = compare(self.plan, self.group, self.ports, at, progress)
        show_verdicts(verdicts)
        worse = [v for v in verdicts if v.failed]
        return sum(v.checked for v in verdicts), f"{len(verdicts) - len(worse)} of {len(verdicts)} are equal"


def _attempt() -> str:
    """A name for this very try; what an earlier one left is never read."""
    return f"cli-{uuid4().hex[:12]}"


def put_to_gate(plan: Plan, ports: Ports, *, run: Plan) -> None:
    """Ask the gate and show what it says; then ``run`` is over. Exits 3 when it is held."""
    from lakeward.steps.dossier import try_dossier
    from lakeward.steps.join import judge_joined
    from lakeward.steps.journal import journal

    with journal(run, ports, "", Step.GATE, now()) as entry:
        decision = judge_joined(plan, ports, now())
        entry.outcome, entry.message = "done" if decision.open else "held", "; ".join(decision.reasons)
    note(f"records: {decision.signatures}")
    note(f"dossier: {try_dossier(plan, ports, now())}")
    finish_run(ports.store, run, entry.outcome)
    show_decision(decision)
    if not decision.open:
        say("`lakeward parity FILE --at cut --drill` names the rows; the next `lakeward run` makes a new cut.")
        raise typer.Exit(3)
    if decision.quarantined:
        say(f"{decision.quarantined:,} rows are in quarantine; a signer must accept them by name.")
    say(f"Cut over in Airflow: the DAG {cutting_over(plan)} and asks for approval.")


def cutting_over(plan: Plan) -> str:
    """The DAG that cuts a migration over, and what it does first."""
    if plan.migration.pattern == "lift_and_shift":
        return f"lift_and_shift__{plan.migration.migration} makes a cut of its own"
    return "cutover freezes the source, synchronises every group"
