"""What can be done: each way is a form with the right values filled in, which Airflow's own API takes, with its rights and its log."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from fastapi import HTTPException, Request, Response, status

from lakeward.domain.decision import Decision
from lakeward.domain.evidence import State
from lakeward.domain.overview import Need, Status
from lakeward.domain.parts import JOINED
from lakeward.domain.standing import Card
from lakeward.steps.status import statuses
from lakeward_airflow.monitor.access import Name, User, may_trigger, readable
from lakeward_airflow.monitor.pages import render
from lakeward_airflow.monitor.store import ledger

DAG = "cutover"
"""The DAG that operators trigger."""
ACCEPT = "accept"
"""The DAG that accepts a known difference."""
ACCEPTABLE = ("kpi", "rows")
"""Kinds of checks of which a difference can be accepted here."""

_TITLES = {
    "freeze_and_sync": (
        "Freeze and cut over",
        "The source is frozen by the file's hook, synchronised for the last time, and put to approval; then all is switched, or as before.",
    ),
    "cut_over": ("Cut over", "Readers and writers go to the lake."),
    "cut_back": ("Roll back", "Readers and writers go back to the state before; cuts and tables stay published."),
    "repair": ("Repair", "Rows that differ are read again from the source, and replaced in the lake."),
}


FIG = "strangler_fig"
_ONWARD = {State.DUAL.value: "cut_over", State.READERS.value: "freeze_and_sync"}
"""How a strangler fig goes on from a state."""
_BACK = {State.READERS.value: State.DUAL, State.WRITERS.value: State.READERS}


@dataclass(frozen=True, slots=True)
class Action:
    """A way that is open now: where it leads in Airflow or here, and why it is shut for this user, if it is."""

    title: str
    href: str
    leaves: bool = False
    shut: str = ""
    first: bool = False


def offered(card: Card, now: Status, *, cutover: bool, runs: bool) -> list[Action]:
    """What may be done with a migration as it is now.

    :param cutover: whether the user may trigger the DAG ``cutover``.
    :param runs: whether they may answer in the migration's own.
    """
    lake, phased, fig = now.lake_since is not None, card.pattern in {"phased", "hybrid"}, card.pattern == FIG
    no = "" if cutover else f"You may not trigger the DAG {DAG}."
    act = f"m/{quote(card.migration)}/act/"
    found = []
    if fig and now.decision is Decision.READY and now.state in _ONWARD:
        way = _ONWARD[now.state]
        found.append(Action(_TITLES[way][0], f"{act}{way}", shut=no, first=now.need is Need.APPROVE))
    elif now.need is Need.APPROVE:
        sync = now.run_key.partition(JOINED)[0].rpartition(".")[0]
        may, dag, run = (cutover, DAG, sync) if phased else (runs, card.dag_id, now.run_key)
        at = f"../dags/{quote(dag)}/runs/{quote(run, safe='')}/tasks/approve/required_actions"
        found.append(Action("Approve", at, leaves=True, shut="" if may else "You may not answer.", first=True))
    if lake:
        back = now.decision is Decision.ROLL_BACK
        found.append(Action("Roll back", f"{act}cut_back", shut=no, first=back))
    elif not fig and now.decision is Decision.READY and (not phased or now.progress.done == now.progress.total):
        way = "freeze_and_sync" if phased else "cut_over"
        found.append(Action(_TITLES[way][0], f"{act}{way}", shut=no))
    if not (lake or phased or fig) and now.need is Need.HELD:
        found.append(Action("Repair", f"{act}repair", shut=no, first=True))
    found.append(Action("Open the DAG", f"../dags/{quote(card.dag_id)}", leaves=True))
    return found


def page(migration: Name, what: str, request: Request, user: User) -> Response:
    """The form of the DAG ``cutover``, filled in; a dry run unless somebody says otherwise."""
    card = readable(migration, user)
    if what not in _TITLES:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"Nothing is called {what!r}.")
    (now,) = statuses(ledger(), [card], migration)
    title, told = _TITLES[what]
    fig = card.pattern == FIG
    if fig and what == "cut_over":
        told = "Readers go to the lake; writers stay at the old system, and the lake is fed on."
    evidence = now.decision is Decision.READY
    return render(
        request,
        "act.html",
        card=card,
        what=what,
        title=title,
        told=told,
        run=now.run_key,
        evidence_hash=now.evidence_hash if what == "cut_over" and evidence else "",
        fig=fig,
        back=_BACK.get(now.state, State.LEGACY) if fig else State.LEGACY,
        allowed=may_trigger(DAG, user),
        dag=DAG,
    )


def accept(migration: Name, group: Name, kind: str, subject: str, request: Request, user: User) -> Response:
    """The form of the DAG ``accept``, filled in with a check; a dry run unless somebody says otherwise."""
    card = readable(migration, user)
    if kind not in ACCEPTABLE:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"Nothing can be accepted of {kind!r}.")
    allowed = may_trigger(ACCEPT, user)
    return render(
        request, "accept.html", card=card, group=group, kind=kind, subject=subject, allowed=allowed, dag=ACCEPT
    )
