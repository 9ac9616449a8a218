"""Metrics as a backend of Airflow's own is given them, and URLs below a path prefix."""

from __future__ import annotations

import asyncio
import json
import re
import socketserver
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
from airflow.configuration import conf
from airflow.sdk import DAG
from airflow.sdk.execution_time.context import set_current_context
from airflow.sdk.observability import stats
from airflow.triggers.callback import CallbackTrigger

import airflow_home  # noqa: F401 - before Airflow
from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.costs import day_of
from lakeward.domain.decision import Decision, GateDecision, Streak
from lakeward.domain.evidence import Outcome, Pointer, State, Verdict
from lakeward.domain.meters import Meter, Side, spread
from lakeward.domain.standing import Card, Decided, GroupCard
from lakeward.ports import StepRecord
from lakeward.spec.models import CostsSpec, LandingSpec, SlaSpec, StranglerFig
from lakeward_airflow.deadlines import late_run
from lakeward_airflow.links import mounted
from lakeward_airflow.watch import page_url, watch

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Backend:
    """What a metrics server would be sent."""

    def __init__(self) -> None:
        self.gauges: dict[str, tuple[float, Mapping[str, str]]] = {}

    def gauge(self, stat: str, value: float, *, tags: Mapping[str, str] | None = None) -> None:
        self.gauges[stat] = (value, tags or {})


@pytest.fixture
def backend() -> Iterator[Backend]:
    one = Backend()
    stats.initialize(factory=lambda: one, export_legacy_names=False)
    yield one
    stats.initialize(factory=stats.Stats, export_legacy_names=False)


@pytest.fixture
def ledger() -> MemoryLedger:
    one = MemoryLedger()
    groups = (GroupCard("sales", ("orders",)),)
    one.record_standing(
        "retail", "", Card("retail", "f", "lift_and_shift", "", "x", "UTC", LandingSpec(path="/x"), groups, ()), AT
    )
    streaks = (Streak("sales", "revenue", "day", 11, 14),)
    one.record_standing("retail", "", Decided("run", "", GateDecision(Decision.READY, (), (), "e", 0, streaks)), AT)
    one.record_step(StepRecord("retail", "run", "sales", "extract", "done", AT, 1.0, 5))
    for n, outcome in enumerate((Outcome.PASS, Outcome.PASS, Outcome.WARN)):
        verdict = Verdict("kpi", f"k{n}", "retail", "sales", "c", outcome, "h", "", checked=1, failed=0, decided_at=AT)
        one.record_verdict(verdict)
    return one


