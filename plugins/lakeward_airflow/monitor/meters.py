"""Both systems over time: latency, freshness and cost by day, of a first day by run, as plots and as the newest figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from markupsafe import Markup

from lakeward.domain.costs import Breach, breaches, day_costs, double_days, money, totals
from lakeward.domain.meters import Meter, Spread, by_day
from lakeward.domain.plot import Point, trend
from lakeward.domain.standing import Card
from lakeward.ports import Ledger

P95 = 0.95


@dataclass(frozen=True, slots=True)
class Trend:
    """A meter over time, as SVG that is made by us from escaped words."""

    title: str
    unit: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Row:
    """Times of one meter on one side, of the newest day, in seconds; ``failed`` runs of a query."""

    what: str
    side: str
    times: Spread
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Meters:
    """All that is shown of a migration's meters; ``spent`` is told by side, when there is a price book."""

    day: str
    days: int
    rows: tuple[Row, ...]
    newest: Meter
    trends: tuple[Trend, ...]
    spent: dict[str, str]
    broken: tuple[Breach, ...]


def meters_of(card: Card, book: Ledger, at: datetime) -> Meters | None:
    """The meters of a migration; None before the first increment."""
    found = book.meters(card.migration)
    if not found:
        return None
    days = by_day(found)
    newest = days[max(days)]
    costs = day_costs(found, card.costs, at, card.zone) if card.costs else []
    return Meters(
        day=newest.day,
        days=double_days(min(days), at, card.zone),
        rows=tuple(_rows(card, newest)),
        newest=newest,
        trends=tuple(
            _trends(card, _over_time(card, list(days.values()), book), [(c.day, c.source, c.lake) for c in costs])
        ),
        spent={side: money(amount, card.costs) for side, amount in totals(costs).items()} if card.costs else {},
        broken=tuple(breaches(card.sla, card.costs, found, at, card.zone)),
    )


def _over_time(card: Card, days: Sequence[Meter], book: Ledger) -> list[tuple[str, Meter]]:
    """By day; while there is only one, by run."""
    if len(days) > 1:
        return [(_short(one.day), one) for one in days]
    zone = ZoneInfo(card.zone)
    runs = sorted(book.meters(card.migration, runs=True), key=lambda one: one.began)
    return [(f"{one.began.astimezone(zone):%H:%M}", one) for one in runs]


def _rows(card: Card, one: Meter) -> Iterator[Row]:
    yield Row("Write latency", "lake", one.write)
    yield Row("Freshness", "lake", one.fresh)
    for name in sorted({*one.source.queries, *one.lake.queries}):
        for side, of in (("source", one.source), ("lake", one.lake)):
            yield Row(card.reports.get(name, name), side, of.queries.get(name, Spread()), of.failed.get(name, 0))


def _trends(
    card: Card, times: Sequence[tuple[str, Meter]], costs: Sequence[tuple[str, Decimal, Decimal]]
) -> Iterator[Trend]:
    fresh = [Point(at, None, _p95(one.fresh), differs=False) for at, one in times]
    write = [Point(at, None, _p95(one.write), differs=False) for at, one in times]
    yield from _trend("Freshness, p95", "s", fresh)
    yield from _trend("Write latency, p95", "s", write)
    for name, title in card.reports.items():
        source, lake = _query("source", name), _query("lake", name)
        points = [Point(at, source(m), lake(m), differs=False) for at, m in times]
        yield from _trend(f"{title}, p95", "s", points)
    if card.costs:
        points = [Point(_short(day), source, lake, differs=False) for day, source, lake in costs]
        yield from _trend("Cost by day", card.costs.currency, points)


def _short(day: str) -> str:
    """A day without its year, which the newest day's table has."""
    return day[5:]


def _query(side: str, name: str) -> Callable[[Meter], Decimal | None]:
    return lambda one: _p95(getattr(one, side).queries.get(name, Spread()))


def _trend(title: str, unit: str, points: Sequence[Point]) -> Iterator[Trend]:
    if svg := trend(points, title, unit):
        yield Trend(title, unit, Markup(svg))  # noqa: S704 - every word in it is escaped by trend


def _p95(times: Spread) -> Decimal | None:
    found = times.quantile(P95)
    return None if found is None else Decimal(str(round(found, 4)))
