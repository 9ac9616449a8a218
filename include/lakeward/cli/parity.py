"""`lakeward parity`: source and lake compared, and the rows behind a difference."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakeward.cli.console import exits, note, progressing, say_json
from lakeward.cli.session import check_names, now, opened, run_of_cut
from lakeward.cli.verdicts import finding_json, show_accepted, show_rows, show_verdicts, verdict_json
from lakeward.errors import LakeError, SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeward.domain.accepted import Explanations
    from lakeward.domain.evidence import Finding, Verdict
    from lakeward.domain.facts import Plan
    from lakeward.ports import Ports, Progress
    from lakeward.spec.load import LoadedMigration
    from lakeward.steps.recheck import Recheck


class At(StrEnum):
    """Which figures of the source are compared."""

    NOW = "now"
    CUT = "cut"


@exits(2)
def parity(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")],
    at: Annotated[
        At, typer.Option(help="The source as it is now, or as it was at the published cut (gates use that).")
    ] = At.NOW,
    drill: Annotated[bool, typer.Option("--drill", help="Name the rows behind what differs.")] = False,
    group: Annotated[str, typer.Option("--group", "-g", help="Only this entity group.")] = "",
    kpi: Annotated[str, typer.Option("--kpi", "-k", help="Only this KPI.")] = "",
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only periods from this day on; with `--at now`.")
    ] = None,
    recheck_after: Annotated[
        str,
        typer.Option(
            help="With `--at now`: measure what differs again so much later, as `30s`; `0s`: don't. Default: the file's."
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One object with `verdicts` and `findings`.")] = False,
) -> None:
    """Compare the source's figures with the lake's, by day, week and month and by dimension, to the cent.

    Exits 0 when all are equal, 1 when one differs, 2 when it could not be measured.

    Example: `lakeward parity dags/migrations/retail.yaml --at cut --drill`
    """
    from lakeward.ports import silent
    from lakeward.steps.accept import explain_verdicts

    if since and at is At.CUT:
        raise SpecError("--since goes with --at now: figures of the cut are compared whole.", todo="Leave one out.")
    watched: AbstractContextManager[Progress] = nullcontext(silent) if as_json else progressing()
    with opened(file) as (loaded, ports):
        check_names(loaded, group, kpi)
        plans, again = _published(loaded, ports, group, at), _recheck(loaded, recheck_after)
        with watched as progress:
            found = _compared(plans, ports, at, kpi, since.date() if since else None, again, progress)
            rows = [pair for plan, verdicts in found for pair in _findings(plan, verdicts, ports, at, drill=drill)]
            known = {
                k: v for plan, verdicts in found for k, v in explain_verdicts(plan, verdicts, ports, now()).items()
            }
    if not rows:
        where = f"the published run of group {group!r}" if group else "any published run"
        raise SpecError(
            f"KPI {kpi!r} is none of {where}.",
            todo="A KPI is measured from the run on that was planned with it: start a new one (`lakeward run --new`).",
        )
    if as_json:
        _print_json(rows, known)
    else:
        show_verdicts([verdict for verdict, _ in rows])
        for verdict, findings in rows:
            show_rows(verdict, findings)
        show_accepted(known)
    if any(verdict.outcome == "error" for verdict, _ in rows):
        raise typer.Exit(2)
    if any(verdict.failed for verdict, _ in rows):
        raise typer.Exit(1)


def _published(loaded: LoadedMigration, ports: Ports, group: str, at: At) -> list[tuple[Plan, str]]:
    """For each group the plan of the run whose cut is published; of one with windows, over all that are done when compared now."""
    from lakeward.domain.windows import fold
    from lakeward.reader import resolve
    from lakeward.steps.artifacts import read_plan
    from lakeward.steps.compared import plan_of_gate
    from lakeward.steps.waves import over_done

    name = loaded.spec.migration
    found = []
    for one in loaded.spec.groups:
        if group and one.name != group:
            continue
        pointer = resolve(ports.store, name, one.name)
        run_key = run_of_cut(ports.store, name, one.name, pointer.cut_id)
        if run_key is None:
            raise LakeError(
                f"The landing of group {one.name} at its published cut {pointer.cut_id} is gone.",
                todo="Run the migration again: `lakeward run`, or its DAG.",
            )
        plan = (plan_of_gate(loaded, one.name, ports) if at is At.CUT else None) or read_plan(
            ports.store, name, run_key
        )
        if pointer.basis:
            what = "the rows of" if at is At.NOW else f"the cut of window {plan.group(one.name).window}, the last of"
            note(f"{one.name}: {what} {len(pointer.windows)} windows that are done: {fold('', pointer.windows)}")
        found.append((over_done(plan, ports) if at is At.NOW else plan, one.name))
    return found


def _recheck(loaded: LoadedMigration, given: str) -> Recheck | None:
    """What waits before what differs is measured again; Ctrl-C ends it."""
    from lakeward.spec.scalars import Pause
    from lakeward.steps.recheck import Recheck

    try:
        after = Pause.parse(given) if given else loaded.spec.parity.recheck_after
    except ValueError as error:
        raise SpecError(f"--recheck-after: {error}", todo="Write it as in 30s; 0s: don't.") from None
    delay = Pause(after).delta
    return Recheck(delay, lambda span: time.sleep(span.total_seconds())) if delay else None


def _compared(
    plans: list[tuple[Plan, str]],
    ports: Ports,
    at: At,
    kpi: str,
    since: date | None,
    again: Recheck | None,
    progress: Progress,
) -> list[tuple[Plan, list[Verdict]]]:
    from lakeward.steps.compare import compare
    from lakeward.steps.compare_now import compare_now

    found: list[tuple[Plan, list[Verdict]]] = []
    for plan, group in plans:
        if at is At.CUT:
            verdicts = compare(plan, group, ports, now(), progress)
        else:
            wanted = [kpi] if kpi else []
            verdicts = compare_now(
                plan, ports, now(), groups=[group], kpis=wanted, since=since, progress=progress, recheck=again
            )
        found.append((plan, [v for v in verdicts if not kpi or (v.kind == "kpi" and v.subject == kpi)]))
    return found


def _findings(
    plan: Plan, verdicts: list[Verdict], ports: Ports, at: At, *, drill: bool
) -> Sequence[tuple[Verdict, tuple[Finding, ...]]]:
    from lakeward.steps.drill import drill_all

    if drill:
        return drill_all(plan, verdicts, ports, now=at is At.NOW)
    return [(v, v.findings) for v in verdicts]


def _print_json(rows: Sequence[tuple[Verdict, tuple[Finding, ...]]], known: Explanations) -> None:
    findings = [finding_json(verdict, finding, known) for verdict, found in rows for finding in found]
    say_json({"verdicts": [verdict_json(verdict, known) for verdict, _ in rows], "findings": findings})