@pytest.mark.parametrize("names", ["True", "False"])
def test_every_gauge_has_its_migration(
    backend: Backend, ledger: MemoryLedger, names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__LEGACY_NAMES_ON", names)
    watch("retail", ledger)
    retail = {"migration": "retail"}
    assert {name: value for name, (value, tags) in backend.gauges.items() if tags == retail} == {
        "lakeward.checks.pass": 2,
        "lakeward.checks.warn": 1,
        "lakeward.gate_open": 1,
        "lakeward.need": 5,
        "lakeward.parts_done": 1,
        "lakeward.parts": 8,
    }
    streak = retail | {"group": "sales", "kpi": "revenue", "grain": "day"}
    assert backend.gauges["lakeward.closed_periods"] == (11, streak)
    assert backend.gauges["lakeward.closed_periods_wanted"] == (14, streak)
    with_names = {name for name, (_, tags) in backend.gauges.items() if not tags}
    assert ("lakeward.closed_periods.retail.sales.revenue.day" in with_names) == (names == "True")


def test_what_cannot_be_told_holds_nothing_up(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    class Lost(MemoryLedger):
        def runs(self, migration: str | None = None) -> tuple[StepRecord, ...]:
            raise OSError("no ledger")

    watch("retail", Lost())
    assert backend.gauges == {}
    assert "Nobody could be told how retail stands" in caplog.text


@pytest.mark.parametrize(
    ("base", "prefix"), [("http://x.example:8080", ""), ("https://x.example/air/flow/", "/air/flow"), ("", "")]
)
def test_links_are_below_airflows_base_url(base: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    assert conf.get("api", "base_url") == base
    assert mounted() == f"{prefix}/lakeward"
    assert page_url("retail") == f"{base.rstrip('/')}/plugin/migrations{prefix}/lakeward/m/retail"


class Letters(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it is sent."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Mailman)
        self.letters: list[str] = []


class Mailman(socketserver.StreamRequestHandler):
    """As much of SMTP as a letter needs."""

    server: Letters

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline().strip().upper():
            if line == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.letters.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if line == b"QUIT" else b"250 ok\r\n")


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Letters]:
    """Airflow's own notifier for mail, configured as somebody would, and the server that it sends to."""
    with Letters() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "mail_alerts.py").write_text(
            "from airflow.providers.smtp.notifications.smtp import SmtpNotifier\n"
            "SUBJECT = '{{ alert.migration }}: {{ alert.kind }}'\n"
            "TEXT = '{{ alert.what }} {{ alert.todo }} {{ alert_url }}'\n"
            "NOTIFIERS = [SmtpNotifier(to='oncall@example.com', from_email='lake@example.com', subject=SUBJECT, html_content=TEXT)]\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        extra = '{"disable_tls": true, "disable_ssl": true}'
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": server.server_address[1], "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        monkeypatch.setenv("AIRFLOW__LAKEWARD__NOTIFIERS", "mail_alerts.NOTIFIERS")
        yield server
        server.shutdown()


def text_of(letter: Message) -> str:
    return "".join(str(part.get_payload(decode=True)) for part in letter.walk() if not part.is_multipart())


def test_a_broken_agreement_is_mailed_once_a_day_whatever_its_figures_are(
    backend: Backend, ledger: MemoryLedger, mail: Letters
) -> None:
    now = datetime.now(UTC)
    card = ledger.standing(Card, "retail")["retail", ""][0]
    agreed = replace(card, sla=SlaSpec.model_validate({"freshness": "5s"}), max_retained=1_000)
    ledger.record_standing("retail", "", agreed, AT + timedelta(seconds=1))
    for seconds in (9, 11):
        meter = Meter("retail", "sales", day_of(now, "UTC"), now + timedelta(seconds=seconds), fresh=spread([seconds]))
        ledger.record_meter(replace(meter, retained=600))
        with set_current_context({}):
            watch("retail", ledger)
    broken, growing = (message_from_string(letter) for letter in mail.letters)
    assert (broken["Subject"], broken["To"]) == ("retail: sla broken", "oncall@example.com")
    assert "p95 is 9.00 s; 5s are agreed" in text_of(broken)
    assert "/plugin/migrations/lakeward/m/retail" in text_of(broken)
    assert growing["Subject"] == "retail: slot growing"
    assert backend.gauges["lakeward.retained_bytes"] == (600, {"migration": "retail", "group": "sales"})


def test_a_run_that_is_late_is_mailed_by_the_callback_of_its_deadline(mail: Letters) -> None:
    spec = StranglerFig.model_construct(migration="retail", sla=SlaSpec.model_validate({"silence": "2h"}))
    assert late_run(StranglerFig.model_construct(migration="retail", sla=None)) is None
    alert = late_run(spec)
    assert alert is not None
    with DAG("strangler_fig__retail", schedule=None, deadline=alert):
        pass
    trigger = CallbackTrigger(alert.callback.path, alert.callback.kwargs | {"context": {"dag_run": {"run_id": "r7"}}})

    async def run() -> list[str]:
        return [str(event.payload["state"]) async for event in trigger.run()]

    assert (alert.interval, asyncio.run(run())) == (timedelta(hours=2), ["running", "success"])
    (letter,) = (message_from_string(letter) for letter in mail.letters)
    assert letter["Subject"] == "retail: run is late"
    assert "r7 has not ended within 2h." in text_of(letter)


def test_the_sample_dashboard_shows_only_what_is_sent_and_documented(
    backend: Backend, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    card = ledger.standing(Card, "retail")["retail", ""][0]
    prices = CostsSpec.model_validate({"source": {"licence": 10}})
    ledger.record_standing("retail", "", replace(card, costs=prices), AT + timedelta(seconds=1))
    followed = Pointer("retail", "sales", State.LEGACY, 1, "c", {}, "", AT, "", "", position=1, fresh_at=AT)
    ledger.record_standing("retail", "sales", followed, AT)
    times = spread([0.5])
    side = Side({"daily": times})
    ledger.record_meter(
        Meter("retail", "sales", day_of(now, "UTC"), now, write=times, fresh=times, source=side, lake=side)
    )
    for n, outcome in enumerate((Outcome.FAIL, Outcome.ERROR)):
        ledger.record_verdict(Verdict("kpi", f"w{n}", "retail", "sales", "c", outcome, "h", "", 1, 1, decided_at=AT))
    monkeypatch.setattr("lakeward_airflow.watch._send", lambda _: None)
    monkeypatch.setenv("AIRFLOW__METRICS__LEGACY_NAMES_ON", "False")
    watch("retail", ledger)
    sent = {name.replace(".", "_") for name in backend.gauges}
    docs = Path(__file__).parents[2] / "docs"
    board = json.loads((docs / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    shown = {name for query in queries for name in re.findall(r"lakeward_[a-z_]+", query)}
    assert shown - sent == set()
    assert sent - shown == set()
    documented = (docs / "monitoring.md").read_text()
    assert [
        name
        for name in backend.gauges
        if f"`{name}`" not in documented and f"`.{name.split('.')[-1]}`" not in documented
    ] == []
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
