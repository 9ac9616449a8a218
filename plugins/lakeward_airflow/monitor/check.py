"""One check: what it compared, where it differs, and the rows that cause it, down to their keys."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal

from fastapi import HTTPException, Request, Response, status
from markupsafe import Markup

from lakeward.domain.amount import Amount
from lakeward.domain.calendar import AFTER, BEFORE
from lakeward.domain.evidence import Outcome, Verdict
from lakeward.domain.plot import Point, plot
from lakeward.domain.standing import Card, KpiCard, SetAside
from lakeward.errors import LakewardError
from lakeward_airflow.dag_files import FOLDER
from lakeward_airflow.monitor.access import Cut, Name, User, may_trigger, readable
from lakeward_airflow.monitor.act import ACCEPT, ACCEPTABLE
from lakeward_airflow.monitor.matrix import Place, differing, series
from lakeward_airflow.monitor.migration import rows_behind, set_aside_for
from lakeward_airflow.monitor.pages import render
from lakeward_airflow.monitor.store import ledger, open_evidence


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure over the periods of a grain, as SVG that is made by us from escaped words."""

    grain: str
    svg: Markup


def page(migration: Name, group: Name, cut: Cut, kind: str, subject: str, request: Request, user: User) -> Response:
    """The newest verdict of a check at a cut."""
    card = readable(migration, user)
    verdicts = ledger().verdicts(migration, cut)
    verdict = next((v for v in verdicts if (v.group, v.kind, v.subject) == (group, kind, subject)), None)
    if verdict is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "That check has not been made at that cut.")
    kpi = next((k for k in card.kpis if (k.group, k.name) == (group, subject)), None) if kind == "kpi" else None
    standing = ledger().standing(SetAside, migration).get((migration, group))
    plots, note = _plots(card, kpi, verdict) if kpi else ([], "")
    return render(
        request,
        "check.html",
        card=card,
        verdict=verdict,
        kpi=kpi,
        plots=plots,
        note=note,
        cells=[f for f in verdict.findings if not (f.key or f.values)],
        rows=rows_behind(verdict, verdicts),
        accept=_accept(card, verdict),
        accept_shut="" if may_trigger(ACCEPT, user) else f"You may not trigger the DAG {ACCEPT}.",
        aside=set_aside_for(verdict, standing[0] if standing else None),
    )


def _accept(card: Card, verdict: Verdict) -> str:
    """The command that accepts what differs, to be completed; nothing where nothing can be accepted."""
    if verdict.outcome is not Outcome.FAIL or verdict.kind not in ACCEPTABLE:
        return ""
    what = (f"--{verdict.kind}", verdict.subject, "--group", verdict.group)
    said = ("--owner", "NAME", "--reason", "WHY", "--expires", "YYYY-MM-DD")
    return shlex.join(("lakeward", "accept", f"{FOLDER}/{card.file}", *what, *said))


def _plots(card: Card, kpi: KpiCard, verdict: Verdict) -> tuple[list[Plot], str]:
    if len(verdict.files) < 2:
        return [], ""
    try:
        with closing(open_evidence(card)) as store:
            return list(_drawn(kpi, series(verdict, store), differing(store, verdict))), ""
    except LakewardError as error:
        return [], error.what


def _drawn(
    kpi: KpiCard, both: dict[Place, tuple[Amount | None, Amount | None]], broken: frozenset[Place]
) -> Iterator[Plot]:
    for grain in kpi.grains:
        points = [
            Point(period, _number(source), _number(lake), (of, period) in broken)
            for (of, period), (source, lake) in both.items()
            if of == grain and period is not None and period not in {BEFORE, AFTER} and not period.endswith("BC")
        ]
        if svg := plot(points, f"{kpi.title} by {grain}"):
            yield Plot(grain, Markup(svg))  # noqa: S704 - every word in it is escaped by plot


def _number(amount: Amount | None) -> Decimal | None:
    return amount.number if amount else None
