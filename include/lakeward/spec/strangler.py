"""Strangler figs: an initial load, and then the source's change log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lakeward.spec.meters import Metered
from lakeward.spec.scalars import Count, Flag, Pause, Size, Span
from lakeward.spec.tables import Spec


class ChangesSpec(Spec):
    """How changes are taken from the source's log and applied."""

    tenure: Span = Field(
        Span("10m"), description="How long a run goes on applying changes before it compares and ends."
    )
    continuous: Flag = Field(False, description="Whether Airflow begins the next run as soon as one has ended.")
    every: Pause = Field(
        Pause("5s"),
        description="A batch is applied so long after its first change, or when it is full; so far the lake lags behind.",
    )
    batch: Count = Field(
        50_000,
        ge=1,
        le=1_000_000,
        description="A batch is full from so many changes on; a transaction is never parted.",
    )
    max_retained: Size = Field(
        Size("10GB"),
        description="Write-ahead log that the source may keep for a slot; a run that meets more fails and says so.",
    )


class Followed(Metered):
    """What every pattern has that follows the source's change log."""

    changes: ChangesSpec = Field(ChangesSpec(), description="How changes are taken from the source's log and applied.")


class StranglerFig(Followed):
    """An initial load, then every change of the source applied to the lake, for as long as both systems run."""

    pattern: Literal["strangler_fig"] = Field(
        description="`strangler_fig`: one initial load, then the source's change log is applied for as long as both systems run."
    )
