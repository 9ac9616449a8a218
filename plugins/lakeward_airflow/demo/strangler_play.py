"""The demo of a strangler fig: dual run beside a shop that sells, readers, writers, back, and over again; both sides equal all along."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.markup import escape

from lakeward_airflow.demo.api import AirflowApi
from lakeward_airflow.demo.servers import DemoError

if TYPE_CHECKING:
    from lakeward.lab import Lab
    from lakeward_airflow.demo.runner import Demo


def strangle(demo: Demo, lab: Lab, api: AirflowApi) -> None:
    """Play it; DemoError when anything is not as it must be."""
    from lakeward_airflow.demo.phased import states
    from lakeward_airflow.demo.strangler import Shop, prove, told

    os.environ.update(lab.env())
    play = _Play(demo, api)
    for state, before in (("writers", "readers"), ("readers", "dual")):  # where the demo before this one has ended
        if _is_at(state, demo):
            play.switch(f"back to {before}", direction="cut_back", to=before)
    shop = Shop(lab, demo.orders)
    with shop.open():
        gate = play.serve(new=True)
        demo.say(f"the shop has made {shop.done:,} transactions meanwhile: {states(demo.file, demo.home)}")
        play.switch("readers to the lake", direction="cut_over", evidence_hash=gate)
        demo.say(f"the feed goes on, the shop sells: {states(demo.file, demo.home)}")
        play.serve(new=False)
    for line in told(demo.file, demo.home):
        demo.say(escape(line))
    demo.say(f"the shop closes after {shop.done:,} transactions")
    play.switch("writers to the lake", direction="freeze_and_sync")
    demo.say(states(demo.file, demo.home))
    demo.console.print()
    prove(demo.console, demo.file, demo.home)
    play.switch("back to readers", direction="cut_back", to="readers")
    shop = Shop(lab, demo.orders, first=shop.done)
    with shop.open():
        shop.wait(50)
    demo.say(f"the shop has sold again, {shop.done:,} transactions: {states(demo.file, demo.home)}")
    play.switch("writers to the lake once more", direction="freeze_and_sync")
    demo.say(states(demo.file, demo.home))
    demo.console.print()
    prove(demo.console, demo.file, demo.home)


def _is_at(state: str, demo: Demo) -> bool:
    """Whether groups are in that state."""
    from lakeward.errors import LakeError
    from lakeward_airflow.demo.phased import states

    try:
        return f"at {state}" in states(demo.file, demo.home)
    except LakeError:  # never published
        return False


class _Play:
    """Runs of the migration's DAG and of ``cutover``, one after the other."""

    def __init__(self, demo: Demo, api: AirflowApi) -> None:
        self._demo, self._api, self._first, self._number = demo, api, demo.run_id, 0
        self._dag_id = demo.dag_id

    def serve(self, *, new: bool) -> str:
        """A load or a tenure; the evidence that its gate gave."""
        self._run(self._dag_id, {"new": new})
        found: str = self._api.xcom(self._dag_id, self._demo.run_id, "gate")["evidence_hash"]
        return found

    def switch(self, what: str, **form: object) -> None:
        """A run of the DAG ``cutover``, approved when it asks."""
        demo = self._demo
        demo.say(f"{what}, by DAG [bold]cutover[/]")
        self._api.wait_for_dag("cutover")
        asks = "approve" if form["direction"] == "freeze_and_sync" else None
        filled = {"migration": demo.file.name, "why": "make demo", "dry_run": False} | form
        self._run("cutover", filled, until=asks)
        if asks:
            answer: dict[str, object] = {"source_frozen": True, "accept_quarantine": "", "why": "make demo"}
            self._api.answer("cutover", demo.run_id, "Approve", answer)
            demo.follow(self._api)
            self._check()

    def _run(self, dag_id: str, form: dict[str, object], until: str | None = None) -> None:
        demo = self._demo
        self._number += 1
        demo.dag_id, demo.run_id, demo.known = dag_id, f"{self._first}_{self._number}", {}
        demo.say(f"triggering [bold]{dag_id}[/], run {demo.run_id}")
        self._api.trigger(dag_id, demo.run_id, form)
        demo.follow(self._api, until)
        if not until:
            self._check()

    def _check(self) -> None:
        if (state := self._api.run_state(self._demo.dag_id, self._demo.run_id)) != "success":
            raise DemoError(f"The run ended as {state}.")
