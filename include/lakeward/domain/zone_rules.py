"""Time zone rules as an engine has them: its clock's changes over two centuries, and the days on which two engines disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from lakeward.domain.calendar import AFTER, BEFORE
from lakeward.domain.closing import period_of
from lakeward.domain.dialect import Dialect
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.sql import text
from lakeward.domain.zones import rulings
from lakeward.spec.calendar import CalendarSpec, Grain

RULES = (("since", "long"), ("ahead", "long"))
"""Columns of the rules: seconds since 1970 from which on the zone's clock is so many seconds ahead of UTC."""

ZONE = "/zone.parquet"
"""Where the source's rules lie in a landing, beside its figures."""

_FIRST, _LAST = "1900-01-01 00:00:00+00", "2100-01-01 00:00:00+00"
Ruling = tuple[int, int]
Span = tuple[date, date]


def needs_rules(resolved: Iterable[ResolvedKpi]) -> bool:
    """Whether the day of some figure depends on the rules of a zone."""
    return any(
        r.spec.date and r.type_of(r.spec.date) == "timestamptz" and r.calendar.time_zone != "UTC" for r in resolved
    )


def rules_sql(calendar: CalendarSpec, dialect: Dialect) -> str:
    """Every change of the zone's clock from 1900 to 2100, by days first, then to the quarter of an hour, as SQL."""
    if dialect is Dialect.MARIADB:  # whose days go by the rules that we bring along
        told = (f"SELECT {int(r.since.timestamp())} AS since, {r.ahead} AS ahead" for r in rulings(calendar.time_zone))
        return " UNION ALL ".join(told)
    zone = text(calendar.time_zone)

    def series(first: str, last: str, step: str) -> str:
        made = f"generate_series({first}, {last}, interval '{step}')"
        return f"unnest({made})" if dialect is Dialect.DUCKDB else made

    def changes(of: str, first: str) -> str:
        ahead = f"CAST(extract(epoch FROM (t AT TIME ZONE {zone}) - (t AT TIME ZONE 'UTC')) AS bigint)"
        told = f"SELECT t, {ahead} AS ahead FROM {of}"
        before = "lag(t) OVER (ORDER BY t) AS before, lag(ahead) OVER (ORDER BY t) AS was"
        return f"SELECT * FROM (SELECT t, ahead, {before} FROM ({told}) a) b WHERE was <> ahead {first}"

    bounds = [f"CAST({text(end)} AS timestamptz)" for end in (_FIRST, _LAST)]
    return (
        f"WITH days AS (SELECT {series(bounds[0], bounds[1], '24 hours')} AS t), about AS ({changes('days', 'OR was IS NULL')}), "
        f"quarters AS (SELECT {series('coalesce(before, t)', 't', '15 minutes')} AS t FROM about), "
        f"told AS ({changes('(SELECT DISTINCT t FROM quarters) q', 'OR was IS NULL')}) "
        "SELECT CAST(extract(epoch FROM t) AS bigint) AS since, ahead FROM told ORDER BY since"
    )


def disputed(one: Sequence[Ruling], other: Sequence[Ruling]) -> tuple[Span, ...]:
    """Spans of days (first and last) on which two engines' clocks disagree somewhere, a day more at each end."""
    ends = sorted({since for since, _ in (*one, *other)})
    found = []
    for since, until in zip(ends, [*ends[1:], None], strict=True):
        if _ahead(one, since) != _ahead(other, since):
            last = datetime.fromtimestamp(until, UTC).date() + timedelta(days=1) if until is not None else date.max
            found.append((datetime.fromtimestamp(since, UTC).date() - timedelta(days=1), last))
    return tuple(found)


def _ahead(rules: Sequence[Ruling], at: int) -> int | None:
    return next((ahead for since, ahead in reversed(rules) if since <= at), None)


def all_disputed(grain: Grain, periods: Iterable[str | None], spans: Sequence[Span], calendar: CalendarSpec) -> bool:
    """Whether each of some periods has a day on which the clocks disagree, so that none is surely different."""
    return all(period is not None and any(_meets(grain, period, spans, calendar)) for period in periods)


def _meets(grain: Grain, period: str, spans: Sequence[Span], calendar: CalendarSpec) -> Iterator[bool]:
    for first, last in spans:
        if period in {BEFORE, AFTER}:
            yield period_of(grain, first, calendar) == period or period_of(grain, last, calendar) == period
        elif len(period) == len("2025-01-01"):
            begins = date.fromisoformat(period)
            yield begins <= last and (first <= begins or period_of(grain, first, calendar) == period)
