"""What the world is told after every task of ours: metrics through Airflow's own, alerts through Airflow's notifiers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.configuration import conf
from airflow.sdk import get_current_context
from airflow.sdk.observability import stats

from lakeward_airflow.links import mounted

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

    from lakeward.domain.alerts import Alert
    from lakeward.domain.meters import Spread
    from lakeward.domain.overview import Status
    from lakeward.ports import Ledger

log = logging.getLogger(__name__)


@contextmanager
def watched(migration: str, ledger: Ledger) -> Iterator[None]:
    """Tell how a migration stands after the work, whatever came of it."""
    try:
        yield
    finally:
        watch(migration, ledger)


def watch(migration: str, ledger: Ledger) -> None:
    """Tell how a migration stands. Whoever listens never holds up who works: what goes wrong here is only logged."""
    from lakeward.steps.status import tell_alerts

    try:
        status = tell_alerts(ledger, migration, datetime.now(UTC), _send)
        if status:
            _measure(status)
            _measure_meters(status)
    except Exception:
        log.warning("Nobody could be told how %s stands; the next task tries again.", migration, exc_info=True)


async def late(migration: str, interval: str, context: dict[str, Any] | None = None) -> None:
    """Tell that a run has not ended in time; called by Airflow's triggerer when a deadline is missed, also when no task ever began."""
    from lakeward.domain.alerts import Alert

    run = (context or {}).get("dag_run")
    name = getattr(run, "run_id", None) or (run.get("run_id") if isinstance(run, dict) else None) or "a run"
    todo = "See whether its tasks wait for a slot, hang or were paused: until then nothing is applied."
    alert = Alert(migration, "run is late", f"{name} has not ended within {interval}.", todo)
    await asyncio.to_thread(_notify, alert, context or {})


def notifiers() -> Sequence[BaseNotifier]:
    """The notifiers that ``[lakeward] notifiers`` names: an importable list of Airflow's own kind."""
    found: Any = conf.getimport("lakeward", "notifiers", fallback=None)
    return found or ()


def page_url(migration: str) -> str:
    """The migration's page inside Airflow, as a whole URL."""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    path = mounted().removeprefix(base.removeprefix("https://").removeprefix("http://").partition("/")[2] or "\n")
    return f"{base}/plugin/migrations{path}/m/{quote(migration, safe='')}"


def _send(alert: Alert) -> None:
    _notify(alert, dict(get_current_context()) if notifiers() else {})


def _notify(alert: Alert, context: dict[str, Any]) -> None:
    log.warning("%s: %s: %s What to do: %s", alert.migration, alert.kind, alert.what, alert.todo)
    for notifier in notifiers():
        told: Any = context | {"alert": alert, "alert_url": page_url(alert.migration)}
        deepcopy(notifier)(told)  # it renders its templates in place, for one alert alone


def _measure(status: Status) -> None:
    name = status.card.migration
    for outcome, count in status.checks.items():
        _gauge(f"lakeward.checks.{outcome.value}", count, name)
    _gauge("lakeward.gate_open", int(status.decision == "ready"), name)
    _gauge("lakeward.need", status.need.value, name)
    _gauge("lakeward.parts_done", status.progress.done, name)
    _gauge("lakeward.parts", status.progress.total, name)
    for streak in status.streaks:
        tags = {"group": streak.group, "kpi": streak.kpi, "grain": streak.grain}
        _gauge("lakeward.closed_periods", streak.passed, name, tags)
        _gauge("lakeward.closed_periods_wanted", streak.wanted, name, tags)


def _measure_meters(status: Status) -> None:
    """What the newest day's meters say; a quantile without times is left out."""
    from lakeward.domain.costs import day_costs, double_days

    card, at = status.card, datetime.now(UTC)
    name = card.migration
    if status.fresh_at:
        _gauge("lakeward.lag_seconds", round(max((at - status.fresh_at).total_seconds(), 0)), name)
    if status.first_day:
        _gauge("lakeward.double_days", double_days(status.first_day, at, card.zone), name)
    for meter in status.metered:
        tags = {"group": meter.group}
        _gauge("lakeward.failures", meter.failures + sum(meter.lake.failed.values()), name, tags)
        _gauge("lakeward.retained_bytes", meter.retained, name, tags)
        _gauge("lakeward.written_bytes", meter.bytes, name, tags)
        _gauge("lakeward.written_files", meter.files, name, tags)
        for what, times in (("freshness", meter.fresh), ("write", meter.write)):
            _quantiles(f"lakeward.{what}_seconds", times, name, tags)
        for side, of in (("source", meter.source), ("lake", meter.lake)):
            for report, times in of.queries.items():
                _quantiles("lakeward.report_seconds", times, name, tags | {"side": side, "report": report})
    for spent in day_costs(status.metered, card.costs, at, card.zone)[-1:] if card.costs else ():
        for side in ("source", "lake"):
            _gauge("lakeward.cost_today", float(round(getattr(spent, side), 4)), name, {"side": side})


def _quantiles(metric: str, times: Spread, migration: str, tags: dict[str, str]) -> None:
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        if (found := times.quantile(share)) is not None:
            _gauge(metric, round(found, 4), migration, tags | {"quantile": name})


def _gauge(name: str, value: float, migration: str, more: dict[str, str] | None = None) -> None:
    """A gauge with tags, and where Airflow still gives names with everything in them, one such."""
    tags = {"migration": migration} | (more or {})
    stats.gauge(name, value, tags=tags)
    if conf.getboolean("metrics", "legacy_names_on", fallback=False):
        stats.gauge(".".join((name, *tags.values())), value)
