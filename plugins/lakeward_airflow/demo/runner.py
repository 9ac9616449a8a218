"""From nothing to a migration that was proved, approved and cut over, with every server real; then everything is ended."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from rich.console import Console
from rich.markup import escape

from lakeward.lab import Lab
from lakeward.lab.processes import free_ports
from lakeward_airflow.demo.api import AirflowApi, TaskState
from lakeward_airflow.demo.load import Shoppers, shopping
from lakeward_airflow.demo.servers import DemoError, running
from lakeward_airflow.demo.settings import CLONE, USER, AirflowHome
from lakeward_airflow.demo.strangler_play import strangle
from lakeward_airflow.demo.stuck import NAME, folder_with_it
from lakeward_airflow.runs import home as lakeward_home

PATTERNS = {
    "lift_and_shift": "retail",
    "phased": "retail_phased",
    "strangler_fig": "retail_strangler",
    "hybrid": "retail_hybrid",
}
_RUNS = 20
_PATIENCE = 1800.0
"""Seconds without any task moving after which a run is given up."""


class Demo:
    """One demo, with its clock and its voice."""

    def __init__(self, console: Console, pattern: str, orders: int) -> None:
        self.console = console
        self.pattern = pattern
        self.orders = orders
        self.began = time.monotonic()
        self.home = lakeward_home()
        self.file = CLONE / "dags" / "migrations" / f"{PATTERNS[pattern]}.yaml"
        self.dag_id = f"{pattern}__{PATTERNS[pattern]}"
        self.known: dict[tuple[str, int], str] = {}
        self.run_id = f"demo_{datetime.now(UTC):%Y%m%dT%H%M%S}"

    def say(self, what: str) -> None:
        """One line of progress."""
        self.console.print(f"[dim]{time.monotonic() - self.began:6.1f} s[/]  {what}", highlight=False)

    def play(self, *, keep: bool) -> None:
        """Play it; with ``keep`` leave the servers running until Ctrl-C. Raises LakewardError when anything is not as it must be."""
        with _ended_on_terminate(), self._lab() as lab:
            dags = folder_with_it(self.home) if keep else CLONE / "dags"
            airflow = AirflowHome(self.home / "airflow", free_ports(1)[0], dags)
            self.say("starting Airflow: api-server, scheduler, dag-processor, triggerer")
            with running(airflow, airflow.environment(self.home, lab.env())):
                self.say(f"Airflow answers at {airflow.url}")
                with AirflowApi(airflow) as api:
                    api.wait_for_dag(self.dag_id)
                    if self.pattern != "strangler_fig":
                        self._cut_back(lab, api)
                    if self.pattern == "phased":
                        with shopping(lab.env()["LAKEWARD_LAB_POSTGRES"], self.orders) as shoppers:
                            self._move_in_phases(api)
                            self._cut_over_and_back(api, shoppers)
                    elif self.pattern == "strangler_fig":
                        strangle(self, lab, api)
                    elif self.pattern == "hybrid":
                        with shopping(lab.env()["LAKEWARD_LAB_POSTGRES"], self.orders) as shoppers:
                            self._join(api)
                            self._cut_over_and_back(api, shoppers)
                    else:
                        self._migrate(api)
                        self._tell(api, airflow)
                    if keep:
                        self._get_stuck(api)
                if keep:
                    self._keep(airflow)

    @contextmanager
    def _lab(self) -> Iterator[Lab]:
        lab = Lab(self.home)
        self.say("starting the lab: PostgreSQL and an object store with Iceberg REST catalog")
        ours = self.home / "demo_started_the_lab"  # says so even after a demo that was killed
        if lab.up().started:
            ours.touch()
        try:
            self.say(f"seeding {self.orders:,} orders")
            rows = lab.seed(orders=self.orders)
            self.say(", ".join(f"{count:,} {table}" for table, count in rows.items()))
            yield lab
        finally:
            if ours.exists():
                self.say("stopping the lab")
                lab.down()
                ours.unlink()

    def _cut_back(self, lab: Lab, api: AirflowApi) -> None:
        """The demo before this one has cut over, and tables that readers follow are not replaced: go back first."""
        from lakeward_airflow.demo.report import cut_over_by

        os.environ.update(lab.env())
        logging.getLogger("alembic").setLevel(logging.WARNING)  # Airflow has set it to tell of every connection
        run = cut_over_by(self.file, self.home)
        if run is None:
            return
        self.say(f"run {run} has cut over: cutting back by DAG [bold]cutover[/]")
        api.wait_for_dag("cutover")
        form = {"migration": self.file.name, "direction": "cut_back", "run": run, "why": "make demo", "dry_run": False}
        api.trigger("cutover", self.run_id, form)
        while (state := api.run_state("cutover", self.run_id)) not in {"success", "failed"}:
            time.sleep(0.5)
        for task in api.tasks("cutover", self.run_id):
            if task.state == "failed":
                self._note(api, task, "cutover")
        self.say(f"cut back: {state}")

    def _migrate(self, api: AirflowApi) -> None:
        self.say(f"triggering [bold]{self.dag_id}[/], run {self.run_id}")
        api.trigger(self.dag_id, self.run_id)
        self.follow(api, until="approve")
        question = api.question(self.dag_id, self.run_id)
        self.say(f"the approval asks: [bold]{escape(question['subject'])}[/]")
        quarantined = api.xcom(self.dag_id, self.run_id, "gate")["quarantined"]
        accept = f"The demo accepts {quarantined} quarantined rows." if quarantined else ""
        answer: dict[str, object] = {"source_frozen": True, "accept_quarantine": accept, "why": "make demo"}
        api.answer(self.dag_id, self.run_id, "Approve", answer)
        self.say(f"approved over the REST API as {USER}, the source declared frozen")
        self.follow(api)
        if (state := api.run_state(self.dag_id, self.run_id)) != "success":
            raise DemoError(f"The run ended as {state}.")

    def _move_in_phases(self, api: AirflowApi) -> None:
        """Run after run, each within its budget, until every window is done; then all of it is compared once more."""
        from lakeward_airflow.demo.phased import told

        first = self.run_id
        for number in range(1, _RUNS):
            self.run_id, self.known = f"{first}_{number}", {}
            self.say(f"triggering [bold]{self.dag_id}[/], run {self.run_id}")
            api.trigger(self.dag_id, self.run_id)
            self.follow(api)
            if (state := api.run_state(self.dag_id, self.run_id)) != "success":
                raise DemoError(f"The run ended as {state}.")
            lines, complete = told(self.file, self.run_id, self.home)
            for line in lines:
                self.say(escape(line))
            if complete:
                break
        else:
            raise DemoError(f"{_RUNS} runs did not suffice.", todo="Give `budget` more rows.")

    def _cut_over_and_back(self, api: AirflowApi, shoppers: Shoppers) -> None:
        """Freeze, synchronise, approve, switch, all of it compared once more; then back again."""
        from lakeward_airflow.demo.phased import prove, states

        self.say(
            f"{shoppers.written} changes were written to the source meanwhile; cutting over by DAG [bold]cutover[/]"
        )
        moved, self.dag_id, self.known = self.run_id, "cutover", {}
        self.run_id = f"{moved}_cutover"
        api.wait_for_dag(self.dag_id)
        form: dict[str, object] = {"migration": self.file.name, "why": "make demo", "dry_run": False}
        api.trigger(self.dag_id, self.run_id, form | {"direction": "freeze_and_sync"})
        self.follow(api, until="approve")
        if not shoppers.refused.wait(30):
            raise DemoError("The source is frozen, and takes changes still.")
        self.say(f"the source is frozen, the {shoppers.written + 1}. change was refused")
        synchronised = api.xcom(self.dag_id, self.run_id, "freeze_and_sync")["run_key"]
        api.answer(
            self.dag_id, self.run_id, "Approve", {"source_frozen": True, "accept_quarantine": "", "why": "make demo"}
        )
        self.follow(api)
        self.say(f"readers and writers: {states(self.file, self.home)}")
        self.console.print()
        prove(self.console, self.file, synchronised, self.home)
        self.run_id, self.known = f"{moved}_back", {}
        api.trigger(self.dag_id, self.run_id, form | {"direction": "cut_back", "run": synchronised})
        self.follow(api)
        self.say(f"and back again, the source open: {states(self.file, self.home)}")

    def _get_stuck(self, api: AirflowApi) -> None:
        """A second migration, whose figures differ: its sensor waits, and its page tells why."""
        dag_id, known = f"lift_and_shift__{NAME}", ""
        self.say(f"triggering [bold]{dag_id}[/], which gets stuck")
        api.wait_for_dag(dag_id)
        api.trigger(dag_id, self.run_id)
        until = time.monotonic() + _PATIENCE
        while known != "up_for_reschedule":
            states = {task.task: task.state for task in api.tasks(dag_id, self.run_id)}
            known = states.get("groups.compare", "")
            if "failed" in states.values() or time.monotonic() > until:
                raise DemoError(f"{dag_id} did not get stuck where it should: {states}.", todo="See its logs.")
            time.sleep(0.5)
        self.say("it is stuck: its figures differ, and its comparison waits without a slot")

    def _join(self, api: AirflowApi) -> None:
        """Each group by its own pattern; what is there stays in parity with a shop that goes on selling, until all are at one gate."""
        first = self.run_id
        for number in (1, 2):
            self.run_id, self.known = f"{first}_{number}", {}
            self.say(f"triggering [bold]{self.dag_id}[/], run {self.run_id}")
            api.trigger(self.dag_id, self.run_id, {"new": number == 1})
            self.follow(api)
            if (state := api.run_state(self.dag_id, self.run_id)) != "success":
                raise DemoError(f"The run ended as {state}.")
        gate = api.xcom(self.dag_id, self.run_id, "gate")
        self.say(f"the joint gate is [bold]{gate['decision']}[/], evidence {str(gate['evidence_hash'])[:16]}")

    def follow(self, api: AirflowApi, until: str | None = None) -> None:
        """Tell of every task that ends; return when the run has ended, or when task ``until`` waits for an answer."""
        known = self.known
        moved = time.monotonic()
        while True:
            for task in api.tasks(self.dag_id, self.run_id):
                place = (task.task, task.map_index)
                if known.get(place) == task.state:
                    continue
                known[place], moved = task.state, time.monotonic()
                self._note(api, task)
                if task.task == until and task.state == "awaiting_input":
                    return
            if api.run_state(self.dag_id, self.run_id) in {"success", "failed"}:
                return
            if time.monotonic() - moved > _PATIENCE:
                raise DemoError(f"No task has moved for {_PATIENCE / 60:.0f} minutes.", todo="See the scheduler's log.")
            time.sleep(0.5)

    def _note(self, api: AirflowApi, task: TaskState, dag_id: str = "") -> None:
        if task.state == "success":
            self.say(f"{escape(task.label):<28} [green]done[/] in {task.seconds:.1f} s")
        elif task.state == "up_for_retry":
            self.say(f"{escape(task.label):<28} [yellow]is tried again[/]")
        elif task.state == "up_for_reschedule":
            self.say(f"{escape(task.label):<28} [yellow]waits[/], without a slot")
        elif task.state == "skipped" and self.dag_id == "cutover":
            return
        elif task.state == "skipped" and self.pattern == "strangler_fig":
            self.say(f"{escape(task.label):<28} [yellow]skipped[/]: it is loaded")
        elif task.state == "skipped" and self.pattern == "hybrid":
            self.say(f"{escape(task.label):<28} [yellow]skipped[/]: it is there, and equal to its source")
        elif task.state == "skipped" and self.pattern == "phased":
            self.say(f"{escape(task.label):<28} [yellow]not yet[/]: the budget of this run is spent")
        elif task.state in {"failed", "skipped"}:
            log = api.log(dag_id or self.dag_id, self.run_id, task)
            self.console.print(f"[red]{escape(task.label)} {task.state}[/]; the end of its log:\n{escape(log)}")
            raise DemoError(f"Task {task.label} {task.state}.", todo="The end of its log stands above.")

    def _tell(self, api: AirflowApi, airflow: AirflowHome) -> None:
        from lakeward_airflow.demo.report import look, show, times

        result = look(self.file, self.run_id, self.home)
        for pointer in result.pointers:
            self.say(f"readers of {pointer.group} are at [bold]{pointer.state}[/], moved by {escape(pointer.moved_by)}")
        self.console.print()
        show(self.console, result.shown, times(api.tasks(self.dag_id, self.run_id)))
        self.console.print(
            f"Evidence  {result.evidence}\nLogs      {airflow.logs / f'dag_id={self.dag_id}'}\n", soft_wrap=True
        )

    def _keep(self, airflow: AirflowHome) -> None:
        self.console.print(
            f"Airflow is at [bold]{airflow.url}[/]\n  user      [bold]{USER}[/]\n  password  [bold]{airflow.password}[/]\n"
            f"  the run   {airflow.url}/dags/{self.dag_id}/runs/{self.run_id}\n"
            f"  [bold]all migrations, and what is stuck[/]  {airflow.url}/plugin/migrations\nCtrl-C ends it.",
            soft_wrap=True,
        )
        try:
            signal.pause()
        except KeyboardInterrupt:
            self.say("ending")


@contextmanager
def _ended_on_terminate() -> Iterator[None]:
    """A TERM is as good as Ctrl-C: what was started is ended."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
