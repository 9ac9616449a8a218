"""Tell a difference of the data from one of the engines' time zone rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lakeward.domain.calendar import COARSE_TO_FINE
from lakeward.domain.dialect import Dialect
from lakeward.domain.file_facts import FileSet, Manifest
from lakeward.domain.kpi import ResolvedKpi, difference_columns
from lakeward.domain.zone_rules import RULES, ZONE, Ruling, all_disputed, disputed, needs_rules, rules_sql
from lakeward.errors import SourceError
from lakeward.ports import Ports
from lakeward.steps.figures import Differences, taken_figures

if TYPE_CHECKING:
    import pyarrow as pa

_PERIODS = "SELECT DISTINCT period FROM differences WHERE grain = '{}' AND NOT open"


def check_rules(ports: Ports, r: ResolvedKpi, found: Differences, source: Callable[[], pa.Table | None]) -> None:
    """SourceError when all that differs lies on days on which the clocks of source and lake disagree.

    :param source: gives the source's rules, None when they were not taken; asked only when figures differ.
    """
    if not found.failed or found.file is None or not needs_rules([r]):
        return
    grain = max(r.spec.grains, key=COARSE_TO_FINE.index)
    differences = FileSet((found.file.url,), ports.store.access, difference_columns(r))
    periods = (
        ports.engine.table(_PERIODS.format(grain.value), {"differences": differences}).column("period").to_pylist()
    )
    if not periods or (taken := source()) is None:
        return
    lake = ports.engine.table(rules_sql(r.calendar, Dialect.DUCKDB), {})
    spans = disputed(_rulings(taken), _rulings(lake))
    if spans and all_disputed(grain, periods, spans, r.calendar):
        first, last = spans[0]
        raise SourceError(
            f"{found.failed} cells differ, but by the source's time zone rules {r.calendar.time_zone} shows other clock times than by DuckDB's, "
            f"first from {first} to {last}: these days can't be compared.",
            todo="Update the time zone data of the older side, or set `calendar.time_zone: UTC`; then start a new run.",
        )


def rules_at_cut(ports: Ports, manifest: Manifest) -> pa.Table | None:
    """The source's rules as they were taken in the cut's snapshot."""
    if not any(file.url.endswith(ZONE) for file in manifest.figures):
        return None
    file = taken_figures(ports.store, manifest, ZONE, "time zone rules")
    return ports.engine.table("SELECT * FROM rules", {"rules": FileSet((file.url,), ports.store.access, RULES)})


def _rulings(table: pa.Table) -> list[Ruling]:
    return [(row["since"], row["ahead"]) for row in table.sort_by("since").to_pylist()]
