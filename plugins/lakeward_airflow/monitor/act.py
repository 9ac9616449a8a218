"""What can be done: each way is a form with the right values filled in, which Airflow's own API takes, with its rights and its log."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from fastapi import HTTPException, Request, Response, status

from lakeward.domain.decision import Decision
from lakeward.domain.overview import Need, Status
from lakeward.domain.standing import Card
from lakeward.steps.status import statuses
from lakeward_airflow.monitor.access import Name, User, may_trigger, readable
from lakeward_airflow.monitor.pages import render
from lakeward_airflow.monitor.store import ledger

DAG = "cutover"
"""The DAG that operators trigger."""

_TITLES = {
    "cut_over": ("Cut over", "Readers and writers go to the lake."),
    "cut_back": ("Roll back", "Readers and writers go back to the state before; cuts and tables stay published."),
    "repair": ("Repair", "Rows that differ are read again from the source, and replaced in the lake."),
}


@dataclass(frozen=True, slots=True)
class Action:
    """A way that is open now: where it leads in Airflow or here, and why it is shut for this user, if it is."""

    name: str
    title: str
    href: str
    leaves: bool = False
    shut: str = ""
    first: bool = False


def offered(card: Card, status: Status, cutover: bool, runs: bool) -> list[Action]:  # noqa: FBT001
    """What may be done with a migration as it is now."""
    lake = any(word in {"readers", "writers"} for word in status.state.split())
    no = "" if cutover else f"You may not trigger the DAG {DAG}."
    act = f"m/{quote(card.migration)}/act/"
    found = []
    if status.need is Need.APPROVE:
        at = f"../dags/{quote(card.dag_id)}/runs/{quote(status.run_key, safe='')}/tasks/approve/required_actions"
        found.append(
            Action("approve", "Approve", at, leaves=True, shut="" if runs else "You may not answer.", first=True)
        )
    if lake:
        urgent = status.decision is Decision.ROLL_BACK
        found.append(Action("cut_back", "Roll back", f"{act}cut_back", shut=no, first=urgent))
    elif card.pattern == "lift_and_shift" and status.decision is Decision.READY:
        found.append(Action("cut_over", "Cut over", f"{act}cut_over", shut=no))
    if not lake and status.need is Need.HELD:
        found.append(Action("repair", "Repair", f"{act}repair", shut=no, first=True))
    found.append(Action("dag", "Open the DAG", f"../dags/{quote(card.dag_id)}", leaves=True))
    return found


def page(migration: Name, what: str, request: Request, user: User) -> Response:
    """The form of the DAG ``cutover``, filled in; a dry run unless somebody says otherwise."""
    card = readable(migration, user)
    if what not in _TITLES:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"Nothing is called {what!r}.")
    (now,) = statuses(ledger(), [card], migration)
    title, told = _TITLES[what]
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
        allowed=may_trigger(DAG, user),
        dag=DAG,
    )
