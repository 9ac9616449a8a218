"""Check a migration file without asking the source: its own checks, and those that need the domain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lakeward.domain.kpi_measure import KpiError, parse_measure
from lakeward.spec.load import LoadedMigration, load
from lakeward.spec.models import Migration
from lakeward.spec.problems import Trouble


def check_file(path: Path) -> LoadedMigration:
    """Read and check a migration file; quick and offline. SpecError names every problem of it, with its lines."""
    return load(path, also=_measures)


def _measures(spec: Migration) -> Iterator[Trouble]:
    for n, kpi in enumerate(spec.kpis):
        try:
            parse_measure(kpi.measure)
        except KpiError as error:
            todo = "Such as `sum(quantity * unit_price)`, `count()`, `count_distinct(customer_id)`."
            yield Trouble(("kpis", n, "measure"), str(error), todo, at=error.at)
