"""What both systems cost by the declared price book, and what of the agreement is broken. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from lakeward.domain.meters import Meter, Side, Spread, by_day
from lakeward.spec.meters import CostsSpec, PriceSpec, SlaSpec
from lakeward.spec.scalars import Span

_DAY = timedelta(days=1)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class DayCost:
    """What a day cost, so far; exact decimals of the price book's currency."""

    day: str
    source: Decimal
    lake: Decimal


def day_of(at: datetime, zone: str) -> str:
    """The day of an instant, by a calendar's zone."""
    return at.astimezone(ZoneInfo(zone)).date().isoformat()


def double_days(first: str, at: datetime, zone: str) -> int:
    """Days of double cost so far, the first and the one that is under way counted whole."""
    return (date.fromisoformat(day_of(at, zone)) - date.fromisoformat(first)).days + 1


def day_costs(meters: Iterable[Meter], costs: CostsSpec, at: datetime, zone: str) -> list[DayCost]:
    """Each day since the first that was measured; on days without an increment what stands is paid for all the same."""
    days = by_day(meters)
    if not days:
        return []
    found, stored = [], {"source": 0, "lake": 0}
    day, today = date.fromisoformat(min(days)), date.fromisoformat(day_of(at, zone))
    while day <= max(today, date.fromisoformat(max(days))):
        one = days.get(day.isoformat())
        share = _passed(at, zone) if day == today else Decimal(1)
        both = {}
        for name in ("source", "lake"):
            side: Side = getattr(one, name) if one else Side()
            stored[name] = stored[name] if side.stored is None else side.stored
            seconds = Decimal(str(round(one.seconds, 3))) if one else Decimal(0)
            both[name] = _cost(getattr(costs, name), seconds, stored[name], side.requests, share)
        found.append(DayCost(day.isoformat(), both["source"], both["lake"]))
        day += _DAY
    return found


def _passed(at: datetime, zone: str) -> Decimal:
    """The share of a day that has passed."""
    local = at.astimezone(ZoneInfo(zone))
    return Decimal(local.hour * 3600 + local.minute * 60 + local.second) / Decimal(86400)


def _cost(price: PriceSpec, seconds: Decimal, stored: int, requests: int, share: Decimal) -> Decimal:
    computed = Decimal(86400) * share if price.always_on else seconds
    return (
        price.compute * computed
        + price.storage * Decimal(stored) / 10**9 * share
        + price.requests * Decimal(requests) / 1000
        + price.licence * share
    )


@dataclass(frozen=True, slots=True)
class Breach:
    """What of the agreement does not hold: what it is about, in words with figures, and since when."""

    about: str
    told: str
    since: datetime | None = None


def breaches(
    sla: SlaSpec | None, costs: CostsSpec | None, meters: Iterable[Meter], at: datetime, zone: str
) -> Iterator[Breach]:
    """What of the agreement does not hold on the newest day; nothing measured is a breach, for it proves nothing."""
    if sla is None:
        return
    found = list(meters)
    days = by_day(found)
    if not days:
        yield Breach("nothing", "the agreement (`sla`) can't be looked at: no increment was measured yet")
        return
    one = days[max(days)]
    last = max(m.began + timedelta(seconds=m.seconds) for m in found if m.day == one.day)
    if at - last > sla.silence.delta:
        yield Breach("silence", f"no increment since {last:%Y-%m-%d %H:%M:%SZ}; `sla.silence` is {sla.silence}", last)
    for about, told in (*_latencies(sla, one), *_queries(sla, one), *_failures(sla, one)):
        yield Breach(f"{about} on {one.day}", f"{about} on {one.day}: {told}", one.began)
    if sla.cost is not None:
        if costs is None:
            yield Breach("cost", "`sla.cost` can't be looked at: there is no price book (`costs`)")
        elif (spent := day_costs(found, costs, at, zone)[-1].lake) > sla.cost:
            told = f"the lake cost {money(spent, costs)} today; {money(sla.cost, costs)} are agreed"
            yield Breach(f"cost on {day_of(at, zone)}", told, one.began)


def _latencies(sla: SlaSpec, one: Meter) -> Iterator[tuple[str, str]]:
    for about, times, limit in (("freshness", one.fresh, sla.freshness), ("write latency", one.write, sla.write)):
        if limit and (told := _slow(times, limit)):
            yield about, told


def _queries(sla: SlaSpec, one: Meter) -> Iterator[tuple[str, str]]:
    for name, lake in sorted(one.lake.queries.items()):
        if sla.query and (told := _slow(lake, sla.query)):
            yield f"report {name}", told
        there, here = one.source.queries.get(name, Spread()).quantile(0.95), lake.quantile(0.95)
        if sla.query_ratio is not None and there and here and Decimal(str(here / there)) > sla.query_ratio:
            told = f"p95 is {here / there:.1f} times that of the source; {sla.query_ratio} are agreed"
            yield f"report {name} beside the source", told


def _failures(sla: SlaSpec, one: Meter) -> Iterator[tuple[str, str]]:
    failed = one.failures + sum(one.lake.failed.values())
    if sla.failures is not None and failed > sla.failures:
        yield "failures", f"{failed}; {sla.failures} are agreed"


def _slow(times: Spread, limit: Span) -> str:
    p95 = times.quantile(0.95)
    return f"p95 is {p95:.2f} s; {limit} are agreed" if p95 is not None and p95 > limit.delta.total_seconds() else ""


def money(amount: Decimal, costs: CostsSpec) -> str:
    """An amount as people read it."""
    return f"{amount.quantize(_CENT):,} {costs.currency}"


def totals(spent: Iterable[DayCost]) -> Mapping[str, Decimal]:
    """What each side cost in all."""
    days = list(spent)
    return {name: sum((getattr(one, name) for one in days), Decimal(0)) for name in ("source", "lake")}
