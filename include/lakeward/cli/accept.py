"""`lakeward accept`: a known difference may stay, by name, for a while, and is told wherever it matters."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakeward.cli.console import exits, progressing, say, table
from lakeward.cli.verdicts import dimensions
from lakeward.domain.words import spelled
from lakeward.errors import LakeError, SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeward.domain.acceptance import Acceptance, Difference
    from lakeward.domain.facts import Plan
    from lakeward.ports import Ports
    from lakeward.spec.load import LoadedMigration

_SHOWN = 20


@exits(1)
def accept(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")],
    kpi: Annotated[str, typer.Option("--kpi", "-k", help="Accept differences of this KPI.")] = "",
    rows: Annotated[str, typer.Option("--rows", help="Accept differences of the rows of this lake table.")] = "",
    counts: Annotated[
        str, typer.Option("--counts", help="Accept that the rows of this lake table do not add up, by as many as now.")
    ] = "",
    group: Annotated[str, typer.Option("--group", "-g", help="The entity group, if several have such a table.")] = "",
    period: Annotated[
        list[str],
        typer.Option("--period", help="Only the period that begins on this day; `none`: rows without a date."),
    ] = [],  # noqa: B006 - typer reads it
    dimension: Annotated[
        list[str], typer.Option("--dimension", metavar="NAME=VALUE", help="Only this value; `NAME` alone: null.")
    ] = [],  # noqa: B006 - typer reads it
    key: Annotated[
        list[str], typer.Option("--key", help="Only the row with this key; parts of a key parted by a comma.")
    ] = [],  # noqa: B006 - typer reads it
    column: Annotated[str, typer.Option("--column", help="Only values of this column.")] = "",
    amount: Annotated[
        str, typer.Option("--amount", help="Up to this much apart; without it exactly what was found.")
    ] = "",
    owner: Annotated[str, typer.Option("--owner", help="Who answers for the difference.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why it may stay, or why the acceptance is withdrawn.")] = "",
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day on which it is accepted.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who accepts it; default: the user of this system.")] = "",
    confirm: Annotated[bool, typer.Option("--confirm", help="Write it; else it is only shown.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show the acceptances that stand.")] = False,
    withdraw: Annotated[str, typer.Option("--withdraw", metavar="ID", help="Withdraw an acceptance.")] = "",
) -> None:
    """Accept a known difference at the published cut, exactly as named, until a day. Shows what it would cover, unless `--confirm`.

    The verdict stays `fail`; the gate tells who accepts what and goes on. What grows, another key and another period are open again.

    Exits 0 when it is shown or done, 1 when it is refused.

    Example: `lakeward accept dags/migrations/retail.yaml --kpi revenue --period 2025-03-30 --amount 0.01 --owner finance --reason 'rounding, T-12' --expires 2027-03-31`
    """
    from lakeward.cli.session import now, opened, user
    from lakeward.domain.acceptance import Acceptance, Withdrawal
    from lakeward.steps.accept import withdraw as take_back

    who = by or user()
    with opened(file) as (loaded, ports):
        name = loaded.spec.migration
        if listed:
            _show_all(name, ports)
            return
        if withdraw:
            _require({"--reason": reason})
            gone = take_back(ports, Withdrawal(name, withdraw, who, reason, now()))
            say(f"Withdrawn: {gone.rule} {gone.subject} of group {gone.group}; what it covered is open again.")
            return
        if [bool(kpi), bool(rows), bool(counts)].count(True) != 1:
            raise SpecError("Name what is accepted: --kpi NAME, --rows TABLE or --counts TABLE.", todo="One of them.")
        _require({"--owner": owner, "--reason": reason, "--expires": str(expires or "")})
        plan, group = published_plan(loaded, ports, kpi, rows or counts, group)
        wanted = Acceptance(
            migration=name,
            group=group,
            rule="kpi" if kpi else "rows" if rows else "counts",
            subject=kpi or rows or group,
            owner=owner,
            reason=reason,
            expires=(expires or now()).date(),
            by=who,
            at=now(),
            covers=(),
            periods=tuple(period),
            dimensions={n: v if eq else None for n, eq, v in (word.partition("=") for word in dimension)},
            keys=(*(tuple(next(csv.reader([word]))) for word in key), *([(counts,)] if counts else [])),
            column=column,
            amount=_amount(amount),
        )
        accept_differences(plan, wanted, ports, confirm=confirm)


def _require(given: dict[str, str | None]) -> None:
    if missing := [name for name, value in given.items() if not (value and value.strip())]:
        raise SpecError(
            f"An acceptance needs {', '.join(missing)}.",
            todo="It is evidence: say who answers for it, why, and until when.",
        )


def _amount(word: str) -> str:
    try:
        number = Decimal(word or "0")
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or number < 0:
        raise SpecError(f"--amount {word} is no number from 0 on.", todo="Write it as in 0.01.")
    return word


def published_plan(loaded: LoadedMigration, ports: Ports, kpi: str, rows: str, group: str) -> tuple[Plan, str]:
    """The published plan and group of the rule that is meant."""
    from lakeward.cli.session import check_names
    from lakeward.spec.problems import meant
    from lakeward.steps.compared import plan_of_gate

    check_names(loaded, group, kpi)
    table_name, tables = next((k.table for k in loaded.spec.kpis if k.name == kpi), rows), []
    for one in (g.name for g in loaded.spec.groups if group in {"", g.name}):
        if plan := plan_of_gate(loaded, one, ports):
            names = [table.name for table in plan.group(one).lake_tables]
            if table_name in names:
                return plan, one
            tables += names
    if not tables:
        raise LakeError("No group that is meant was published.", todo="Run the migration first: `lakeward run`.")
    todo = meant(table_name, tables) or f"There are: {', '.join(tables)}."
    raise SpecError(f"No published group has a table {table_name!r}.", todo=todo)


def accept_differences(plan: Plan, wanted: Acceptance, ports: Ports, *, confirm: bool) -> None:
    """Show what would be covered, and with ``confirm`` keep it."""
    from lakeward.cli.scope import misnamed
    from lakeward.steps.accept import keep_acceptance, propose
    from lakeward.steps.compare import compare

    if wrong := next(misnamed(plan, wanted), None):
        raise SpecError(wrong[0], todo=wrong[1])
    with progressing() as progress:
        verdicts = compare(plan, wanted.group, ports, wanted.at, progress)
    verdict = next((v for v in verdicts if (v.kind, v.subject) == (wanted.rule, wanted.subject)), None)
    if verdict is None:
        known = ", ".join(v.subject for v in verdicts if v.kind == wanted.rule)
        raise SpecError(
            f"No verdict of kind {wanted.rule} is on {wanted.subject!r} in group {wanted.group}.",
            todo=f"There are: {known}.",
        )
    made, found = propose(plan, verdict, wanted, ports)
    _show(f"{wanted.rule} {wanted.subject} of group {wanted.group}", made.covers, found.count)
    say(f"{found.told(named=confirm)}.")
    if not confirm:
        say("Nothing was written. Give --confirm to accept it.")
        return
    say(f"Accepted: {keep_acceptance(ports, made)}. Withdraw it with --withdraw.")


def _show(title: str, differences: Sequence[Difference], count: int) -> None:
    rows = [
        (
            ", ".join(spelled(part) for part in d.place),
            f"{d.grain} {d.period or ''}".strip(),
            dimensions(d.dimensions),
            d.kind,
            d.column,
            *(spelled(value, "null" if d.column else "-") for value in (d.expected, d.found)),
        )
        for d in differences[:_SHOWN]
    ]
    columns = ("key", "period", "of", "is", "column", "source", "lake")
    table(
        columns,
        rows,
        right=("source", "lake"),
        title=f"{title}: {count:,} of {len(differences):,} named would be accepted",
    )


def _show_all(migration: str, ports: Ports) -> None:
    from lakeward.cli.session import now
    from lakeward.domain.accepted import id_of
    from lakeward.steps.accept import of_migration

    found = of_migration(ports, migration)
    rows = [
        (
            id_of(a),
            f"{a.group} {a.rule} {a.subject}",
            str(len(a.covers)),
            a.amount or "as found",
            f"{a.expires}{' expired' if a.expires < now().date() else ''}",
            a.owner,
            f"{a.by}, {a.at:%Y-%m-%d}",
            a.reason,
        )
        for a in found
    ]
    table(("id", "of", "differences", "up to", "until", "owner", "accepted by", "why"), rows, right=("differences",))
