"""What is measured while two systems run: report queries, prices, and what is agreed on."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from lakeward.spec.migration import Freezable
from lakeward.spec.scalars import Count, Flag, Identifier, LakeName, Span
from lakeward.spec.tables import Spec

Price = Annotated[Decimal, Field(ge=0, max_digits=20, decimal_places=12)]


class ReportSpec(Spec):
    """A query that people run, timed on both systems after each increment. Its rows are fetched and thrown away."""

    name: LakeName = Field(description="What its times are told under.")
    title: str = Field("", description="What people call it.")
    group: LakeName = Field(description="The entity group whose tables it reads.")
    source: str = Field(min_length=1, max_length=20_000, description="A SELECT in the source's SQL.")
    lake: str = Field(
        min_length=1,
        max_length=20_000,
        description="A SELECT in DuckDB's SQL, over the lake tables by their plain names.",
    )
    runs: Count = Field(3, ge=1, le=20, description="How often it is run on each side after an increment.")
    limit: Span = Field(Span("30s"), description="A run that takes longer is broken off, and counted as failed.")


class PriceSpec(Spec):
    """What one system costs, in `costs.currency`."""

    compute: Price = Field(Decimal(0), description="Of a second of computing.")
    always_on: Flag = Field(
        False, description="Whether computing is paid around the clock, or only while lakeward works."
    )
    storage: Price = Field(Decimal(0), description="Of a gigabyte (1,000,000,000 bytes) for a day.")
    requests: Price = Field(
        Decimal(0), description="Of 1,000 requests: transactions at the source, data files written to the lake."
    )
    licence: Price = Field(Decimal(0), description="Of a day, whatever happens.")


class CostsSpec(Spec):
    """The price book of both systems: what the dual run costs, day by day."""

    currency: Identifier = Field("EUR", description="Shown with every amount.")
    source: PriceSpec = Field(PriceSpec(), description="The old system.")
    lake: PriceSpec = Field(PriceSpec(), description="The new one.")


class SlaSpec(Spec):
    """What is agreed on, of the newest day that was measured; a breach holds the gate. Times are p95."""

    freshness: Span | None = Field(None, description="From a commit at the source until readers of the lake see it.")
    write: Span | None = Field(None, description="From reading a batch of changes until readers see it.")
    query: Span | None = Field(None, description="Of each declared report, on the lake.")
    query_ratio: Decimal | None = Field(
        None, gt=0, description="Of each declared report: the lake takes at most so many times what the source takes."
    )
    failures: Count | None = Field(
        None, ge=0, description="Increments and runs of reports on the lake that fail in a day."
    )
    cost: Price | None = Field(None, description="What the lake costs a day, by `costs`.")
    silence: Span = Field(Span("1d"), description="Longer than this, the migration must not go without an increment.")


class Metered(Freezable):
    """What every pattern has in which both systems run beside each other for long."""

    reports: tuple[ReportSpec, ...] = Field((), description="Queries that people run, timed on both systems.")
    costs: CostsSpec | None = Field(None, description="The price book of both systems.")
    sla: SlaSpec | None = Field(None, description="What is agreed on; a breach holds the gate.")
