"""Metrics as a backend of Airflow's own is given them, and URLs below a path prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest
from airflow.configuration import conf
from airflow.sdk.observability import stats

import airflow_home  # noqa: F401 - before Airflow
from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.decision import Decision, GateDecision, Streak
from lakeward.domain.evidence import Outcome, Verdict
from lakeward.domain.standing import Card, Decided, GroupCard
from lakeward.ports import StepRecord
from lakeward.spec.models import LandingSpec
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
