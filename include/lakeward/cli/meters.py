"""Meters of a dual run in `lakeward status`: the newest day of each group, and what both systems cost so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeward.cli.console import say, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from lakeward.domain.meters import Meter, Spread
    from lakeward.spec.models import Migration

_SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def newest_of(meters: Sequence[Meter]) -> tuple[Meter, ...]:
    """The newest day's meter of every group."""
    return tuple({one.group: one for one in meters}.values())


def show_meters(meters: Sequence[Meter], spec: Migration | None, at: datetime) -> None:
    """Times of the newest day by group, and days and money of double cost."""
    if not meters:
        return
    rows = [
        (one.group, one.day, *row) for one in newest_of(meters) for row in (*_latencies(one), *_queries(one)) if row[-1]
    ]
    quantiles = tuple(name for name, _ in _SHARES)
    table(("group", "day", "measured", "side", *quantiles, "slowest", "of"), rows, right=(*quantiles, "slowest", "of"))
    for one in newest_of(meters):
        failed = one.failures + sum(one.source.failed.values()) + sum(one.lake.failed.values())
        say(
            f"{one.group} on {one.day}: {one.batches:,} increments, {one.rows:,} rows, {one.bytes / 1e6:,.1f} MB in {one.files:,} files, "
            f"{failed:,} failures"
        )
    if spec:
        told = double_cost(meters, spec, at)
        say(f"Double cost for {told['days']} days so far{_spent(told)}")


def _latencies(one: Meter) -> list[tuple[str, ...]]:
    return [("write latency", "lake", *_told(one.write)), ("freshness", "lake", *_told(one.fresh))]


def _queries(one: Meter) -> list[tuple[str, ...]]:
    sides = (("source", one.source), ("lake", one.lake))
    return [(f"report {name}", side, *_told(times)) for side, of in sides for name, times in of.queries.items()]


def _told(times: Spread) -> tuple[str, ...]:
    found = [times.quantile(share) for _, share in _SHARES]
    return (*("" if one is None else f"{one:.3f} s" for one in found), f"{times.slowest:.3f} s", f"{times.count or ''}")


def _spent(told: Mapping[str, object]) -> str:
    return f": {told['source']} for the source, {told['lake']} for the lake" if "source" in told else ""


def double_cost(meters: Sequence[Meter], spec: Migration, at: datetime) -> dict[str, object]:
    """Days of double cost so far, and by the price book, if there is one, what both systems cost in them."""
    from lakeward.domain.costs import day_costs, double_days, money, totals
    from lakeward.spec.models import Metered

    zone = spec.calendar.time_zone
    told: dict[str, object] = {"days": double_days(min(one.day for one in meters), at, zone)}
    if isinstance(spec, Metered) and spec.costs:
        spent = totals(day_costs(meters, spec.costs, at, zone))
        told |= {side: money(amount, spec.costs) for side, amount in spent.items()}
    return told


def meters_json(meters: Sequence[Meter], spec: Migration | None, at: datetime) -> dict[str, object] | None:
    """The same as JSON; None before the first increment."""
    if not meters:
        return None
    groups = [
        {
            "group": one.group,
            "day": one.day,
            "increments": one.batches,
            "changes": one.changes,
            "rows": one.rows,
            "bytes": one.bytes,
            "files": one.files,
            "quarantined": one.quarantined,
            "failures": one.failures,
            "seconds": round(one.seconds, 3),
            "retained_bytes": one.retained,
            "write_latency": _spread_json(one.write),
            "freshness": _spread_json(one.fresh),
            **{
                name: {
                    "stored_bytes": side.stored,
                    "requests": side.requests,
                    "queries": {
                        report: _spread_json(times) | {"failed": side.failed.get(report, 0)}
                        for report, times in side.queries.items()
                    },
                }
                for name, side in (("source", one.source), ("lake", one.lake))
            },
        }
        for one in newest_of(meters)
    ]
    return {"newest": groups, "double_cost": double_cost(meters, spec, at) if spec else None}


def _spread_json(times: Spread) -> dict[str, object]:
    found = {name: times.quantile(share) for name, share in _SHARES}
    told = {f"{name}_seconds": None if one is None else round(one, 4) for name, one in found.items()}
    return {"count": times.count, **told, "slowest_seconds": round(times.slowest, 4)}
