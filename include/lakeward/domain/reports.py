"""Report queries: SELECTs that people wrote, held to the list of ``kpi_hand`` and rendered anew for both sides. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import GroupPlan, LakeTable
from lakeward.domain.kpi_hand import read
from lakeward.domain.kpi_lake import lake_view
from lakeward.domain.kpi_measure import KpiError
from lakeward.spec.meters import ReportSpec
from lakeward.spec.problems import Trouble, meant

_MORE = frozenset(("order", "ordered", "limit", "div"))
"""What may stand in a report beside what may in a KPI: its result is looked at by people, and proves nothing."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report as SQL of both sides; ``inputs`` are the views that the lake's reads, by name."""

    source: str
    lake: str
    inputs: dict[str, LakeTable]


def report_of(spec: ReportSpec, group: GroupPlan) -> Report:
    """Check and render both SELECTs; KpiError says what may not stand there."""
    from sqlglot import exp

    source = read(spec.source, "source", group, _MORE).tree.sql(dialect=group.dialect.value, comments=False)
    written = read(spec.lake, "lake", group, _MORE)
    quoted = partial(exp.to_identifier, quoted=True)
    for node, _, table in written.tables:
        node.set("alias", node.args.get("alias") or exp.TableAlias(this=quoted(table.name)))
        node.set("this", quoted(lake_view(table.name)))
    lake = written.tree.sql(dialect=Dialect.DUCKDB.value, comments=False)
    return Report(source, lake, {lake_view(table.name): table for _, _, table in written.tables})


def report_troubles(reports: Sequence[ReportSpec], groups: Sequence[GroupPlan]) -> Iterator[Trouble]:
    """What is wrong with reports, by their place in the list."""
    by_name = {group.name: group for group in groups}
    for n, spec in enumerate(reports):
        group = by_name.get(spec.group)
        if group is None:
            yield Trouble((n, "group"), f"there is no group {spec.group!r}", meant(spec.group, sorted(by_name)))
            continue
        if group.dialect is not Dialect.POSTGRES:
            yield Trouble((n,), "reports are timed where the source is PostgreSQL", "Leave `reports` out.")
            continue
        for side in ("source", "lake"):
            try:
                read(getattr(spec, side), side, group, _MORE)
            except KpiError as error:
                yield Trouble((n, side), f"report {spec.name}: {str(error).removeprefix('sql.')}")
